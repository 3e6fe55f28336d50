import t from 'tap';
import { runLeaderElection } from '../../client/leader-election.ts';
import { leases } from '../../client/resources.ts';
import { silent, until } from '../client/https-server.ts';
import { ControlPlane } from './control-plane.ts';

t.test('one of two candidates leads, and the other takes over as soon as it steps down', async (t) => {
  await using plane = await ControlPlane.start();
  const { client } = plane;
  const leading = new Set<string>();
  const stand = (identity: string) => {
    const stop = new AbortController();
    const ended = runLeaderElection({
      client,
      namespace: 'kube-system',
      name: 'test-leader',
      identity,
      logger: silent,
      signal: stop.signal,
      lead: async (signal) => {
        leading.add(identity);
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
        leading.delete(identity);
      },
    });
    return { stop, ended };
  };
  const first = stand('first');
  await until(() => leading.has('first'), 'the first to lead');
  const second = stand('second');
  const holder = async () => (await client.get(leases, 'kube-system', 'test-leader')).spec?.holderIdentity;
  t.equal(await holder(), 'first');
  t.strictSame([...leading], ['first']);

  first.stop.abort();
  await first.ended;
  t.notOk(leading.has('first'));
  await until(() => leading.has('second'), 'the second to lead');
  t.equal(await holder(), 'second');
  t.equal((await client.get(leases, 'kube-system', 'test-leader')).spec?.leaseTransitions, 1);
  second.stop.abort();
  await second.ended;
  t.notOk(await holder(), 'nobody holds it');
});

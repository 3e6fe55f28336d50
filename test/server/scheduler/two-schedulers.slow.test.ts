/** Two schedulers that both believe to lead, stopped and started again and again, with pods that come meanwhile. */
import t from 'tap';
import { ApiClient } from '../../../client/api-client.ts';
import { Informer } from '../../../client/informer.ts';
import { nodes, pods } from '../../../client/resources.gen.ts';
import { Scheduler } from '../../../control-plane/scheduler/scheduler.ts';
import { eventually } from '../../support/wait.ts';
import { silent, TestServer } from '../apiserver/server.ts';

const NODES = 20;
const PODS = 250;
/** A scheduler is stopped after it has seen so many bindings, its own or the other's. */
const BINDINGS_BETWEEN_STOPS = [11, 17];
const LEAST_STOPS = 20;

t.test('every pod is bound once, whichever of two schedulers is stopped', { timeout: 240_000 }, async (t) => {
  await using server = await TestServer.start();
  const open = (): ApiClient => new ApiClient({ server: server.url(''), ca: server.ca, token: 'admin/system:masters' });
  await using client = open();
  for (let index = 0; index < NODES; index++) {
    await client.create(nodes, { metadata: { name: `n${index}` } });
    const status = { allocatable: { cpu: '8', memory: '16Gi', pods: '110' } };
    await client.patch(nodes, '', `n${index}`, { status }, { type: 'merge', subresource: 'status' });
  }
  const bindings = new Map<string, Set<string>>();
  const watching = new AbortController();
  const informer = new Informer({ client, resource: pods, logger: silent });
  const note = ({ metadata, spec }: { metadata?: { name?: string }; spec?: { nodeName?: string } }): void => {
    const { name = '' } = metadata ?? {};
    const seen = bindings.get(name) ?? new Set();
    bindings.set(name, seen);
    if (spec?.nodeName) seen.add(spec.nodeName);
  };
  informer.addHandlers({ onAdd: note, onUpdate: (_, pod) => note(pod) });
  const watched = informer.run(watching.signal);

  const stop = new AbortController();
  let stops = 0;
  /** A scheduler with connections of its own that is stopped in the middle of its work. */
  const restless = async (every: number): Promise<void> => {
    while (!stop.signal.aborted) {
      await using own = open();
      const term = new AbortController();
      let left = every;
      const count = { onUpdate: () => void (--left === 0 && term.abort()) };
      informer.addHandlers(count);
      await new Scheduler({ client: own, logger: silent }).run(AbortSignal.any([stop.signal, term.signal]));
      stops++;
    }
  };
  const schedulers = BINDINGS_BETWEEN_STOPS.map(restless);
  for (let index = 0; index < PODS; index++) {
    await client.create(pods, {
      metadata: { namespace: 'default', name: `p${index}` },
      spec: { containers: [{ name: 'c', image: 'i', resources: { requests: { cpu: '10m' } } }] },
    });
  }
  await eventually(
    'all pods to be bound',
    () => bindings.size === PODS && [...bindings.values()].every(({ size }) => size > 0),
    180,
  );
  stop.abort();
  await Promise.all(schedulers);
  watching.abort();
  await watched;
  t.strictSame(
    [...bindings].filter(([, on]) => on.size !== 1),
    [],
    'no pod was bound twice',
  );
  const { items } = await client.list(pods, { namespace: 'default' });
  t.equal(items.length, PODS, 'no pod was lost');
  t.ok(stops >= LEAST_STOPS, `the schedulers were stopped ${stops} times`);
});

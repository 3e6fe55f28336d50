/** The clock of a host is set while its programs run: what lasts a while still lasts as long as it should. */
import t from 'tap';
import { notFound } from '../../../api/machinery/status-error.ts';
import { leases } from '../../../client/resources.gen.ts';
import { ApiClient } from '../../../client/api-client.ts';
import { ConnectionError } from '../../../client/connection-error.ts';
import { EventRecorder } from '../../../client/event-recorder.ts';
import { runLeaderElection } from '../../../client/leader-election.ts';
import { silent } from '../../support/https-server.ts';
import { eventually } from '../../support/wait.ts';
import { WallClock } from '../../support/wall-clock.ts';
import { WatchedCollection } from './watched-collection.ts';
import type { Lease } from '../../../api/types/coordination/v1.gen.ts';

const HOUR_MS = 3_600_000;

/** Has one Lease. */
class LeaseApi {
  lease: Lease | undefined;
  reads = 0;
  isCutOff = false;

  async get(): Promise<Lease> {
    this.reads++;
    if (!this.lease) throw notFound(leases, 'kedge');
    return this.lease;
  }

  async create(_resource: unknown, lease: Lease): Promise<Lease> {
    return (this.lease = { ...lease, metadata: { ...lease.metadata, resourceVersion: '1' } });
  }

  async update(_resource: unknown, lease: Lease): Promise<Lease> {
    if (this.isCutOff) throw new ConnectionError('https://api', new Error('no route'));
    return (this.lease = lease);
  }
}

function candidate(api: LeaseApi, lead: () => void) {
  const stop = new AbortController();
  const ended = runLeaderElection({
    ...{ client: api as unknown as ApiClient, namespace: 'kube-system', name: 'kedge', identity: 'me' },
    timing: { leaseSeconds: 15, renewMs: 350, deadlineMs: 300 },
    ...{ logger: silent, signal: stop.signal },
    lead: async (signal) => {
      lead();
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      stop.abort();
    },
  });
  return { stop, ended };
}

t.test('a leader that cannot renew its Lease stops in time when the clock is set back', async (t) => {
  using clock = new WallClock();
  const api = new LeaseApi();
  const { ended } = candidate(api, () => {
    api.isCutOff = true;
    // When it has begun to lead.
    setImmediate(() => clock.jump(-HOUR_MS));
  });
  await ended;
  t.equal(api.lease?.spec?.holderIdentity, 'me');
});

t.test('nobody takes over a Lease because the clock is set forward', async (t) => {
  using clock = new WallClock();
  const api = new LeaseApi();
  const spec = { holderIdentity: 'other', leaseDurationSeconds: 15 };
  api.lease = { metadata: { name: 'kedge', resourceVersion: '7' }, spec };
  const { stop, ended } = candidate(api, () => t.fail('became leader beside the other one'));
  await eventually('a look at the Lease', () => api.reads === 1);
  clock.jump(HOUR_MS);
  await eventually('another look', () => api.reads === 2);
  stop.abort();
  await ended;
  t.equal(api.lease.spec?.holderIdentity, 'other');
});

t.test('events are recorded though the clock was set back', async (t) => {
  using clock = new WallClock();
  await using collection = await WatchedCollection.start();
  await using client = new ApiClient(collection.clientOptions);
  const recorder = new EventRecorder({ client, component: 'kubelet', host: 'n1', logger: silent });
  const regarding = { apiVersion: 'v1', kind: 'Pod', namespace: 'default', name: 'a', uid: 'u' };
  recorder.event(regarding, 'Normal', 'Pulled', 'before');
  clock.jump(-24 * HOUR_MS);
  recorder.event(regarding, 'Normal', 'Pulled', 'after');
  await recorder.flush();
  t.match(collection.writes, [/before/, /after/]);
});

/** When the rules of a family are written, and what is said of that: without a kernel. */
import t from 'tap';
import type { ProxyBackend, ProxyChanges } from '../../../../agent/network/services/backends/proxy-backend.ts';
import { FamilySync, type SyncObserver } from '../../../../agent/network/services/family-sync.ts';
import { NO_WATCH } from '../../../../agent/network/netfilter/rule-watch.ts';
import type { ServiceEntry } from '../../../../agent/network/services/model/service-entry.ts';
import { silent } from '../../../support/https-server.ts';
import { entryOf, UNOBSERVED } from '../../../support/service-entries.ts';
import { eventually } from '../../../support/wait.ts';

class RecordingBackend implements ProxyBackend {
  readonly family = 'IPv4';
  readonly sysctls = [];
  readonly watched = [];
  readonly synced: string[][] = [];
  /** How many of the next calls fail. */
  failures = 0;

  sync({ services }: ProxyChanges) {
    if (this.failures-- > 0) return Promise.reject(new Error('no kernel'));
    this.synced.push([...services.keys()]);
    return Promise.resolve({ wrote: services.size > 0, rejected: new Map() });
  }

  verify = (): Promise<boolean> => Promise.resolve(true);
  remove = (): Promise<void> => Promise.resolve();
}

function start(entries: ReadonlyMap<string, ServiceEntry>) {
  const backend = new RecordingBackend();
  const programmed: number[] = [];
  const wrote: { failed: boolean; isFull: boolean }[] = [];
  const observer: SyncObserver = {
    ...UNOBSERVED.observer,
    programmed: (_, seconds) => programmed.push(seconds),
    wrote: (_, __, how) => wrote.push(how),
  };
  const sync = new FamilySync({
    ...{ backend, retired: [], watch: NO_WATCH, serviceCidr: undefined, nodeName: 'node-0', logger: silent, observer },
    tuning: { apply: () => Promise.resolve() },
    serviceHealth: { update: () => undefined },
    events: { event: () => undefined },
    entryOf: (key) => entries.get(key),
  });
  const stop = new AbortController();
  const running = sync.run(stop.signal);
  const end = async (): Promise<void> => {
    stop.abort();
    await running;
  };
  return { backend, sync, programmed, wrote, end };
}

t.test('a change is programmed when its rules are in force, not when they could not be written', async (t) => {
  const { backend, sync, programmed, wrote, end } = start(new Map([['default/web', entryOf({ endpoints: [] })]]));
  await eventually('the first sync', () => backend.synced.length === 1);
  t.same(wrote.splice(0), [{ failed: false, isFull: true }]);
  backend.failures = 1;
  sync.changed('default/web', 'endpoint', Date.now() - 2_000);
  sync.changed('default/web', 'endpoint', Date.now() + 60_000);
  sync.changed('default/web', 'service');
  t.same(sync.pending, { service: 1, endpoint: 1 });
  await eventually('the sync that fails', () => wrote.length === 1);
  t.same(programmed, []);
  await eventually('the sync after it', () => wrote.length === 2);
  t.same(wrote, [
    { failed: true, isFull: false },
    { failed: false, isFull: true },
  ]);
  t.equal(programmed.length, 2, 'each once');
  const [late = 0, early] = programmed;
  t.ok(late >= 2 && late < 30, `${late} s`);
  t.equal(early, 0, 'a clock that is ahead does not make it negative');
  t.same(sync.pending, { service: 0, endpoint: 0 });
  await end();
});

t.test('a Service that flaps waits alone, and its last change is written', async (t) => {
  const keys = ['default/flaps', 'default/calm'];
  const { backend, sync, end } = start(new Map(keys.map((key) => [key, entryOf({ endpoints: [] })])));
  await eventually('the first sync', () => backend.synced.length === 1);
  const writes = (key: string): number => backend.synced.filter((written) => written.includes(key)).length;
  for (let change = 0; change < 200; change++) {
    sync.changed('default/flaps', 'endpoint');
    await new Promise(setImmediate);
  }
  t.ok(writes('default/flaps') < 30, `${writes('default/flaps')} of 200 changes`);
  sync.changed('default/calm', 'endpoint');
  await eventually('the other Service', () => writes('default/calm') === 1);
  const before = writes('default/flaps');
  sync.changed('default/flaps', 'endpoint');
  await eventually('the last change', () => sync.pending.endpoint === 0 && writes('default/flaps') > before);
  await end();
});

t.test('ports with a Local policy that have endpoints elsewhere alone are counted', async (t) => {
  const endpoints = [{ ip: '10.42.1.2', node: 'node-1' }];
  const entries = new Map([
    ['default/a', entryOf({ endpoints, spec: { externalTrafficPolicy: 'Local' } })],
    ['default/b', entryOf({ endpoints, spec: { internalTrafficPolicy: 'Local', externalTrafficPolicy: 'Local' } })],
    ['default/c', entryOf({ endpoints })],
    ['default/d', entryOf({ endpoints: [], spec: { internalTrafficPolicy: 'Local' } })],
  ]);
  const { backend, sync, end } = start(entries);
  for (const key of entries.keys()) sync.changed(key, 'service');
  await eventually('the sync', () => backend.synced.some((written) => written.includes('default/d')));
  t.same(sync.withoutLocalEndpoints, { internal: 1, external: 2 });
  await end();
});

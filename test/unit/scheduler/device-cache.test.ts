/** What the scheduler knows of ResourceSlices: an api-server that only lists and watches. */
import t from 'tap';
import type { WatchEvent } from '../../../client/api-calls.ts';
import type { ApiClient } from '../../../client/api-client.ts';
import type { KubeObject } from '../../../api/machinery/kind.ts';
import type { ResourceSlice } from '../../../api/types/resource/v1.gen.ts';
import type { Resource } from '../../../client/resource.ts';
import { resourceSlices } from '../../../client/resources.gen.ts';
import { DeviceCache } from '../../../control-plane/scheduler/device-cache.ts';
import { stoppable } from '../../support/stoppable.ts';
import { Log } from '../../support/log.ts';
import { eventually } from '../../support/wait.ts';

const SLICES = 200;

/** Of one pool; counts how often the devices of any are read. */
function slicesOf(count: { reads: number }, nodeNameOf: (index: number) => string | undefined): ResourceSlice[] {
  return Array.from({ length: SLICES }, (_, index) => ({
    metadata: { name: `s${index}`, uid: `${index}`, resourceVersion: '1' },
    spec: {
      driver: 'gpu.example.com',
      pool: { name: 'p', generation: 1, resourceSliceCount: SLICES },
      nodeName: nodeNameOf(index),
      get devices() {
        count.reads++;
        return [{ name: `d${index}` }];
      },
    },
  }));
}

function cacheOf(slices: readonly ResourceSlice[]) {
  let send: (event: WatchEvent<KubeObject>) => void = () => undefined;
  const client = {
    async listPages(resource: Resource, onPage: (items: KubeObject[]) => void): Promise<string> {
      onPage(resource === resourceSlices ? [...slices] : []);
      return '1';
    },
    watch(resource: Resource, { signal }: { signal?: AbortSignal }, onEvent: typeof send): Promise<void> {
      if (resource === resourceSlices) send = onEvent;
      return new Promise((resolve) => signal?.addEventListener('abort', () => resolve()));
    },
  };
  const cache = new DeviceCache({
    // The rest of it is for claims, of which there are none.
    client: client as unknown as ApiClient,
    logger: new Log(),
    onEvent: () => undefined,
    onSynced: () => undefined,
  });
  cache.start();
  const stop = stoppable((signal) => cache.run(signal));
  return { cache, stop, send: (event: WatchEvent<KubeObject>) => send(event) };
}

t.test('a pool is made once of its slices, however many have changed', async (t) => {
  const count = { reads: 0 };
  const slices = slicesOf(count, () => 'a');
  const { cache, stop, send } = cacheOf(slices);
  t.teardown(stop);
  await eventually('the slices', () => cache.isSynced);
  const devices = (node: string): number => [...cache.poolsFor(node)].flatMap((pool) => pool.devices).length;
  t.equal(devices('a'), SLICES);
  t.equal(devices('b'), 0);
  for (const object of slices) send({ type: 'MODIFIED', object });
  t.equal(devices('a'), SLICES);
  t.equal(count.reads, 2 * SLICES);
});

t.test('a pool moves with its slices', async (t) => {
  const slices = slicesOf({ reads: 0 }, () => 'a');
  const { cache, stop, send } = cacheOf(slices);
  t.teardown(stop);
  await eventually('the slices', () => cache.isSynced);
  const pools = (node: string): number => [...cache.poolsFor(node)].length;
  t.strictSame([pools('a'), pools('b')], [1, 0]);
  const moved = (slice: ResourceSlice): ResourceSlice => ({ ...slice, spec: { ...slice.spec, nodeName: 'b' } });
  send({ type: 'MODIFIED', object: moved(slices[0]!) });
  t.strictSame([pools('a'), pools('b'), pools('c')], [1, 1, 1], 'while it is of two nodes, it is looked at for all');
  for (const slice of slices) send({ type: 'MODIFIED', object: moved(slice) });
  t.strictSame([pools('a'), pools('b')], [0, 1]);
  for (const slice of slices) send({ type: 'DELETED', object: moved(slice) });
  t.strictSame([pools('a'), pools('b')], [0, 0]);
});

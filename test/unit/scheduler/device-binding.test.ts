/** A device is held until it is known whether its claim was written. */
import t from 'tap';
import type { ResourceClaim } from '../../../api/types/resource/v1.gen.ts';
import { ConnectionError } from '../../../client/connection-error.ts';
import { staleObject } from '../../../api/machinery/status-error.ts';
import { resourceClaims } from '../../../client/resources.gen.ts';
import { NO_DEVICES, type Devices } from '../../../control-plane/scheduler/framework/devices.ts';
import { poolOf } from '../../../control-plane/scheduler/framework/device-pools.ts';
import { dynamicResources } from '../../../control-plane/scheduler/plugins/dynamic-resources.ts';
import { clusterOf, nodeOf, pending } from './objects.ts';

const claim: ResourceClaim = {
  metadata: { namespace: 'default', name: 'mine', uid: 'u', resourceVersion: '1' },
  spec: { devices: { requests: [{ name: 'r', exactly: { deviceClassName: 'gpu' } }] } },
};
const pool = poolOf([
  {
    metadata: { name: 's' },
    spec: {
      ...{ driver: 'd', nodeName: 'a', devices: [{ name: 'one' }] },
      pool: { name: 'p', generation: 1, resourceSliceCount: 1 },
    },
  },
]);
const pod = pending({ resourceClaims: [{ name: 'r', resourceClaimName: 'mine' }] });

/** A pod that has reserved its device on node a; `calls` are those that hold it and let it go. */
function reserved(more: Partial<Devices>) {
  const calls: string[] = [];
  const devices: Devices = {
    ...NO_DEVICES,
    claim: () => claim,
    deviceClass: () => ({ metadata: { name: 'gpu' }, spec: {} }),
    poolsFor: () => (pool ? [pool] : []),
    assume: (uid) => calls.push(`assume ${uid}`),
    forget: (uid) => calls.push(`forget ${uid}`),
    settle: ({ metadata }) => calls.push(`settle ${metadata?.uid}`),
    update: (object) => Promise.resolve(object),
    ...more,
  };
  const node = nodeOf('a');
  const result = dynamicResources.preFilter(pod, { ...clusterOf([node]), nodes: [node], devices });
  if (result === 'skip' || 'rejection' in result) throw new Error('the pod is rejected');
  const { state } = result;
  t.equal(dynamicResources.filter?.(pod, node, state), undefined);
  dynamicResources.reserve?.(pod, 'a', state);
  const preBind = (signal: AbortSignal) => dynamicResources.preBind?.(pod, 'a', state, signal) ?? Promise.resolve();
  return { calls, preBind, unreserve: () => dynamicResources.unreserve?.(pod, 'a', state) };
}

t.test('a pod that is deleted while its claim is written does not free the device', async (t) => {
  const answer = Promise.withResolvers<void>();
  const abort = new AbortController();
  const { calls, preBind, unreserve } = reserved({ updateStatus: (object) => answer.promise.then(() => object) });
  const binding = preBind(abort.signal);
  await new Promise(setImmediate);
  abort.abort(new Error('the pod was deleted'));
  unreserve();
  t.strictSame(calls, ['assume u'], 'held');
  answer.resolve();
  await binding;
  t.strictSame(calls, ['assume u', 'settle u', 'forget u'], 'what was written counts');
});

t.test('a refused write frees the device', async (t) => {
  const { calls, preBind, unreserve } = reserved({ updateStatus: () => Promise.reject(new Error('forbidden')) });
  await t.rejects(preBind(new AbortController().signal), { message: 'forbidden' });
  unreserve();
  t.strictSame(calls, ['assume u', 'forget u']);
});

t.test('a write whose answer was lost is looked up, and one of an old claim repeated', async (t) => {
  for (const error of [
    new ConnectionError('https://server', new Error('reset')),
    staleObject(resourceClaims, 'mine'),
  ]) {
    let stored = claim;
    let writes = 0;
    const { calls, preBind } = reserved({
      get: () => Promise.resolve(stored),
      updateStatus: (object) => {
        writes++;
        if (error instanceof ConnectionError) stored = object;
        return writes === 1 ? Promise.reject(error) : Promise.resolve(object);
      },
    });
    await preBind(new AbortController().signal);
    t.strictSame(calls, ['assume u', 'settle u']);
    t.equal(writes, error instanceof ConnectionError ? 1 : 2);
  }
});

t.test('a claim that somebody else has allocated meanwhile is left', async (t) => {
  const allocation = { devices: { results: [{ request: 'r', driver: 'd', pool: 'p', device: 'two' }] } };
  const conflict = staleObject(resourceClaims, 'mine');
  const { preBind } = reserved({
    get: () => Promise.resolve({ ...claim, status: { allocation } }),
    update: () => Promise.reject(conflict),
  });
  await t.rejects(preBind(new AbortController().signal), {
    message: 'claim default/mine got allocated elsewhere in the meantime',
  });
});

t.test('nodes where earlier alternatives can be had score higher', (t) => {
  const sub = (name: string, count: number) => ({ name, deviceClassName: 'gpu', count });
  const choosy: ResourceClaim = {
    ...claim,
    spec: { devices: { requests: [{ name: 'r', firstAvailable: [sub('two', 2), sub('one', 1)] }] } },
  };
  const devicesOn = (node: string, names: readonly string[]) =>
    poolOf([
      {
        metadata: { name: node },
        spec: {
          ...{ driver: 'd', nodeName: node, devices: names.map((name) => ({ name })) },
          pool: { name: node, generation: 1, resourceSliceCount: 1 },
        },
      },
    ]);
  const pools = new Map([
    ['few', devicesOn('few', ['x'])],
    ['many', devicesOn('many', ['x', 'y'])],
  ]);
  const scoresFor = (wanted: ResourceClaim) => {
    const devices: Devices = {
      ...NO_DEVICES,
      claim: () => wanted,
      deviceClass: () => ({ metadata: { name: 'gpu' }, spec: {} }),
      poolsFor: (node) => [pools.get(node)].filter((one) => one !== undefined),
    };
    const nodes = ['few', 'many'].map((name) => nodeOf(name));
    const cluster = { ...clusterOf(nodes), nodes, devices };
    const result = dynamicResources.preFilter(pod, cluster);
    if (result === 'skip' || 'rejection' in result) throw new Error('the pod is rejected');
    for (const node of nodes) t.equal(dynamicResources.filter?.(pod, node, result.state), undefined);
    const scored = dynamicResources.preScore(pod, nodes, cluster, result.state);
    if (scored === 'skip') return scored;
    const scores = nodes.map((node) => dynamicResources.score?.(pod, node, scored.state) ?? 0);
    return dynamicResources.normalize?.(scores);
  };
  t.strictSame(scoresFor(choosy), [87, 100], 'eight for the first alternative, seven for the second');
  t.equal(scoresFor(claim), 'skip');
  t.end();
});

/** Which devices claims get: the allocator, the pools that slices make, and the count of what is held. */
import t from 'tap';
import { podDeviceClaims } from '../../../api/domain/pod-device-claims.ts';
import type {
  Device,
  DeviceClaim,
  DeviceClass,
  DeviceRequest,
  ExactDeviceRequest,
  ResourceSlice,
} from '../../../api/types/resource/v1.gen.ts';
import { DeviceLedger } from '../../../control-plane/scheduler/device-cache.ts';
import {
  allocate,
  SearchBudget,
  type Alternative,
} from '../../../control-plane/scheduler/framework/device-allocation.ts';
import { poolOf } from '../../../control-plane/scheduler/framework/device-pools.ts';
import { podOf } from './objects.ts';

const DRIVER = 'gpu.example.com';
const anyGpu: DeviceClass = { metadata: { name: 'gpu' }, spec: {} };
const node = { name: 'a', labels: {} };

const sliceOf = (devices: Device[], spec: Partial<ResourceSlice['spec']> = {}): ResourceSlice => ({
  metadata: { name: 'slice' },
  spec: { driver: DRIVER, pool: { name: 'p', generation: 1, resourceSliceCount: 1 }, nodeName: 'a', devices, ...spec },
});

function alternativesOf({ name, exactly, firstAvailable = [] }: DeviceRequest): Alternative[] {
  if (exactly) return [{ name, deviceClass: anyGpu, request: exactly, isAdmin: exactly.adminAccess ?? false }];
  return firstAvailable.map((sub) => ({
    ...{ name: `${name}/${sub.name}`, deviceClass: anyGpu, request: sub, isAdmin: false },
  }));
}

/** The devices of each claim as `REQUEST=DEVICE`. */
function allocated(
  claims: readonly DeviceClaim[],
  slices: readonly ResourceSlice[],
  held: Pick<readonly string[], 'includes'> = [],
) {
  const wanted = claims.map((devices, index) => ({
    claim: { metadata: { namespace: 'default', name: `c${index}` }, spec: { devices } },
    requests: (devices.requests ?? []).map(alternativesOf),
  }));
  const pools = [...Map.groupBy(slices, ({ spec }) => spec.pool.name).values()].flatMap((of) => poolOf(of) ?? []);
  const isHeld = (key: string): boolean => held.includes(key.split('/').at(-1) ?? '');
  const found = allocate(wanted, { node, pools, isHeld, budget: new SearchBudget() });
  if (!found || typeof found === 'string') return found;
  return found.map(({ devices }) => devices?.results?.map(({ request, device }) => `${request}=${device}`));
}

const exactly = (request: Partial<ExactDeviceRequest> = {}, name = 'r'): DeviceRequest => ({
  name,
  exactly: { deviceClassName: 'gpu', ...request },
});
const selecting = (expression: string): Partial<ExactDeviceRequest> => ({ selectors: [{ cel: { expression } }] });
const onModel = (name: string, model: string, more: Partial<Device> = {}): Device => ({
  name,
  attributes: { model: { string: model } },
  ...more,
});
const sub = (name: string, more: Partial<ExactDeviceRequest> = {}) => ({ name, deviceClassName: 'gpu', ...more });

const three = sliceOf([onModel('one', 'x'), onModel('two', 'y'), onModel('three', 'x')]);
const newer = (devices: Device[], resourceSliceCount = 1): ResourceSlice =>
  sliceOf(devices, { pool: { name: 'p', generation: 2, resourceSliceCount } });
const isModel = (model: string): string => `device.attributes["${DRIVER}"].model == "${model}"`;

const takes = (memory: string): Partial<Device> => ({
  consumesCounters: [{ counterSet: 'gpu', counters: { memory: { value: memory } } }],
});
const inTwoSlices = { name: 'p', generation: 1, resourceSliceCount: 2 };
/** A GPU, and its two halves. */
const partitioned = [
  sliceOf([], { pool: inTwoSlices, sharedCounters: [{ name: 'gpu', counters: { memory: { value: '1Gi' } } }] }),
  sliceOf(
    [
      onModel('whole', 'whole', takes('1Gi')),
      onModel('half-0', 'half', takes('512Mi')),
      onModel('half-1', 'half', takes('512Mi')),
    ],
    { pool: inTwoSlices },
  ),
];

interface Row {
  readonly what: string;
  readonly claims: readonly DeviceClaim[];
  readonly slices?: readonly ResourceSlice[];
  readonly held?: readonly string[];
  readonly result: unknown;
}

const rows: readonly Row[] = [
  { what: 'the first device', claims: [{ requests: [exactly()] }], result: [['r=one']] },
  { what: 'a device that is free', claims: [{ requests: [exactly()] }], held: ['one'], result: [['r=two']] },
  {
    what: 'different devices for two claims of a pod',
    claims: [{ requests: [exactly()] }, { requests: [exactly()] }],
    result: [['r=one'], ['r=two']],
  },
  { what: 'several devices', claims: [{ requests: [exactly({ count: 2 })] }], result: [['r=one', 'r=two']] },
  { what: 'not more than there are', claims: [{ requests: [exactly({ count: 4 })] }], result: undefined },
  { what: 'one that is selected', claims: [{ requests: [exactly(selecting(isModel('y')))] }], result: [['r=two']] },
  {
    what: 'another for the first request, so that the second gets one',
    claims: [{ requests: [exactly({}, 'any'), exactly({ ...selecting(isModel('x')), count: 2 }, 'x')] }],
    result: [['any=two', 'x=one', 'x=three']],
  },
  {
    what: 'all that match',
    claims: [{ requests: [exactly({ allocationMode: 'All', ...selecting(isModel('x')) })] }],
    result: [['r=one', 'r=three']],
  },
  {
    what: 'not all when one of them is held',
    claims: [{ requests: [exactly({ allocationMode: 'All' })] }],
    held: ['three'],
    result: undefined,
  },
  {
    what: 'held devices with administrative access',
    claims: [{ requests: [exactly({ adminAccess: true })] }],
    held: ['one', 'two', 'three'],
    result: [['r=one']],
  },
  {
    what: 'devices with the same attribute',
    claims: [{ requests: [exactly({ count: 2 })], constraints: [{ matchAttribute: `${DRIVER}/model` }] }],
    result: [['r=one', 'r=three']],
  },
  {
    what: 'the next alternative',
    claims: [
      {
        requests: [
          { name: 'r', firstAvailable: [sub('four', { count: 4 }), sub('z', selecting(isModel('z'))), sub('s')] },
        ],
      },
    ],
    result: [['r/s=one']],
  },
  {
    what: 'no device with a taint',
    claims: [{ requests: [exactly()] }],
    slices: [sliceOf([{ name: 'bad', taints: [{ key: 'broken', effect: 'NoSchedule' }] }])],
    result: undefined,
  },
  {
    what: 'a device whose taint is tolerated',
    claims: [{ requests: [exactly({ tolerations: [{ key: 'broken', operator: 'Exists' }] })] }],
    slices: [sliceOf([{ name: 'bad', taints: [{ key: 'broken', effect: 'NoExecute' }] }])],
    result: [['r=bad']],
  },
  {
    what: 'no device of another node, nor one that is shared or bound by conditions',
    claims: [{ requests: [exactly()] }],
    slices: [
      sliceOf(
        [
          { name: 'far', nodeName: 'b' },
          { name: 'shared', nodeName: 'a', allowMultipleAllocations: true },
          { name: 'late', nodeName: 'a', bindingConditions: ['Ready'], bindingFailureConditions: ['Failed'] },
        ],
        { nodeName: undefined, perDeviceNodeSelection: true },
      ),
    ],
    result: undefined,
  },
  {
    what: 'parts of a device while its counters last',
    claims: [{ requests: [exactly({ ...selecting(isModel('half')), count: 2 })] }],
    slices: partitioned,
    result: [['r=half-0', 'r=half-1']],
  },
  {
    what: 'not the whole beside a part of it',
    claims: [{ requests: [exactly(selecting(isModel('half')), 'h'), exactly(selecting(isModel('whole')), 'w')] }],
    slices: partitioned,
    result: undefined,
  },
  {
    what: 'not the whole while a part of it is held, from whichever node',
    claims: [{ requests: [exactly(selecting(isModel('whole')))] }],
    slices: partitioned,
    held: ['half-1'],
    result: undefined,
  },
  {
    what: 'a part beside one that is held, and what was tried before it is given back',
    claims: [{ requests: [exactly({}, 'any'), exactly(selecting(isModel('half')), 'half')] }],
    slices: partitioned,
    held: [],
    result: [['any=half-0', 'half=half-1']],
  },
  {
    what: 'the whole for who only looks at it',
    claims: [{ requests: [exactly({ ...selecting(isModel('whole')), adminAccess: true })] }],
    slices: partitioned,
    held: ['half-0', 'half-1'],
    result: [['r=whole']],
  },
  {
    what: 'nothing of a pool in which a device takes of a counter that there is not',
    claims: [{ requests: [exactly()] }],
    slices: [sliceOf([onModel('part', 'half', takes('1')), { name: 'other' }])],
    result: undefined,
  },
  {
    what: 'devices of the newest generation of a pool',
    claims: [{ requests: [exactly()] }],
    slices: [three, newer([{ name: 'new' }])],
    result: [['r=new']],
  },
  {
    what: 'no device of a pool that is being published',
    claims: [{ requests: [exactly()] }],
    slices: [three, newer([{ name: 'new' }], 2)],
    result: undefined,
  },
  {
    what: 'not all of a pool that is being published',
    claims: [{ requests: [exactly({ allocationMode: 'All' })] }],
    slices: [newer([{ name: 'new' }], 2)],
    result: `claim default/c0, request r: asks for all devices, but resource pool ${DRIVER}/p is currently being updated`,
  },
  {
    what: 'an attribute that is not there ends the attempt',
    claims: [{ requests: [exactly(selecting(`device.attributes["${DRIVER}"].speed > 1`))] }],
    result: 'claim default/c0: selector #0: CEL runtime error: no such key: speed',
  },
  {
    what: 'a search without end is ended',
    claims: [{ requests: [exactly({ count: 15 })], constraints: [{ matchAttribute: `${DRIVER}/model` }] }],
    slices: [sliceOf(Array.from({ length: 56 }, (_, index) => onModel(`d${index}`, `m${index % 4}`)))],
    result: 'node a: timed out trying to allocate devices',
  },
];

for (const { what, claims, slices = [three], held, result } of rows)
  t.test(what, (t) => {
    t.strictSame(allocated(claims, slices, held), result);
    t.end();
  });

t.test('what expressions cost is bounded for a pod, and the next attempt gets further', async (t) => {
  const keys = `device.attributes["${DRIVER}"]`;
  const costly = `${keys}.all(k, ${keys}.all(l, ${keys}.all(m, k != "" && l != "" && m != "")))`;
  const attributes = Object.fromEntries(Array.from({ length: 32 }, (_, index) => [`a${index}`, { int: index }]));
  const slices = [sliceOf(Array.from({ length: 128 }, (_, index) => ({ name: `d${index}`, attributes })))];
  const claims = [{ requests: [exactly({ ...selecting(costly), count: 1 })] }];
  let attempts = 0;
  let found: unknown;
  do {
    found = allocated(claims, slices);
    if (++attempts === 1) t.equal(found, 'node a: timed out trying to allocate devices');
  } while (typeof found === 'string' && attempts < 20);
  t.strictSame(found, [['r=d0']]);
});

t.test('comparisons by constraints are steps of the search, too', async (t) => {
  const attributes = { model: { string: 'x' } };
  const devices = Array.from({ length: 60 }, (_, index) => ({ name: `d${index}`, attributes }));
  const same = { matchAttribute: `${DRIVER}/model` };
  const constraints = [...Array.from({ length: 31 }, () => same), { requests: ['last'], matchAttribute: 'none/none' }];
  const claim = { requests: [exactly({ count: 30 }), exactly({}, 'last')], constraints };
  let tried = 0;
  const counted = { includes: () => (tried++, false) };
  t.equal(allocated([claim], [sliceOf(devices)], counted), 'node a: timed out trying to allocate devices');
  t.ok(tried < 2_000, `${tried} devices were tried`);
});

t.test('devices that are looked at for a request are steps of the search, too', async (t) => {
  const devices = Array.from({ length: 20_000 }, (_, index) => ({ name: `d${index}` }));
  const claims = Array.from({ length: 20 }, () => ({
    requests: Array.from({ length: 32 }, (_, index) => exactly({}, `r${index}`)),
  }));
  let tried = 0;
  const counted = { includes: () => (tried++, false) };
  t.equal(allocated(claims, [sliceOf(devices)], counted), 'node a: timed out trying to allocate devices');
  t.ok(tried < 100, `${tried} requests were looked at`);
});

t.test('which claim an entry of a pod has', (t) => {
  const pod = podOf('p', {
    resourceClaims: [
      { name: 'named', resourceClaimName: 'mine' },
      { name: 'made', resourceClaimTemplateName: 't' },
      { name: 'waiting', resourceClaimTemplateName: 't' },
      { name: 'unneeded', resourceClaimTemplateName: 't' },
    ],
  });
  const resourceClaimStatuses = [{ name: 'made', resourceClaimName: 'p-made-x' }, { name: 'unneeded' }];
  const claims = podDeviceClaims({ ...pod, status: { resourceClaimStatuses } }).map(({ claim }) => claim);
  t.strictSame(claims, ['mine', 'p-made-x', undefined, null]);
  t.end();
});

t.test('a device is held as long as some claim has it: as a recount says', (t) => {
  const ledger = new DeviceLedger();
  const known = new Map<string, string[]>();
  let seed = 7;
  const random = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below;
  for (let event = 0; event < 100_000; event++) {
    const claim = `c${random(20)}`;
    const devices = Array.from({ length: random(4) }, () => `d${random(30)}`);
    ledger.set(claim, devices);
    known.set(claim, devices);
    if (event % 1_000 > 0) continue;
    const held = new Set([...known.values()].flat());
    for (let device = 0; device < 30; device++)
      if (ledger.isHeld(`d${device}`) !== held.has(`d${device}`)) t.fail(`d${device} after ${event} events`);
  }
  t.end();
});

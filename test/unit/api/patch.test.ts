import t from 'tap';
import { pods } from '../../../api/kinds/core/pod.ts';
import { deployments } from '../../../api/kinds/apps/deployment.ts';
import { applyJsonPatch } from '../../../api/machinery/patch/json.ts';
import { applyMergePatch } from '../../../api/machinery/patch/merge.ts';
import { applyStrategicPatch } from '../../../api/machinery/patch/strategic.ts';

const pod = () => ({
  metadata: { name: 'p', finalizers: ['a/1', 'b/2'], labels: { x: '1' } },
  spec: {
    containers: [
      { name: 'one', image: 'a', args: ['1', '2'], ports: [{ containerPort: 80, protocol: 'TCP' }] },
      { name: 'two', image: 'b', env: [{ name: 'A', value: '1' }] },
      { name: 'three', image: 'c' },
    ],
    tolerations: [{ key: 'k' }],
    volumes: [{ name: 'v', emptyDir: {} }],
  },
});
type PodLike = ReturnType<typeof pod>;
const patchPod = (patch: object): PodLike => applyStrategicPatch(pod(), patch, pods.schema) as PodLike;
const names = ({ spec }: PodLike) => spec.containers.map(({ name }) => name);

t.test('a strategic patch merges lists by key, appends new items and replaces atomic lists', async (t) => {
  const patched = patchPod({
    spec: {
      containers: [
        { name: 'two', env: [{ name: 'B', value: '2' }] },
        { name: 'four', image: 'd', command: null },
        { name: 'one', args: ['3'] },
      ],
      tolerations: [{ key: 'other' }],
    },
  });
  t.strictSame(names(patched), ['two', 'four', 'one', 'three']);
  t.strictSame(patched.spec.containers[0], {
    name: 'two',
    image: 'b',
    // Items of the patch come first where no order is given.
    env: [
      { name: 'B', value: '2' },
      { name: 'A', value: '1' },
    ],
  });
  t.strictSame(patched.spec.containers[1], { name: 'four', image: 'd' });
  t.strictSame(patched.spec.containers[2]?.args, ['3']);
  t.strictSame(patched.spec.tolerations, [{ key: 'other' }]);
});

t.test('applies the $patch, $deleteFromPrimitiveList, $setElementOrder and $retainKeys directives', async (t) => {
  t.strictSame(names(patchPod({ spec: { containers: [{ name: 'two', $patch: 'delete' }] } })), ['one', 'three']);
  t.strictSame(names(patchPod({ spec: { containers: [{ $patch: 'replace' }, { name: 'new' }] } })), ['new']);
  const order = { '$setElementOrder/containers': [{ name: 'three' }, { name: 'one' }] };
  t.strictSame(names(patchPod({ spec: { ...order, containers: [{ name: 'one', image: 'z' }] } })), [
    'two',
    'three',
    'one',
  ]);
  const volumes = [{ name: 'v', $retainKeys: ['name', 'hostPath'], hostPath: { path: '/h' } }];
  t.strictSame(patchPod({ spec: { volumes } }).spec.volumes, [{ name: 'v', hostPath: { path: '/h' } }]);
  const finalizers = { '$deleteFromPrimitiveList/finalizers': ['a/1'], finalizers: ['c/3'] };
  t.strictSame(patchPod({ metadata: finalizers }).metadata.finalizers.sort(), ['b/2', 'c/3']);
  t.strictSame(patchPod({ metadata: { labels: { $patch: 'replace', y: '2' } } }).metadata.labels, { y: '2' });
  const strategy = { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } } };
  const recreate = { strategy: { $retainKeys: ['type'], type: 'Recreate' } };
  t.strictSame(applyStrategicPatch({ spec: strategy }, { spec: recreate }, deployments.schema), {
    spec: { strategy: { type: 'Recreate' } },
  });
});

t.test('a strategic patch does not modify its inputs', async (t) => {
  const target = pod();
  const patch = {
    spec: { containers: [{ name: 'one', image: 'new', ports: [{ containerPort: 80, $patch: 'delete' }] }] },
  };
  const before = structuredClone(patch);
  applyStrategicPatch(target, patch, pods.schema);
  t.strictSame(target, pod());
  t.strictSame(patch, before);
});

t.test(
  'an invalid directive, a missing merge key and a contradicting order are server errors, as upstream',
  async (t) => {
    const wrong = [
      { spec: { containers: [{ name: 'one', $patch: 'twist' }] } },
      { spec: { containers: [{ image: 'x' }] } },
      { spec: { volumes: [{ name: 'v', $retainKeys: ['name'], hostPath: {} }] } },
      { spec: { '$setElementOrder/containers': [{ name: 'two' }], containers: [{ name: 'one' }] } },
    ];
    for (const patch of wrong) t.throws(() => patchPod(patch), { code: 500 }, JSON.stringify(patch));
    t.throws(() => applyStrategicPatch({}, [], pods.schema), { code: 400 });
  },
);

t.test('a merge patch follows RFC 7386', async (t) => {
  const target = { a: { b: 1, c: [1, 2] }, d: 'x' };
  t.strictSame(applyMergePatch(target, { a: { b: null, c: [3], e: { f: null, g: 1 } }, d: { h: 1 } }), {
    a: { c: [3], e: { g: 1 } },
    d: { h: 1 },
  });
  t.strictSame(target, { a: { b: 1, c: [1, 2] }, d: 'x' });
  t.strictSame(applyMergePatch({ a: 1 }, 'text'), 'text');
});

t.test('a JSON patch follows RFC 6902', async (t) => {
  const apply = (target: unknown, ...operations: object[]) => applyJsonPatch(structuredClone(target), operations);
  t.strictSame(
    apply(
      { a: [1, 2], 'x/y': 1 },
      { op: 'add', path: '/a/1', value: 9 },
      { op: 'add', path: '/a/-', value: 3 },
      { op: 'replace', path: '/x~1y', value: null },
      { op: 'copy', from: '/a', path: '/b' },
      { op: 'remove', path: '/a/0' },
      { op: 'move', from: '/b/0', path: '/first' },
      { op: 'test', path: '/first', value: 1 },
    ),
    { a: [9, 2, 3], 'x/y': null, b: [9, 2, 3], first: 1 },
  );
  const failing = [
    { op: 'remove', path: '/nope' },
    { op: 'replace', path: '/nope/deeper', value: 1 },
    { op: 'replace', path: '/list/0', value: 1 },
    { op: 'copy', from: '/nope/deeper', path: '/a' },
    { op: 'add', path: '/nope/deeper', value: 1 },
    { op: 'test', path: '/a', value: 2 },
    { op: 'add', path: '/list/7', value: 1 },
    { op: 'twist', path: '/a' },
    { op: 'add', path: 'a', value: 1 },
    { op: 'add', path: '/__proto__/x', value: 1 },
  ];
  for (const operation of failing) {
    t.throws(() => apply({ a: 1, list: [] }, operation), { code: 422, reason: 'Invalid' }, JSON.stringify(operation));
  }
  t.strictSame(
    apply({ a: 1 }, { op: 'replace', path: '/b', value: 2 }, { op: 'copy', from: '/nope', path: '/c' }),
    { a: 1, b: 2, c: null },
    'unlike RFC 6902, as upstream',
  );
  t.throws(() => applyJsonPatch({}, { op: 'add' }), { code: 400 });
  t.throws(() => applyJsonPatch({}, new Array(10_001).fill({ op: 'test', path: '', value: {} })), { code: 413 });
});

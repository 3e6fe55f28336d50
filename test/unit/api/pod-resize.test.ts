/** `pods/resize`, by table: what it takes of an update, and what it rejects. */
import t from 'tap';
import { pods } from '../../../api/kinds/core/pod.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';
import { decoded } from './kind-rules.ts';
import { CONTEXT, updateThrough } from './updates.ts';

const rules = updateThrough(pods, 'resize');
const sized = (cpu: string, more: object = {}) => ({ requests: { cpu }, limits: { cpu: '200m' }, ...more });
const container = (resources: object = sized('100m'), more: object = {}) => ({
  name: 'c',
  image: 'i:1',
  resources,
  ...more,
});
const manifest = (spec: object, more: object = {}) => ({
  metadata: { name: 'x', namespace: 'n', generation: 1, labels: { a: 'b' } },
  ...more,
  spec: { containers: [container()], ...spec },
});

/** The pod that an update with this spec makes of another, and the errors of it. */
function resize(spec: object, before: object = {}, old: object = {}): { pod: Pod; errors: string[] } {
  const oldPod = decoded(pods, manifest(before, old));
  const pod = rules.merge(decoded(pods, { ...manifest(spec), metadata: { name: 'x', namespace: 'n' } }), oldPod);
  pods.applyDefaults(pod);
  rules.prepare(pod, oldPod, CONTEXT);
  const errors = rules.validate(pod, oldPod).map(({ field, message }) => `${field}: ${message}`);
  return { pod, errors };
}

t.test('CPU and memory change, and nothing else does', async (t) => {
  const wanted = { containers: [container(sized('150m'), { image: 'j:1' })], nodeName: 'other', priority: 3 };
  const { pod, errors } = resize(wanted, { nodeName: 'n' }, { status: { phase: 'Running' } });
  t.strictSame(errors, []);
  t.match(pod, {
    metadata: { generation: 2, labels: { a: 'b' } },
    spec: { nodeName: 'n', containers: [{ image: 'i:1', resources: sized('150m') }] },
    status: { phase: 'Running' },
  });
  t.equal(pod.spec?.priority, undefined);
  t.equal(resize({}).pod.metadata?.generation, 1, 'nothing has changed');
});

t.test('what cannot be resized', async (t) => {
  const static_ = { metadata: { name: 'x', annotations: { 'kubernetes.io/config.mirror': 'h' } } };
  const running = (resources?: object) => ({
    status: {
      containerStatuses: [
        {
          name: 'c',
          image: 'i',
          imageID: '',
          ready: true,
          restartCount: 0,
          state: { running: {} },
          ...(resources && { resources }),
        },
      ],
    },
  });
  const init = (cpu: string, more: object = {}) => ({ ...container(sized(cpu)), name: 'i', ...more });
  const restart = { resizePolicy: [{ resourceName: 'cpu', restartPolicy: 'RestartContainer' }] };
  const bigger = { containers: [container(sized('150m'))] };
  for (const [what, spec, before, old, errors] of [
    ['a bigger container', bigger, {}, {}, []],
    ['a static pod', bigger, { nodeName: 'n' }, static_, ['[]: Forbidden: static pods cannot be resized']],
    ['a pod of Windows', bigger, { os: { name: 'windows' } }, {}, ['[]: Forbidden: windows pods cannot be resized']],
    [
      'another QoS class',
      { containers: [container({ requests: { cpu: '1', memory: '1Gi' }, limits: { cpu: '1', memory: '1Gi' } })] },
      {},
      { status: { qosClass: 'Burstable' } },
      ['spec: Invalid value: "Burstable": Pod QOS Class may not change as a result of resizing'],
    ],
    ['a node that says what containers have', bigger, {}, running({}), []],
    [
      'a node that does not',
      bigger,
      {},
      running(),
      ['spec: Forbidden: Pod running on node without support for resize'],
    ],
    [
      'more containers',
      { containers: [container(), container({}, { name: 'd' })] },
      {},
      {},
      ['spec.containers: Forbidden: containers may not be added or removed on resize'],
    ],
    [
      'other containers',
      { containers: [container({}, { name: 'd' })] },
      {},
      {},
      [
        'spec: Invalid value: "": Pod QOS Class may not change as a result of resizing',
        'spec.containers[0].name: Forbidden: containers may not be renamed or reordered on resize',
      ],
    ],
    [
      'amounts that are gone',
      { containers: [container({ requests: { memory: '1Gi' } })] },
      {},
      {},
      [
        'spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed',
        'spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed',
      ],
    ],
    [
      'other resources',
      { containers: [container(sized('100m', { requests: { cpu: '100m', 'ephemeral-storage': '1Gi' } }))] },
      {},
      {},
      ['spec: Forbidden: only cpu and memory resources are mutable'],
    ],
    [
      'another policy',
      { containers: [container(sized('150m'), restart)] },
      {},
      {},
      ['spec: Forbidden: only cpu and memory resources are mutable'],
    ],
    [
      'more than the limit',
      { containers: [container(sized('300m'))] },
      {},
      {},
      ['spec.containers[0].resources.requests: Invalid value: "300m": must be less than or equal to cpu limit of 200m'],
    ],
    ['an init container', { initContainers: [init('150m')] }, { initContainers: [init('100m')] }, {}, []],
    [
      'an init container that would have to run again',
      { initContainers: [init('150m', restart)] },
      { initContainers: [init('100m', restart)] },
      { metadata: { name: 'x', namespace: 'n', resourceVersion: '1' } },
      [
        'spec.initContainers[0]: Forbidden: non-sidecar init containers with a resize policy of RestartContainer cannot be resized',
      ],
    ],
    [
      'resources of the pod that are gone',
      {},
      { resources: { requests: { cpu: '1' } } },
      {},
      ['spec.resources: Forbidden: pod-level resources cannot be removed'],
    ],
    [
      'resources of the pod',
      { resources: { requests: { cpu: '2' } } },
      { resources: { requests: { cpu: '1' } } },
      {},
      [],
    ],
  ] as const) {
    t.strictSame(resize(spec, before, old).errors, errors, what);
  }
});

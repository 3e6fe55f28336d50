import t from 'tap';
import { pods } from '../../../api/kinds/core/pod.ts';
import type { PodAffinityTerm, PodSpec, TopologySpreadConstraint } from '../../../api/types/core/v1.gen.ts';

const context = { user: { name: 'u', groups: [] }, now: 0, warn: () => {} };
const labels = { app: 'web', hash: '1', tenant: 'a' };

/** The spec of a pod with these labels as it is stored. */
function created(spec: Partial<PodSpec>): PodSpec | undefined {
  const pod = { metadata: { name: 'p', labels }, spec: { containers: [{ name: 'c', image: 'i' }], ...spec } };
  pods.prepareForCreate(pod, context);
  return pod.spec;
}

const app = () => ({ matchLabels: { app: 'web' } });
const expression = (key: string, operator: string, value: string) => ({ key, operator, values: [value] });
const rows: readonly (readonly [
  what: string,
  keyed: Partial<PodAffinityTerm>,
  matchExpressions: object[] | undefined,
])[] = [
  ['no keys', { labelSelector: app() }, undefined],
  ['a key to match', { labelSelector: app(), matchLabelKeys: ['hash'] }, [expression('hash', 'In', '1')]],
  ['a key not to match', { labelSelector: app(), mismatchLabelKeys: ['tenant'] }, [expression('tenant', 'NotIn', 'a')]],
  [
    'both, behind what was there',
    {
      labelSelector: { matchExpressions: [{ key: 'x', operator: 'Exists' }] },
      ...{ matchLabelKeys: ['hash', 'hash'], mismatchLabelKeys: ['tenant'] },
    },
    [{ key: 'x', operator: 'Exists' }, expression('hash', 'In', '1'), expression('tenant', 'NotIn', 'a')],
  ],
  ['keys of no label', { labelSelector: app(), matchLabelKeys: ['none', 'constructor', '__proto__'] }, undefined],
];

t.test('keys of labels are merged into the selectors of a new pod', (t) => {
  for (const [what, keyed, wanted] of rows) {
    const term = (): PodAffinityTerm => structuredClone({ topologyKey: 'zone', ...keyed });
    const spec = created({
      affinity: {
        podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term()] },
        podAntiAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, podAffinityTerm: term() }],
        },
      },
    });
    const { podAffinity, podAntiAffinity } = spec?.affinity ?? {};
    const terms = [
      podAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.[0],
      podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution?.[0]?.podAffinityTerm,
    ];
    for (const found of terms) t.strictSame(found?.labelSelector?.matchExpressions, wanted, what);
  }
  const constraint: TopologySpreadConstraint = {
    ...{ maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule', matchLabelKeys: ['hash'] },
  };
  const spread = created({ topologySpreadConstraints: [{ ...constraint, labelSelector: app() }, constraint] });
  t.strictSame(
    spread?.topologySpreadConstraints?.map(({ labelSelector }) => labelSelector?.matchExpressions),
    [[expression('hash', 'In', '1')], undefined],
    'a constraint without a selector stays so',
  );
  t.end();
});

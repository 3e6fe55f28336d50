/** HorizontalPodAutoscalers: defaults, validation and columns by table, and conversion between versions. */
import t from 'tap';
import { horizontalPodAutoscalers as v1 } from '../../../api/kinds/autoscaling/horizontal-pod-autoscaler-v1.ts';
import { horizontalPodAutoscalers as v2 } from '../../../api/kinds/autoscaling/horizontal-pod-autoscaler.ts';
import { fromV2, toV2 } from '../../../api/kinds/autoscaling/autoscaler-conversion.ts';
import { cells, created, decoded, refused, refusedChange, refusedStatus } from './kind-rules.ts';

const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' };
const spec = { scaleTargetRef, maxReplicas: 3 };
const at = 'spec.metrics[0]';
const metrics = [
  { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } },
  { type: 'Resource', resource: { name: 'memory', target: { type: 'AverageValue', averageValue: '1Gi' } } },
  {
    type: 'ContainerResource',
    containerResource: { name: 'cpu', container: 'c', target: { type: 'AverageValue', averageValue: '100m' } },
  },
  {
    type: 'Pods',
    pods: {
      metric: { name: 'rps', selector: { matchLabels: { a: 'b' } } },
      target: { type: 'AverageValue', averageValue: '10' },
    },
  },
  {
    type: 'Object',
    object: {
      describedObject: { kind: 'Ingress', name: 'i', apiVersion: 'networking.k8s.io/v1' },
      metric: { name: 'hits' },
      target: { type: 'Value', value: '5' },
    },
  },
  { type: 'External', external: { metric: { name: 'queue' }, target: { type: 'AverageValue', averageValue: '7' } } },
];

t.test('defaults', async (t) => {
  t.match(decoded(v2, { spec }).spec, {
    minReplicas: 1,
    metrics: [{ resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } }],
  });
  t.equal(decoded(v2, { spec }).spec?.behavior, undefined);
  t.strictSame(decoded(v2, { spec: { ...spec, behavior: {} } }).spec?.behavior, {
    scaleUp: {
      stabilizationWindowSeconds: 0,
      selectPolicy: 'Max',
      policies: [
        { type: 'Pods', value: 4, periodSeconds: 15 },
        { type: 'Percent', value: 100, periodSeconds: 15 },
      ],
    },
    scaleDown: { selectPolicy: 'Max', policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }] },
  });
});

t.test('validation', async (t) => {
  const metric = (more: object) => ({ metrics: [{ type: 'Resource', ...more }] });
  const resource = (target: object) => metric({ resource: { name: 'cpu', target } });
  const rules = (scaleDown: object) => ({ behavior: { scaleDown } });
  const down = 'spec.behavior.scaleDown';
  const types = '"ContainerResource", "External", "Object", "Pods", "Resource"';
  for (const [change, wanted] of [
    [{}, []],
    [{ metrics }, []],
    [
      { minReplicas: 0 },
      [
        'spec.minReplicas: Invalid value: 0: must be greater than or equal to 1',
        'spec.metrics: Forbidden: must specify at least one Object or External metric to support scaling to zero replicas',
      ],
    ],
    [
      { maxReplicas: 0 },
      [
        'spec.maxReplicas: Required value: must be set and greater than 0',
        'spec.maxReplicas: Invalid value: 0: must be greater than or equal to `minReplicas`',
      ],
    ],
    [
      { scaleTargetRef: { kind: '', name: 'a/b' } },
      [
        'spec.scaleTargetRef.kind: Required value',
        `spec.scaleTargetRef.name: Invalid value: "a/b": may not contain '/'`,
        'spec.scaleTargetRef.apiVersion: Invalid value: "": apiVersion must specify API group',
      ],
    ],
    [{ scaleTargetRef: { apiVersion: 'v1', kind: 'ReplicationController', name: 'a' } }, []],
    [
      { scaleTargetRef: { apiVersion: 'a/b/c', kind: 'ReplicationController', name: 'a' } },
      ['spec.scaleTargetRef.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c'],
    ],
    [metric({}), [`${at}.resource: Required value: must populate information for the given metric source`]],
    [
      metric({ type: 'Other' }),
      [
        `${at}.type: Unsupported value: "Other": supported values: ${types}`,
        `${at}.type: Unsupported value: "Other": supported values: ${types}`,
      ],
    ],
    [
      resource({ type: 'Utilization' }),
      [
        `${at}.resource.target.averageUtilization: Required value: must set either a target raw value or a target utilization`,
      ],
    ],
    [
      resource({ type: 'Some', averageUtilization: 0, averageValue: '-1' }),
      [
        `${at}.resource.target.type: Invalid value: "Some": must be either Utilization, Value, or AverageValue`,
        `${at}.resource.target.averageValue: Invalid value: "-1": must be positive`,
        `${at}.resource.target.averageUtilization: Invalid value: 0: must be greater than 0`,
        `${at}.resource.target.averageValue: Forbidden: may not set both a target raw value and a target utilization`,
      ],
    ],
    [
      { metrics: [{ ...metrics[0], pods: metrics[3]?.pods }] },
      [`${at}.pods: Forbidden: must populate the given metric source only`],
    ],
    [
      { metrics: [{ type: 'Pods', pods: { metric: { name: '' }, target: { type: 'Value', value: '1' } } }] },
      [
        `${at}.pods.metric.name: Required value: must specify a metric name`,
        `${at}.pods.target.averageValue: Required value: must specify a positive target averageValue`,
      ],
    ],
    [
      {
        metrics: [
          {
            type: 'External',
            external: { metric: { name: 'q' }, target: { type: 'Value', value: '1', averageValue: '1' } },
          },
        ],
      },
      [`${at}.external.target.value: Forbidden: may not set both a target value for metric and a per-pod target`],
    ],
    [
      rules({ stabilizationWindowSeconds: 3601, selectPolicy: 'Most', tolerance: '-1' }),
      [
        `${down}.stabilizationWindowSeconds: Invalid value: 3601: must be less than or equal to 3600`,
        `${down}.selectPolicy: Unsupported value: "Most": supported values: "Disabled", "Max", "Min"`,
        `${down}.tolerance: Invalid value: "-1": must be greater than or equal to 0`,
      ],
    ],
    [
      rules({ policies: [{ type: 'Nodes', value: 0, periodSeconds: 1801 }] }),
      [
        `${down}.policies[0].type: Unsupported value: "Nodes": supported values: "Percent", "Pods"`,
        `${down}.policies[0].value: Invalid value: 0: must be greater than zero`,
        `${down}.policies[0].periodSeconds: Invalid value: 1801: must be less than or equal to 1800`,
      ],
    ],
  ] as const) {
    t.strictSame(refused(v2, { spec: { ...spec, ...change } }), wanted, JSON.stringify(change));
  }
  const old = { spec: { ...spec, minReplicas: 0, metrics, scaleTargetRef: { kind: 'Deployment', name: 'web' } } };
  t.strictSame(refusedChange(v2, old, old), [], 'what is there already may stay');
  t.strictSame(refusedStatus(v2, {}, { desiredReplicas: -1 }, spec), [
    'status.desiredReplicas: Invalid value: -1: must be greater than or equal to 0',
  ]);
  t.strictSame(refused(v1, { spec: { ...spec, targetCPUUtilizationPercentage: 0 } }), [
    `${at}.resource.target.averageUtilization: Invalid value: 0: must be greater than 0`,
  ]);
});

t.test('columns', async (t) => {
  const currentMetrics = [{ type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 12 } } }];
  t.strictSame(
    cells(v2, { spec: { ...spec, metrics }, status: { currentReplicas: 2, desiredReplicas: 2, currentMetrics } }),
    ['x', 'Deployment/web', 'cpu: 12%/50%, memory: <unknown>/1Gi + 4 more...', '1', 3, 2, '<unknown>'],
  );
  t.strictSame(cells(v1, { spec: { ...spec, targetCPUUtilizationPercentage: 60 } }).slice(1, 5), [
    ...['Deployment/web', 'cpu: <unknown>/60%', '1', 3],
  ]);
});

t.test('v1 keeps in annotations what it has no fields for, and loses nothing', async (t) => {
  const status = {
    currentReplicas: 1,
    desiredReplicas: 2,
    currentMetrics: [
      { type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 12, averageValue: '5m' } } },
      { type: 'External', external: { metric: { name: 'queue' }, current: { value: '3', averageValue: '1' } } },
    ],
    conditions: [{ type: 'AbleToScale', status: 'True', reason: 'R', lastTransitionTime: '2026-01-01T00:00:00Z' }],
  };
  const stored = decoded(v2, {
    metadata: { name: 'x', annotations: { kept: 'yes' } },
    spec: { ...spec, metrics: [...metrics.slice(1), metrics[0]], behavior: { scaleUp: { tolerance: '100m' } } },
    status,
  });
  const view = fromV2(stored);
  t.equal(view.spec?.targetCPUUtilizationPercentage, 50);
  t.equal(view.status?.currentCPUUtilizationPercentage, 12);
  const prefix = 'autoscaling.alpha.kubernetes.io';
  t.strictSame(Object.keys(view.metadata?.annotations ?? {}).sort(), [
    ...['behavior', 'conditions', 'current-metrics', 'metrics'].map((name) => `${prefix}/${name}`),
    'kept',
  ]);
  t.equal(
    view.metadata?.annotations?.[`${prefix}/behavior`],
    '{"ScaleUp":{"StabilizationWindowSeconds":0,"SelectPolicy":"Max","Policies":[{"Type":"Pods","Value":4,"PeriodSeconds":15},' +
      '{"Type":"Percent","Value":100,"PeriodSeconds":15}],"Tolerance":"100m"},"ScaleDown":{"StabilizationWindowSeconds":null,' +
      '"SelectPolicy":"Max","Policies":[{"Type":"Percent","Value":100,"PeriodSeconds":15}],"Tolerance":null}}',
  );
  t.match(
    view.metadata?.annotations?.[`${prefix}/metrics`],
    /^\[\{"type":"Resource","resource":\{"name":"memory","targetAverageValue":"1Gi"\}\},/,
  );
  const back = toV2(decoded(v1, view));
  t.match(back.spec, stored.spec ?? {});
  t.match(back.status, {
    ...status,
    currentMetrics: [status.currentMetrics[0], { external: { current: { value: '3' } } }],
  });
  t.strictSame(back.metadata?.annotations, { kept: 'yes' });
});

t.test('annotations that cannot be read count as absent, and none forges a status', async (t) => {
  const prefix = 'autoscaling.alpha.kubernetes.io';
  const deep = `{"scaleUp":${'['.repeat(50_000)}${']'.repeat(50_000)}}`;
  for (const text of [
    deep,
    'nope',
    '{}',
    '[1]',
    '[{"type":5}]',
    '[{"type":"Pods","pods":{"targetAverageValue":"much"}}]',
  ]) {
    const annotations = { [`${prefix}/metrics`]: text, [`${prefix}/behavior`]: text };
    t.match(
      toV2(decoded(v1, { metadata: { annotations }, spec })).spec?.metrics,
      [{ resource: { name: 'cpu' } }],
      text,
    );
  }
  const annotations = { [`${prefix}/conditions`]: '[{"type":"A","status":"True"}]' };
  const forged = created(v1, { metadata: { name: 'x', annotations }, spec });
  t.strictSame(toV2(forged).status?.conditions, undefined);
});

/** Kinds that create pods from a template, by table: defaults, validation, columns. */
import t from 'tap';
import { daemonSets } from '../../../api/kinds/apps/daemon-set.ts';
import { deployments } from '../../../api/kinds/apps/deployment.ts';
import { statefulSets } from '../../../api/kinds/apps/stateful-set.ts';
import { replicationControllers } from '../../../api/kinds/core/replication-controller.ts';
import { podDisruptionBudgets } from '../../../api/kinds/policy/pod-disruption-budget.ts';
import { cells, decoded, refused, refusedChange, refusedStatus } from './kind-rules.ts';
import { CONTEXT } from './updates.ts';

const labels = { app: 'web' };
const container = { name: 'c', image: 'i:1' };
const pods = (more: object = {}) => ({
  metadata: { labels },
  spec: { containers: [{ ...container, terminationMessagePolicy: 'File', imagePullPolicy: 'Always' }], ...more },
});
const selector = { matchLabels: labels };

t.test('replication controllers', async (t) => {
  const made = decoded(replicationControllers, { spec: { template: pods() } });
  t.match(made, { metadata: { labels }, spec: { replicas: 1, selector: labels } }, 'labels default to the template');
  t.strictSame(decoded(replicationControllers, { spec: { selector: { a: 'b' }, template: pods() } }).spec?.selector, {
    a: 'b',
  });
  for (const [spec, wanted] of [
    [{ template: pods() }, []],
    [{}, ['spec.selector: Required value', 'spec.template: Required value']],
    [{ replicas: -1, template: pods() }, ['spec.replicas: Invalid value: -1: must be greater than or equal to 0']],
    [
      { selector: { app: 'other' }, template: pods() },
      ['spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`'],
    ],
    [
      { template: pods({ restartPolicy: 'Never' }) },
      ['spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'],
    ],
    [
      { template: pods({ activeDeadlineSeconds: 5 }) },
      [
        'spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicationController is not Supported',
      ],
    ],
  ] as const) {
    t.strictSame(refused(replicationControllers, { spec }), wanted, JSON.stringify(spec));
  }
  t.strictSame(refusedStatus(replicationControllers, {}, { replicas: 1, readyReplicas: 2, availableReplicas: -1 }), [
    'status.availableReplicas: Invalid value: -1: must be greater than or equal to 0',
    'status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas',
  ]);
  t.strictSame(cells(replicationControllers, { spec: { template: pods() }, status: { replicas: 1 } }), [
    ...['x', 1, 1, 0, '<unknown>', 'c', 'i:1', 'app=web'],
  ]);
  const [scale] = replicationControllers.subresources;
  t.match(scale && 'scaleOf' in scale ? scale.scaleOf(made) : undefined, {
    kind: 'Scale',
    spec: { replicas: 1 },
    status: { replicas: 0, selector: 'app=web' },
  });
  const name = 'a.b';
  t.match(replicationControllers.warnings(decoded(replicationControllers, { metadata: { name }, spec: {} })), [
    /^metadata.name: this is used in Pod names and hostnames.*: \[must not contain dots\]$/,
  ]);
});

t.test('daemon sets', async (t) => {
  const spec = { selector, template: pods() };
  t.match(decoded(daemonSets, { spec }).spec, {
    updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } },
    revisionHistoryLimit: 10,
  });
  const at = 'spec.updateStrategy.rollingUpdate';
  const rolling = (rollingUpdate: object) => ({ ...spec, updateStrategy: { rollingUpdate } });
  for (const [given, wanted] of [
    [spec, []],
    [{ ...spec, selector: {} }, ['spec.selector: Invalid value: {}: empty selector is invalid for daemonset']],
    [
      { ...spec, selector: { matchLabels: { app: 'x' } } },
      ['spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`'],
    ],
    [rolling({ maxUnavailable: 0 }), [`${at}.maxUnavailable: Required value: cannot be 0 when maxSurge is 0`]],
    [
      rolling({ maxSurge: '10%' }),
      [`${at}.maxSurge: Invalid value: "10%": may not be set when maxUnavailable is non-zero`],
    ],
    [
      rolling({ maxUnavailable: '101%' }),
      [`${at}.maxUnavailable: Invalid value: "101%": must not be greater than 100%`],
    ],
    [rolling({ maxUnavailable: -1 }), [`${at}.maxUnavailable: Invalid value: -1: must be greater than or equal to 0`]],
    [{ ...spec, updateStrategy: { type: 'OnDelete' } }, []],
    [
      { ...spec, updateStrategy: { type: 'Never' } },
      ['spec.updateStrategy: Unsupported value: {"type":"Never"}: supported values: "RollingUpdate", "OnDelete"'],
    ],
    [
      { ...spec, template: pods({ activeDeadlineSeconds: 1 }) },
      ['spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in DaemonSet is not Supported'],
    ],
  ] as const) {
    t.strictSame(refused(daemonSets, { spec: given }), wanted, JSON.stringify(given));
  }
  t.strictSame(refusedChange(daemonSets, { spec }, { spec: { ...spec, selector: { matchLabels: { app: 'x' } } } }), [
    'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`',
    'spec.selector: Invalid value: {"matchLabels":{"app":"x"}}: field is immutable',
  ]);
  const [old, same, other] = [spec, spec, { ...spec, template: pods({ hostNetwork: true }) }].map((each) =>
    decoded(daemonSets, { spec: each }),
  ) as [ReturnType<typeof decoded>, ReturnType<typeof decoded>, ReturnType<typeof decoded>];
  const generation = 'deprecated.daemonset.template.generation';
  daemonSets.prepareForCreate(old, CONTEXT);
  daemonSets.prepareForUpdate(same, old, CONTEXT);
  daemonSets.prepareForUpdate(other, old, CONTEXT);
  t.strictSame(
    [old, same, other].map(({ metadata }) => metadata?.annotations?.[generation]),
    ['1', '1', '2'],
    'the generation counts changes of the template',
  );
  t.strictSame(refusedStatus(daemonSets, { collisionCount: 2 }, { collisionCount: 1, numberReady: -1 }), [
    'status.numberReady: Invalid value: -1: must be greater than or equal to 0',
    'status.collisionCount: Invalid value: 1: cannot be decremented',
  ]);
  t.strictSame(cells(daemonSets, { spec, status: { desiredNumberScheduled: 3, numberReady: 1 } }), [
    ...['x', 3, 0, 1, 0, 0, '<none>', '<unknown>', 'c', 'i:1', 'app=web'],
  ]);
});

t.test('stateful sets', async (t) => {
  const claim = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } };
  const spec = { selector, template: pods(), serviceName: 'web' };
  t.match(decoded(statefulSets, { spec: { ...spec, volumeClaimTemplates: [{ metadata: { name: 'data' } }] } }).spec, {
    replicas: 1,
    podManagementPolicy: 'OrderedReady',
    updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 0 } },
    revisionHistoryLimit: 10,
    persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' },
    volumeClaimTemplates: [
      {
        apiVersion: 'v1',
        kind: 'PersistentVolumeClaim',
        spec: { volumeMode: 'Filesystem' },
        status: { phase: 'Pending' },
      },
    ],
  });
  const mounting = pods({ containers: [{ ...container, volumeMounts: [{ name: 'data', mountPath: '/data' }] }] });
  for (const [given, wanted] of [
    [spec, []],
    [{ ...spec, template: mounting, volumeClaimTemplates: [{ metadata: { name: 'data' }, spec: claim }] }, []],
    [
      { ...spec, template: mounting, volumeClaimTemplates: [{ metadata: { name: 'data' } }] },
      [
        'spec.volumeClaimTemplates[0].spec.accessModes: Required value: at least 1 access mode is required',
        'spec.volumeClaimTemplates[0].spec.resources[storage]: Required value',
      ],
    ],
    [{ ...spec, template: mounting }, ['spec.template.spec.containers[0].volumeMounts[0].name: Not found: "data"']],
    [
      { ...spec, podManagementPolicy: 'Any' },
      [`spec.podManagementPolicy: Invalid value: "Any": must be 'OrderedReady' or 'Parallel'`],
    ],
    [
      { ...spec, updateStrategy: { type: 'Other' } },
      [`spec.updateStrategy: Invalid value: {"type":"Other"}: must be 'RollingUpdate' or 'OnDelete'`],
    ],
    [
      { ...spec, updateStrategy: { type: 'OnDelete', rollingUpdate: {} } },
      [`spec.updateStrategy.rollingUpdate: Invalid value: {}: only allowed for updateStrategy 'RollingUpdate'`],
    ],
    [
      { ...spec, updateStrategy: { rollingUpdate: { partition: -1, maxUnavailable: 0 } } },
      [
        'spec.updateStrategy.rollingUpdate.partition: Invalid value: -1: must be greater than or equal to 0',
        'spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: 0: cannot be 0',
      ],
    ],
    [
      { ...spec, persistentVolumeClaimRetentionPolicy: { whenScaled: 'Keep' } },
      [
        'spec.persistentVolumeClaimRetentionPolicy.whenScaled: Unsupported value: "Keep": supported values: "Retain", "Delete"',
      ],
    ],
    [
      { ...spec, ordinals: { start: -1 } },
      ['spec.ordinals.start: Invalid value: -1: must be greater than or equal to 0'],
    ],
    [{ ...spec, serviceName: 'a.b' }, ['spec.serviceName: Invalid value: "a.b": must not contain dots']],
    [{ ...spec, selector: {} }, ['spec.selector: Invalid value: {}: empty selector is invalid for statefulset']],
    [
      { ...spec, template: pods({ restartPolicy: 'OnFailure' }) },
      ['spec.template.spec.restartPolicy: Unsupported value: "OnFailure": supported values: "Always"'],
    ],
  ] as const) {
    t.strictSame(refused(statefulSets, { spec: given }), wanted, JSON.stringify(given));
  }
  const frozen =
    "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', " +
    "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
  for (const [change, wanted] of [
    [{ replicas: 3, minReadySeconds: 1, ordinals: { start: 1 }, revisionHistoryLimit: 1 }, []],
    [{ serviceName: 'other' }, [frozen]],
    [{ podManagementPolicy: 'Parallel' }, [frozen]],
    [{ volumeClaimTemplates: [{ metadata: { name: 'data' } }] }, [frozen]],
  ] as const) {
    t.strictSame(
      refusedChange(statefulSets, { spec }, { spec: { ...spec, ...change } }),
      wanted,
      JSON.stringify(change),
    );
  }
  const limited = decoded(statefulSets, {
    spec: { ...spec, updateStrategy: { rollingUpdate: { maxUnavailable: 2 } } },
  });
  statefulSets.prepareForCreate(limited, CONTEXT);
  t.strictSame(limited.spec?.updateStrategy, { type: 'RollingUpdate', rollingUpdate: { partition: 0 } });
  t.strictSame(refusedStatus(statefulSets, {}, { replicas: 1, availableReplicas: 1, currentReplicas: 2 }), [
    'status.currentReplicas: Invalid value: 2: cannot be greater than status.replicas',
    'status.availableReplicas: Invalid value: 1: cannot be greater than status.readyReplicas',
  ]);
  t.strictSame(cells(statefulSets, { spec, status: { readyReplicas: 1 } }), ['x', '1/1', '<unknown>', 'c', 'i:1']);
  t.strictSame(statefulSets.validateName('a.b', false), ['must not contain dots']);
  t.match(statefulSets.warnings(decoded(statefulSets, { spec: { ...spec, revisionHistoryLimit: -1 } })), [
    /^spec.revisionHistoryLimit: a negative value retains all/,
  ]);
});

t.test('deployments compare shares as upstream does', async (t) => {
  const spec = { selector, template: pods() };
  const at = 'spec.strategy.rollingUpdate.maxUnavailable';
  for (const [rollingUpdate, wanted] of [
    [{ maxUnavailable: 0, maxSurge: '0%' }, [`${at}: Invalid value: 0: may not be 0 when \`maxSurge\` is 0`]],
    [{ maxUnavailable: '200%' }, [`${at}: Invalid value: "200%": must not be greater than 100%`]],
    [{ maxUnavailable: 0, maxSurge: 1 }, []],
  ] as const) {
    t.strictSame(refused(deployments, { spec: { ...spec, strategy: { rollingUpdate } } }), wanted);
  }
});

t.test('disruption budgets', async (t) => {
  for (const [spec, wanted] of [
    [{}, []],
    [{ minAvailable: 1, selector: {} }, []],
    [
      { minAvailable: 1, maxUnavailable: 1 },
      [
        'spec: Invalid value: {"MinAvailable":1,"Selector":null,"MaxUnavailable":1,"UnhealthyPodEvictionPolicy":null}: minAvailable and maxUnavailable cannot be both set',
      ],
    ],
    [{ minAvailable: -1 }, ['spec.minAvailable: Invalid value: -1: must be greater than or equal to 0']],
    [{ maxUnavailable: '101%' }, ['spec.maxUnavailable: Invalid value: "101%": must not be greater than 100%']],
    [
      { unhealthyPodEvictionPolicy: 'Never' },
      [
        'spec.unhealthyPodEvictionPolicy: Unsupported value: "Never": supported values: "AlwaysAllow", "IfHealthyBudget"',
      ],
    ],
    [{ selector: { matchLabels: { a: '-' } } }, 1],
  ] as const) {
    const errors = refused(podDisruptionBudgets, { spec });
    if (typeof wanted === 'number') t.equal(errors.length, wanted);
    else t.strictSame(errors, wanted, JSON.stringify(spec));
  }
  const condition = { type: 'a', status: 'Maybe', reason: '', message: '', lastTransitionTime: null };
  t.strictSame(refusedStatus(podDisruptionBudgets, {}, { disruptionsAllowed: -1, conditions: [condition] }), [
    'status.disruptionsAllowed: Invalid value: -1: must be greater than or equal to 0',
    'status.conditions[0].status: Unsupported value: "Maybe": supported values: "False", "True", "Unknown"',
    'status.conditions[0].lastTransitionTime: Required value',
    'status.conditions[0].reason: Required value',
  ]);
  t.strictSame(cells(podDisruptionBudgets, { spec: { maxUnavailable: '10%' } }), ['x', 'N/A', '10%', 0, '<unknown>']);
  t.equal(podDisruptionBudgets.unconditionalUpdate, false);
});

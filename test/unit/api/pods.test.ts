import t from 'tap';
import { pods } from '../../../api/kinds/core/pod.ts';
import { validatePodTemplate } from '../../../api/kinds/core/pod-validation.ts';
import { qosClassOf } from '../../../api/domain/pod-resources.ts';
import { validateUnprivileged } from '../../../api/kinds/core/security-context-validation.ts';
import { decodeObject } from '../../../api/machinery/decode.ts';
import type { Pod, PodSpec } from '../../../api/types/core/v1.gen.ts';
import { CONTEXT, updateThrough } from './updates.ts';

/** The pod before validation; `spec` is JSON as sent by a client. */
function made(spec: object, status: object = {}): Pod & { spec: PodSpec } {
  const { object } = decodeObject(pods, { metadata: { name: 'p', namespace: 'n' }, spec, status });
  pods.applyDefaults(object);
  return object as Pod & { spec: PodSpec };
}
const container = (more: object = {}) => ({ name: 'c', image: 'i:1', ...more });
/** One more than a list may have. */
const tooMany = <T>(make: (key: string) => T): T[] => Array.from({ length: 101 }, (_, index) => make(`k${index}`));
const withContainer = (more: object) => ({ containers: [container(more)] });
const causes = (errors: readonly { type: string; field: string }[]) =>
  errors.map(({ type, field }) => `${type.replace('FieldValue', '')} ${field}`).sort();
const invalid = (spec: object) => causes(pods.validate(made(spec)));

t.test('a minimal pod is defaulted as upstream', async (t) => {
  const { spec } = made({
    containers: [
      { name: 'a', image: 'registry:5000/x' },
      { name: 'b', image: 'x@sha256:1234', ports: [{ containerPort: 1 }], livenessProbe: { httpGet: { port: 1 } } },
      { name: 'c', image: 'x:latest', resources: { limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '500m' } } },
    ],
    serviceAccount: 'robot',
    volumes: [{ name: 'v' }, { name: 's', secret: { secretName: 's' } }],
  });
  t.strictSame(
    spec.containers.map(({ imagePullPolicy }) => imagePullPolicy),
    ['Always', 'IfNotPresent', 'Always'],
  );
  t.match(spec, {
    restartPolicy: 'Always',
    dnsPolicy: 'ClusterFirst',
    schedulerName: 'default-scheduler',
    terminationGracePeriodSeconds: 30,
    enableServiceLinks: true,
    securityContext: {},
    serviceAccountName: 'robot',
    volumes: [{ emptyDir: {} }, { secret: { defaultMode: 420 } }],
  });
  t.strictSame(spec.containers[1]?.livenessProbe, {
    httpGet: { port: 1, path: '/', scheme: 'HTTP' },
    timeoutSeconds: 1,
    periodSeconds: 10,
    successThreshold: 1,
    failureThreshold: 3,
  });
  t.strictSame(spec.containers[1]?.ports, [{ containerPort: 1, protocol: 'TCP' }]);
  t.strictSame(spec.containers[2]?.resources?.requests, { cpu: '500m', memory: '1Gi' });
  t.strictSame(pods.validate(made({ containers: [container()] })), []);
});

t.test('container ports of hostNetwork pods become host ports', async (t) => {
  const { spec } = made({ hostNetwork: true, ...withContainer({ ports: [{ containerPort: 80 }] }) });
  t.equal(spec.containers[0]?.ports?.[0]?.hostPort, 80);
  const other = { hostNetwork: true, ...withContainer({ ports: [{ containerPort: 80, hostPort: 81 }] }) };
  t.strictSame(invalid(other), ['Invalid spec.containers[0].ports[0].hostPort']);
});

t.test('templates of hostNetwork pods may leave host ports unsaid, but not say others', async (t) => {
  const problems = (port: object) =>
    causes(
      validatePodTemplate(
        { spec: { hostNetwork: true, ...withContainer({ ports: [{ containerPort: 80, ...port }] }) } },
        'template',
      ),
    );
  t.strictSame(problems({}), []);
  t.strictSame(problems({ hostPort: 80 }), []);
  t.strictSame(problems({ hostPort: 81 }), ['Invalid template.spec.containers[0].ports[0].hostPort']);
});

t.test('the QoS class follows from the requests and limits of all containers', async (t) => {
  const of = (...resources: object[]) =>
    qosClassOf(
      made({ containers: resources.map((amounts, i) => container({ name: `c${i}`, resources: amounts })) }).spec,
    );
  const full = { limits: { cpu: '1', memory: '1Gi' } };
  t.equal(of(full), 'Guaranteed');
  t.equal(of(full, {}), 'Burstable');
  t.equal(of({ requests: { cpu: '1' } }), 'Burstable');
  t.equal(of({}, { limits: { 'example.com/gpu': '1' } }), 'BestEffort');
});

t.test('a created pod is Pending, whatever its status was', async (t) => {
  const pod = made(
    { ...withContainer({}), terminationGracePeriodSeconds: -5, schedulingGates: [{ name: 'a/b' }] },
    { phase: 'Running' },
  );
  pods.prepareForCreate(pod, CONTEXT);
  t.match(pod.status, { phase: 'Pending', qosClass: 'BestEffort', conditions: [{ reason: 'SchedulingGated' }] });
  t.equal(pod.spec.terminationGracePeriodSeconds, 1);
});

t.test('every error is a cause with its field path', async (t) => {
  const cases: [object, string[]][] = [
    [{}, ['Required spec.containers']],
    [
      withContainer({ name: 'UP', image: ' i' }),
      ['Invalid spec.containers[0].image', 'Invalid spec.containers[0].name'],
    ],
    [{ containers: [container()], initContainers: [container()] }, ['Duplicate spec.initContainers[0].name']],
    [
      withContainer({ ports: [{ containerPort: 0 }, { containerPort: 1, protocol: 'ICMP' }] }),
      ['NotSupported spec.containers[0].ports[1].protocol', 'Required spec.containers[0].ports[0].containerPort'],
    ],
    [
      withContainer({
        ports: [
          { containerPort: 1, hostPort: 9 },
          { containerPort: 2, hostPort: 9 },
        ],
      }),
      ['Duplicate spec.containers[0].ports[1].hostPort'],
    ],
    [
      withContainer({
        env: [
          { name: 'A', value: 'x', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
          { name: 'B', valueFrom: { fieldRef: { fieldPath: 'status.phase' } } },
          { name: 'C', valueFrom: {} },
        ],
      }),
      [
        'Invalid spec.containers[0].env[0].valueFrom',
        'Invalid spec.containers[0].env[2].valueFrom',
        'NotSupported spec.containers[0].env[1].valueFrom.fieldRef.fieldPath',
      ],
    ],
    [
      withContainer({ envFrom: [{}, { configMapRef: { name: 'Bad_' } }] }),
      ['Invalid spec.containers[0].envFrom', 'Invalid spec.containers[0].envFrom[1].configMapRef.name'],
    ],
    [
      withContainer({ livenessProbe: { exec: { command: ['x'] }, tcpSocket: { port: 1 }, successThreshold: 2 } }),
      [
        'Forbidden spec.containers[0].livenessProbe.tcpSocket',
        'Invalid spec.containers[0].livenessProbe.successThreshold',
      ],
    ],
    [
      withContainer({ readinessProbe: { httpGet: { port: 'nope_' }, periodSeconds: -1 } }),
      [
        'Invalid spec.containers[0].readinessProbe.httpGet.port',
        'Invalid spec.containers[0].readinessProbe.periodSeconds',
      ],
    ],
    [
      withContainer({ resources: { limits: { cpu: '1', 'my-thing': '1' }, requests: { cpu: '2', 'a.io/b': '1.5' } } }),
      [
        // Neither a standard resource nor one for containers: upstream reports both.
        'Invalid spec.containers[0].resources.limits[my-thing]',
        'Invalid spec.containers[0].resources.limits[my-thing]',
        'Invalid spec.containers[0].resources.requests',
        'Invalid spec.containers[0].resources.requests[a.io/b]',
        'Invalid spec.containers[0].resources.requests[my-thing]',
        'Invalid spec.containers[0].resources.requests[my-thing]',
        'Required spec.containers[0].resources.limits',
      ],
    ],
    [
      withContainer({
        securityContext: {
          runAsUser: -2,
          privileged: true,
          allowPrivilegeEscalation: false,
          seccompProfile: { type: 'Localhost' },
        },
      }),
      [
        'Invalid spec.containers[0].securityContext',
        'Invalid spec.containers[0].securityContext.runAsUser',
        'Required spec.containers[0].securityContext.seccompProfile.localhostProfile',
      ],
    ],
    [
      {
        ...withContainer({
          volumeMounts: [
            { name: 'v', mountPath: '/a', subPath: '/abs' },
            { name: 'w', mountPath: '/a', mountPropagation: 'Bidirectional' },
          ],
        }),
        volumes: [{ name: 'v' }],
      },
      [
        'Forbidden spec.containers[0].volumeMounts[1].mountPropagation',
        'Invalid spec.containers[0].volumeMounts.subPath',
        'Invalid spec.containers[0].volumeMounts[1].mountPath',
        'NotFound spec.containers[0].volumeMounts[1].name',
      ],
    ],
    [
      {
        ...withContainer({}),
        initContainers: [
          container({ name: 'i', livenessProbe: { exec: { command: ['x'] } } }),
          container({ name: 's', restartPolicy: 'Always', livenessProbe: { exec: { command: ['x'] } } }),
        ],
      },
      ['Forbidden spec.initContainers[0].livenessProbe'],
    ],
    [
      withContainer({
        restartPolicyRules: [
          { action: 'Restart', exitCodes: { operator: 'NotIn', values: [0] } },
          { action: 'Pause', exitCodes: { operator: 'Above', values: [3] } },
          { action: 'Restart' },
        ],
      }),
      [
        'NotSupported spec.containers[0].restartPolicyRules[1].action',
        'NotSupported spec.containers[0].restartPolicyRules[1].exitCodes.operator',
        'Required spec.containers[0].restartPolicy',
        'Required spec.containers[0].restartPolicyRules[2].exitCodes',
      ],
    ],
    [{ ...withContainer({}), ephemeralContainers: [container({ name: 'e' })] }, ['Forbidden spec.ephemeralContainers']],
    [
      {
        ...withContainer({}),
        volumes: [
          { name: 'a', nfs: { server: '', path: 'rel' } },
          {
            name: 'a',
            projected: {
              sources: [
                { serviceAccountToken: { path: 't', expirationSeconds: 1 } },
                { configMap: { name: 'x', items: [{ key: 'k', path: 't' }] } },
                { secret: { name: 'x', items: [{ key: 'k', path: 't' }] } },
              ],
            },
          },
          { name: 'b', secret: { secretName: 's', defaultMode: 4096, items: [{ key: '', path: '../x' }] } },
        ],
      },
      [
        'Invalid spec.volumes[0].nfs.path',
        'Invalid spec.volumes[1].projected',
        'Invalid spec.volumes[1].projected.sources[0].serviceAccountToken.expirationSeconds',
        'Invalid spec.volumes[2].secret.defaultMode',
        'Invalid spec.volumes[2].secret.items[0].path',
        'Required spec.volumes[0].nfs.server',
        'Required spec.volumes[2].secret.items[0].key',
      ],
    ],
    [
      { ...withContainer({}), dnsPolicy: 'None', dnsConfig: { nameservers: ['x'] }, hostAliases: [{ ip: '1.2.3' }] },
      ['Invalid spec.dnsConfig.nameservers[0]', 'Invalid spec.hostAliases[0].ip'],
    ],
    [
      {
        ...withContainer({}),
        tolerations: [
          { operator: 'Equal', value: 'x' },
          { key: 'k', tolerationSeconds: 5, effect: 'NoSchedule' },
        ],
      },
      ['Invalid spec.tolerations[0].operator', 'Invalid spec.tolerations[1].effect'],
    ],
    [
      {
        ...withContainer({}),
        topologySpreadConstraints: [{ maxSkew: 0, topologyKey: '', whenUnsatisfiable: 'Maybe' }],
      },
      [
        'Invalid spec.topologySpreadConstraints[0].maxSkew',
        'NotSupported spec.topologySpreadConstraints[0].whenUnsatisfiable',
        'Required spec.topologySpreadConstraints[0].topologyKey',
      ],
    ],
    [
      {
        ...withContainer({}),
        affinity: {
          nodeAffinity: {
            preferredDuringSchedulingIgnoredDuringExecution: [
              { weight: 0, preference: { matchExpressions: [{ key: 'a', operator: 'Gt', values: [] }] } },
            ],
          },
          podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'z' }] },
        },
      },
      [
        'Invalid spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight',
        'Required spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].preference.matchExpressions[0].values',
      ],
    ],
    [
      {
        ...withContainer({}),
        topologySpreadConstraints: tooMany((key) => ({
          ...{ maxSkew: 1, topologyKey: key, whenUnsatisfiable: 'DoNotSchedule' },
        })),
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: tooMany((key) => ({ matchExpressions: [{ key, operator: 'Exists' }] })),
            },
            preferredDuringSchedulingIgnoredDuringExecution: [
              { weight: 1, preference: { matchExpressions: tooMany((key) => ({ key, operator: 'Exists' })) } },
            ],
          },
          podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: tooMany((topologyKey) => ({ topologyKey })) },
          podAntiAffinity: {
            preferredDuringSchedulingIgnoredDuringExecution: tooMany((topologyKey) => ({
              ...{ weight: 1, podAffinityTerm: { topologyKey } },
            })),
          },
        },
      },
      [
        'TooMany spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].preference.matchExpressions',
        'TooMany spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms',
        'TooMany spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution',
        'TooMany spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution',
        'TooMany spec.topologySpreadConstraints',
      ],
    ],
    [
      {
        ...withContainer({}),
        hostPID: true,
        shareProcessNamespace: true,
        securityContext: { sysctls: [{ name: '' }], supplementalGroups: [-1] },
      },
      [
        'Invalid spec.securityContext.supplementalGroups[0]',
        'Invalid spec.shareProcessNamespace',
        'Required spec.securityContext.sysctls[0].name',
      ],
    ],
    [
      { ...withContainer({}), nodeName: 'n', schedulingGates: [{ name: 'g' }, { name: 'g' }] },
      ['Duplicate spec.schedulingGates[1]', 'Forbidden spec.nodeName'],
    ],
  ];
  for (const [spec, wanted] of cases) t.strictSame(invalid(spec), wanted, wanted.join());
});

t.test('privileged containers are rejected only when the api-server forbids them', async (t) => {
  const { spec } = made(withContainer({ securityContext: { privileged: true } }));
  t.strictSame(causes(validateUnprivileged(spec, 'spec')), ['Forbidden spec.containers[0].securityContext.privileged']);
});

t.test('an update may change images and activeDeadlineSeconds and add tolerations only', async (t) => {
  const old = made({
    ...withContainer({}),
    activeDeadlineSeconds: 60,
    terminationGracePeriodSeconds: 1,
    tolerations: [{ key: 'a', operator: 'Exists' }],
  });
  const change = (edit: (spec: PodSpec) => void): string[] => {
    const pod = structuredClone(old);
    edit(pod.spec);
    pods.prepareForUpdate(pod, old, CONTEXT);
    return causes(pods.validateUpdate(pod, old));
  };
  t.strictSame(
    change((spec) => {
      spec.containers[0]!.image = 'i:2';
      spec.activeDeadlineSeconds = 30;
      spec.tolerations?.push({ key: 'b', operator: 'Exists' });
    }),
    [],
  );
  t.strictSame(
    change((spec) => (spec.terminationGracePeriodSeconds = -1)),
    [],
    '1, as when the pod was created',
  );
  t.strictSame(
    change((spec) => (spec.hostNetwork = true)),
    ['Forbidden spec'],
  );
  t.strictSame(
    change((spec) => (spec.activeDeadlineSeconds = 90)),
    ['Invalid spec.activeDeadlineSeconds'],
  );
  t.strictSame(
    change((spec) => delete spec.tolerations),
    ['Forbidden spec.tolerations'],
  );
  t.strictSame(
    change((spec) => spec.containers.push({ name: 'd', image: 'i' })),
    ['Forbidden spec.containers'],
  );
});

t.test('an unset field differs from false and 0', async (t) => {
  const old = made(withContainer({ securityContext: { allowPrivilegeEscalation: false } }));
  const change = (securityContext: object | undefined): string[] => {
    const pod = structuredClone(old);
    Object.assign(pod.spec.containers[0] ?? {}, { securityContext });
    return causes(pods.validateUpdate(pod, old));
  };
  t.strictSame(change({ allowPrivilegeEscalation: false }), []);
  t.strictSame(change({ allowPrivilegeEscalation: false, runAsUser: 0 }), ['Forbidden spec']);
  t.strictSame(change({}), ['Forbidden spec']);
  t.strictSame(change(undefined), ['Forbidden spec']);
});

t.test('mirror and AppArmor annotations are immutable through every subresource', async (t) => {
  const annotated = (annotations: Record<string, string>) => {
    const pod = made(withContainer({}));
    Object.assign(pod.metadata ?? {}, { annotations });
    return pod;
  };
  const mirror = 'kubernetes.io/config.mirror';
  const apparmor = 'container.apparmor.security.beta.kubernetes.io/c';
  const said = (after: Record<string, string>, before: Record<string, string>): string[][] =>
    [
      pods.validateUpdate(annotated(after), annotated(before)),
      updateThrough(pods, 'status').validate(annotated(after), annotated(before)),
    ].map((errors) => errors.map(({ field, message }) => `${field}: ${message}`));
  const twice = (...errors: string[]) => [errors, errors];
  t.same(
    said({ [mirror]: 'x' }, {}),
    twice(`metadata.annotations[${mirror}]: Forbidden: may not add mirror pod annotation`),
  );
  const changed = twice(`metadata.annotations[${mirror}]: Forbidden: may not remove or update mirror pod annotation`);
  t.same(said({}, { [mirror]: 'x' }), changed);
  t.same(said({ [mirror]: 'y' }, { [mirror]: 'x' }), changed);
  t.same(said({ [mirror]: 'x', other: 'z' }, { [mirror]: 'x' }), twice());
  t.same(
    said({ [apparmor]: 'unconfined' }, {}),
    twice(`metadata.annotations[${apparmor}]: Forbidden: may not add AppArmor annotations`),
  );
  t.match(pods.validate(annotated({ [mirror]: 'x' })), [
    { field: `metadata.annotations[${mirror}]`, message: /must set spec.nodeName if mirror pod annotation is set/ },
  ]);
});

t.test('a status update does not change the spec, and does not revive terminated containers', async (t) => {
  const ended = {
    containerStatuses: [
      { name: 'c', image: '', imageID: '', ready: false, restartCount: 0, state: { terminated: { exitCode: 1 } } },
    ],
  };
  const old = made({ ...withContainer({}), restartPolicy: 'Never' }, ended);
  const status = updateThrough(pods, 'status');
  const wanted = made(withContainer({ image: 'other' }), {
    containerStatuses: [{ ...ended.containerStatuses[0], state: { running: {} } }],
  });
  const pod = status.merge(wanted, old);
  status.prepare(pod, old, CONTEXT);
  t.equal(pod.spec?.containers[0]?.image, 'i:1');
  t.strictSame(causes(status.validate(pod, old)), ['Forbidden status.containerStatuses[0].state']);
});

t.test('the status of a pod is of known form, and nominates a node only while there is none', async (t) => {
  const rules = updateThrough(pods, 'status');
  const problems = (status: object, spec: object = {}): string[] =>
    causes(rules.validate(made({ ...withContainer({}), ...spec }, status), made({ ...withContainer({}), ...spec })));
  const condition = (type: string) => ({ type, status: 'True' });
  t.strictSame(problems({ conditions: [condition('Ready'), condition('example.com/gate')] }), []);
  t.strictSame(problems({ conditions: [condition('not a name')] }), ['Invalid status.conditions[0].Type']);
  t.strictSame(problems({ nominatedNodeName: 'n' }), []);
  t.strictSame(problems({ nominatedNodeName: 'Not_A_Node' }), ['Invalid status.nominatedNodeName']);
  t.strictSame(problems({ nominatedNodeName: 'n' }, { nodeName: 'm' }), ['Forbidden status.nominatedNodeName']);
  t.strictSame(problems({ hostIPs: [{ ip: '192.0.2.1' }, { ip: '2001:db8::1' }] }), []);
  t.strictSame(problems({ hostIPs: [{ ip: 'x' }] }), ['Invalid status.hostIPs[0]']);
  t.strictSame(problems({ hostIPs: [{ ip: '192.0.2.1' }, { ip: '192.0.2.2' }] }), ['Invalid status.hostIPs']);
});

t.test('only an additional ephemeral container is a new generation of the pod', async (t) => {
  const rules = updateThrough(pods, 'ephemeralcontainers');
  const old = made(withContainer({}));
  const generationOf = (ephemeralContainers: object[]): number | undefined => {
    const pod = made({ ...withContainer({ image: 'ignored' }), ephemeralContainers });
    Object.assign(pod.metadata ?? {}, { generation: 1 });
    rules.prepare(pod, old, CONTEXT);
    return pod.metadata?.generation;
  };
  t.equal(generationOf([]), 1);
  t.equal(generationOf([{ name: 'debug', image: 'i' }]), 2);
});

t.test('containers that nothing restarts are not restarted to be resized', async (t) => {
  const restart = { resizePolicy: [{ resourceName: 'cpu', restartPolicy: 'RestartContainer' }] };
  const problems = (spec: object): string[] => causes(pods.validate(made({ ...withContainer({}), ...spec })));
  const init = (fields: object) => [{ name: 'i', image: 'i', ...restart, ...fields }];
  t.strictSame(problems(withContainer(restart)), []);
  t.strictSame(problems({ ...withContainer(restart), restartPolicy: 'Never' }), [
    'Invalid spec.containers[0].resizePolicy',
  ]);
  t.strictSame(problems(withContainer({ resizePolicy: [...restart.resizePolicy, ...restart.resizePolicy] })), [
    'Duplicate spec.containers[0].resizePolicy[1]',
  ]);
  t.strictSame(problems({ initContainers: init({ restartPolicy: 'Always' }) }), []);
  t.strictSame(problems({ initContainers: init({}) }), [
    'Invalid spec.initContainers[0].resizePolicy[0].restartPolicy',
  ]);
  const stored = made({ ...withContainer({}), initContainers: init({}) });
  Object.assign(stored.metadata ?? {}, { resourceVersion: '1' });
  t.strictSame(causes(pods.validate(stored)), [], 'it may have been accepted by an older server');
});

const NOW = Date.parse('2026-01-01T01:00:00Z');
function shown(spec: object, status: object, metadata: object = {}): (string | number | boolean | undefined)[] {
  const pod = made(spec, status);
  Object.assign(pod.metadata ?? {}, { creationTimestamp: '2026-01-01T00:00:00Z', ...metadata });
  return pods.columns.filter(({ priority }) => priority === 0).map((column) => column.cell(pod, NOW));
}

t.test('the STATUS column has the most relevant state', async (t) => {
  const status = (state: object, more: object = {}) => ({
    name: 'c',
    image: '',
    imageID: '',
    ready: false,
    restartCount: 0,
    state,
    ...more,
  });
  const one = withContainer({});
  const running = { startedAt: '2026-01-01T00:00:01Z' };
  t.strictSame(shown(one, { phase: 'Running', containerStatuses: [status({ running }, { ready: true })] }), [
    'p',
    '1/1',
    'Running',
    '0',
    '60m',
  ]);
  const crashed = { restartCount: 3, lastState: { terminated: { exitCode: 1, finishedAt: '2026-01-01T00:55:00Z' } } };
  const waiting = { reason: 'CrashLoopBackOff' };
  t.strictSame(shown(one, { phase: 'Running', containerStatuses: [status({ waiting }, crashed)] }), [
    'p',
    '0/1',
    'CrashLoopBackOff',
    '3 (5m ago)',
    '60m',
  ]);
  t.equal(shown(one, { phase: 'Pending' })[2], 'Pending');
  t.equal(shown(one, { phase: 'Failed', reason: 'Evicted' })[2], 'Evicted');
  t.equal(
    shown(one, {
      phase: 'Succeeded',
      containerStatuses: [status({ terminated: { exitCode: 0, reason: 'Completed' } })],
    })[2],
    'Completed',
  );
  t.equal(
    shown(one, { phase: 'Failed', containerStatuses: [status({ terminated: { exitCode: 3 } })] })[2],
    'ExitCode:3',
  );
  t.equal(shown(one, { phase: 'Running' }, { deletionTimestamp: '2026-01-01T00:59:00Z' })[2], 'Terminating');
  const initialized = {
    ...one,
    initContainers: [container({ name: 'a' }), container({ name: 's', restartPolicy: 'Always' })],
  };
  const init = (state: object, more: object = {}) => status(state, { name: 'a', ...more });
  t.strictSame(shown(initialized, { phase: 'Pending', initContainerStatuses: [init({ running })] }).slice(1, 3), [
    '0/2',
    'Init:0/2',
  ]);
  t.equal(
    shown(initialized, {
      phase: 'Pending',
      initContainerStatuses: [init({ terminated: { exitCode: 1, reason: 'Error' } })],
    })[2],
    'Init:Error',
  );
  const sidecar = status({ running }, { name: 's', ready: true, started: true });
  const done = init({ terminated: { exitCode: 0, reason: 'Completed' } });
  t.strictSame(
    shown(initialized, {
      phase: 'Running',
      initContainerStatuses: [done, sidecar],
      containerStatuses: [status({ running }, { ready: true })],
    }).slice(1, 3),
    ['2/2', 'Running'],
  );
});

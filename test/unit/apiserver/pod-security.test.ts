/** Each control of the Pod Security Standards, in each of its versions. */
import t from 'tap';
import type { Container, Pod, PodSpec, SecurityContext } from '../../../api/types/core/v1.gen.ts';
import { detailText, violationsOf } from '../../../control-plane/apiserver/admission/pod-security/evaluate.ts';
import { warningsOfExistingPods } from '../../../control-plane/apiserver/admission/pod-security/existing-pods.ts';
import {
  ignoredPolicy,
  LATEST,
  parsePolicy,
  policyOfLabels,
  policyText,
  UNRESTRICTED,
  type Level,
} from '../../../control-plane/apiserver/admission/pod-security/policy.ts';

const c = (name: string, more: Partial<Container> = {}): Container => ({ name, image: 'i', ...more });
const secured = (name: string, securityContext: SecurityContext): Container => c(name, { securityContext });

interface Fixture {
  readonly spec?: Partial<PodSpec>;
  readonly annotations?: Record<string, string>;
}
const podSpec = (spec: Partial<PodSpec> = {}): PodSpec => ({ containers: [c('c')], ...spec });
const found = (level: Level, minor: number, { spec, annotations }: Fixture): string =>
  detailText(violationsOf({ level, minor }, { annotations: annotations ?? {} }, podSpec(spec)));

/** What `baseline` says about a pod; '' when it is allowed. */
const BASELINE: readonly [what: string, minor: number, fixture: Fixture, expected: string][] = [
  ['a plain pod', LATEST, {}, ''],
  [
    'AppArmor: fields',
    LATEST,
    {
      spec: {
        securityContext: { appArmorProfile: { type: 'Unconfined' } },
        containers: [
          secured('a', { appArmorProfile: { type: 'Unconfined' } }),
          secured('b', { appArmorProfile: { type: 'Localhost', localhostProfile: 'p' } }),
        ],
      },
    },
    'forbidden AppArmor profile (pod and container "a" must not set AppArmor profile type to "Unconfined")',
  ],
  [
    'AppArmor: annotations',
    LATEST,
    {
      annotations: {
        'container.apparmor.security.beta.kubernetes.io/b': 'unconfined',
        'container.apparmor.security.beta.kubernetes.io/a': 'unconfined',
        'container.apparmor.security.beta.kubernetes.io/c': 'runtime/default',
        'container.apparmor.security.beta.kubernetes.io/d': 'localhost/x',
        'container.apparmor.security.beta.kubernetes.io/e': '',
      },
    },
    'forbidden AppArmor profiles (annotations must not set AppArmor profile type to ' +
      '"container.apparmor.security.beta.kubernetes.io/a="unconfined"", ' +
      '"container.apparmor.security.beta.kubernetes.io/b="unconfined"")',
  ],
  [
    'capabilities beyond the default ones',
    LATEST,
    {
      spec: {
        initContainers: [secured('a', { capabilities: { add: ['NET_RAW', 'CHOWN'] } })],
        containers: [secured('b', { capabilities: { add: ['CAP_CHOWN', 'NET_RAW'] } }), c('c')],
      },
    },
    'non-default capabilities (containers "a", "b" must not include "CAP_CHOWN", "NET_RAW" in securityContext.capabilities.add)',
  ],
  [
    'host namespaces',
    0,
    { spec: { hostNetwork: true, hostPID: true, hostIPC: true } },
    'host namespaces (hostNetwork=true, hostPID=true, hostIPC=true)',
  ],
  [
    'hostPath volumes',
    LATEST,
    {
      spec: {
        volumes: [
          { name: 'a', hostPath: { path: '/' } },
          { name: 'b', emptyDir: {} },
        ],
      },
    },
    'hostPath volumes (volume "a")',
  ],
  ['nfs is allowed', LATEST, { spec: { volumes: [{ name: 'a', nfs: { path: '/', server: 's' } }] } }, ''],
  [
    'host ports of one container',
    LATEST,
    { spec: { containers: [c('c', { ports: [{ containerPort: 1, hostPort: 9 }, { containerPort: 2 }] })] } },
    'hostPort (container "c" uses hostPort 9)',
  ],
  [
    'host ports of several containers, in the order of strings',
    LATEST,
    {
      spec: {
        containers: [
          c('a', { ports: [{ containerPort: 1, hostPort: 80 }] }),
          c('b', {
            ports: [
              { containerPort: 1, hostPort: 8 },
              { containerPort: 2, hostPort: 443 },
            ],
          }),
        ],
      },
    },
    'hostPort (containers "a", "b" use hostPorts 443, 8, 80)',
  ],
  [
    'hosts of probes and hooks',
    34,
    {
      spec: {
        containers: [
          c('b', { livenessProbe: { httpGet: { port: 1, host: 'h' } }, startupProbe: { tcpSocket: { port: 1 } } }),
          c('a', { lifecycle: { preStop: { tcpSocket: { port: 1, host: 'g' } } } }),
        ],
      },
    },
    'probe or lifecycle host (containers "a", "b" use probe or lifecycle hosts "g", "h")',
  ],
  [
    'hosts of probes before v1.34',
    33,
    { spec: { containers: [c('c', { readinessProbe: { httpGet: { port: 1, host: 'h' } } })] } },
    '',
  ],
  [
    'privileged containers, ephemeral ones included',
    LATEST,
    {
      spec: {
        ephemeralContainers: [secured('e', { privileged: true })],
        containers: [secured('c', { privileged: false })],
      },
    },
    'privileged (container "e" must not set securityContext.privileged=true)',
  ],
  [
    'procMount',
    LATEST,
    { spec: { containers: [secured('c', { procMount: 'Unmasked' }), secured('d', { procMount: 'Default' })] } },
    'procMount (container "c" must not set securityContext.procMount to "Unmasked")',
  ],
  [
    'procMount in a user namespace',
    LATEST,
    { spec: { hostUsers: false, containers: [secured('c', { procMount: 'Unmasked' })] } },
    '',
  ],
  [
    'procMount in a user namespace before v1.35',
    34,
    { spec: { hostUsers: false, containers: [secured('c', { procMount: 'Unmasked' })] } },
    'procMount (container "c" must not set securityContext.procMount to "Unmasked")',
  ],
  [
    'SELinux: type, user and role',
    LATEST,
    {
      spec: {
        securityContext: { seLinuxOptions: { type: 'b_t', user: 'u' } },
        containers: [secured('c', { seLinuxOptions: { type: 'a_t', role: 'r' } })],
      },
    },
    'seLinuxOptions (pod and container "c" set forbidden securityContext.seLinuxOptions: types "a_t", "b_t"; user may not be set; role may not be set)',
  ],
  [
    'SELinux: allowed types',
    LATEST,
    {
      spec: {
        securityContext: { seLinuxOptions: { type: 'container_engine_t', level: 's0' } },
        containers: [secured('c', { seLinuxOptions: { type: 'container_kvm_t' } })],
      },
    },
    '',
  ],
  [
    'SELinux: container_engine_t before v1.31',
    30,
    { spec: { securityContext: { seLinuxOptions: { type: 'container_engine_t' } } } },
    'seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: type "container_engine_t")',
  ],
  [
    'seccomp: fields',
    19,
    {
      spec: {
        securityContext: { seccompProfile: { type: 'Unconfined' } },
        containers: [secured('c', { seccompProfile: { type: 'Unconfined' } })],
      },
    },
    'seccompProfile (pod and container "c" must not set securityContext.seccompProfile.type to "Unconfined")',
  ],
  [
    'seccomp: annotations before v1.19',
    18,
    {
      annotations: {
        'seccomp.security.alpha.kubernetes.io/pod': 'unconfined',
        'container.seccomp.security.alpha.kubernetes.io/c': 'x',
        'container.seccomp.security.alpha.kubernetes.io/other': 'x',
      },
    },
    'seccompProfile (forbidden annotations container.seccomp.security.alpha.kubernetes.io/c="x", seccomp.security.alpha.kubernetes.io/pod="unconfined")',
  ],
  [
    'seccomp: the default profiles in annotations',
    18,
    {
      annotations: {
        'seccomp.security.alpha.kubernetes.io/pod': 'docker/default',
        'container.seccomp.security.alpha.kubernetes.io/c': 'localhost/x',
      },
    },
    '',
  ],
  [
    'sysctls',
    LATEST,
    {
      spec: {
        securityContext: {
          sysctls: ['kernel.msgmax', 'net.ipv4.tcp_rmem', 'net.core.somaxconn'].map((name) => ({ name, value: '1' })),
        },
      },
    },
    'forbidden sysctls (kernel.msgmax, net.core.somaxconn)',
  ],
  ...(
    [
      ['net.ipv4.ip_local_reserved_ports', 27],
      ['net.ipv4.tcp_keepalive_time', 29],
      ['net.ipv4.tcp_wmem', 32],
    ] as const
  ).flatMap(([name, since]): [string, number, Fixture, string][] => {
    const fixture = { spec: { securityContext: { sysctls: [{ name, value: '1' }] } } };
    return [
      [`${name} since v1.${since}`, since, fixture, ''],
      [`${name} before v1.${since}`, since - 1, fixture, `forbidden sysctls (${name})`],
    ];
  }),
  [
    'Windows host processes',
    LATEST,
    {
      spec: {
        securityContext: { windowsOptions: { hostProcess: true } },
        containers: [secured('a', { windowsOptions: { hostProcess: true } }), c('b')],
      },
    },
    'hostProcess (pod and container "a" must not set securityContext.windowsOptions.hostProcess=true)',
  ],
];

t.test('baseline', async (t) => {
  for (const [what, minor, fixture, expected] of BASELINE) {
    t.equal(found('baseline', minor, fixture), expected, what);
    t.equal(found('privileged', minor, fixture), '', `${what}: privileged pods may do anything`);
  }
});

const ALLOWED: SecurityContext = { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } };
/** What `restricted` allows, changed. */
const restrictedPod = (spec: Partial<PodSpec> = {}, context: SecurityContext = {}): Fixture => ({
  spec: {
    containers: [secured('c', { ...ALLOWED, ...context })],
    securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
    ...spec,
  },
});
const WINDOWS = { os: { name: 'windows' }, securityContext: { runAsNonRoot: true } };

const RESTRICTED: readonly [what: string, minor: number, fixture: Fixture, expected: string][] = [
  ['a restricted pod', LATEST, restrictedPod(), ''],
  [
    'a plain pod in v1.0',
    0,
    {},
    'runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true)',
  ],
  [
    'privilege escalation',
    8,
    restrictedPod({}, { allowPrivilegeEscalation: true }),
    'allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false)',
  ],
  ['privilege escalation before v1.8', 7, restrictedPod({}, { allowPrivilegeEscalation: true }), ''],
  [
    'what Windows does not have before v1.25',
    24,
    { spec: { ...WINDOWS } },
    'allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false), ' +
      'unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"]), ' +
      'seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")',
  ],
  ['what Windows does not have', 25, { spec: { ...WINDOWS } }, ''],
  [
    'capabilities',
    22,
    restrictedPod({
      containers: [
        secured('a', { allowPrivilegeEscalation: false, capabilities: { add: ['CHOWN', 'NET_BIND_SERVICE'] } }),
        secured('b', { allowPrivilegeEscalation: false, capabilities: { add: ['SYS_TIME'], drop: ['ALL'] } }),
      ],
    }),
    'unrestricted capabilities (container "a" must set securityContext.capabilities.drop=["ALL"]; ' +
      'containers "a", "b" must not include "CHOWN", "SYS_TIME" in securityContext.capabilities.add)',
  ],
  [
    'capabilities before v1.22: those of baseline',
    21,
    restrictedPod({}, { capabilities: { add: ['SYS_TIME'] } }),
    'non-default capabilities (container "c" must not include "SYS_TIME" in securityContext.capabilities.add)',
  ],
  [
    'procMount, also in a user namespace',
    LATEST,
    restrictedPod({ hostUsers: false }, { procMount: 'Unmasked' }),
    'procMount (container "c" must not set securityContext.procMount to "Unmasked")',
  ],
  [
    'types of volumes',
    LATEST,
    restrictedPod({
      volumes: [
        { name: 'a', hostPath: { path: '/' } },
        { name: 'b', nfs: { path: '/', server: 's' } },
        { name: 'c', emptyDir: {} },
        { name: 'd', image: { reference: 'r' } },
        { name: 'e' },
      ],
    }),
    'restricted volume types (volumes "a", "b", "e" use restricted volume types "hostPath", "nfs", "unknown")',
  ],
  [
    'runAsNonRoot is false',
    LATEST,
    restrictedPod(
      { securityContext: { runAsNonRoot: false, seccompProfile: { type: 'Localhost' } } },
      { runAsNonRoot: false },
    ),
    'runAsNonRoot != true (pod and container "c" must not set securityContext.runAsNonRoot=false)',
  ],
  [
    'runAsNonRoot of every container instead of the pod',
    LATEST,
    restrictedPod({ securityContext: { seccompProfile: { type: 'Localhost' } } }, { runAsNonRoot: true }),
    '',
  ],
  [
    'root in a user namespace',
    35,
    restrictedPod({ hostUsers: false, securityContext: { runAsUser: 0, seccompProfile: { type: 'Localhost' } } }),
    '',
  ],
  [
    'root in a user namespace before v1.35',
    34,
    restrictedPod({ hostUsers: false, securityContext: { runAsUser: 0, seccompProfile: { type: 'Localhost' } } }),
    'runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true), ' +
      'runAsUser=0 (pod must not set runAsUser=0)',
  ],
  ['the user 0', 23, restrictedPod({}, { runAsUser: 0 }), 'runAsUser=0 (container "c" must not set runAsUser=0)'],
  ['the user 0 before v1.23', 22, restrictedPod({}, { runAsUser: 0 }), ''],
  [
    'no seccomp profile',
    LATEST,
    restrictedPod({ securityContext: { runAsNonRoot: true } }),
    'seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")',
  ],
  [
    'an unconfined seccomp profile',
    LATEST,
    restrictedPod({}, { seccompProfile: { type: 'Unconfined' } }),
    'seccompProfile (container "c" must not set securityContext.seccompProfile.type to "Unconfined")',
  ],
  [
    'violations of baseline come first',
    LATEST,
    restrictedPod({ hostPID: true }, { privileged: true, runAsUser: 0 }),
    'host namespaces (hostPID=true), privileged (container "c" must not set securityContext.privileged=true), ' +
      'runAsUser=0 (container "c" must not set runAsUser=0)',
  ],
];

t.test('restricted', async (t) => {
  for (const [what, minor, fixture, expected] of RESTRICTED)
    t.equal(found('restricted', minor, fixture), expected, what);
});

t.test('levels and versions', async (t) => {
  for (const text of ['privileged:latest', 'baseline:v1.0', 'restricted:v1.36']) {
    const policy = parsePolicy(text);
    t.equal(policy && policyText(policy), text);
  }
  for (const text of ['', 'baseline', 'baseline:1.0', 'baseline:v2.0', 'baseline:v1.01', 'Baseline:latest', 'a:b:c']) {
    t.equal(parsePolicy(text), undefined, text);
  }
});

t.test('what the labels of a namespace ask for', async (t) => {
  const prefix = 'pod-security.kubernetes.io/';
  const read = (labels: Record<string, string>): string => {
    const prefixed = Object.fromEntries(Object.entries(labels).map(([key, value]) => [`${prefix}${key}`, value]));
    const labelled = policyOfLabels(prefixed, UNRESTRICTED);
    const { policy, errors } = labelled;
    const modes = [policy.enforce, policy.audit, policy.warn].map(policyText).join(' ');
    return `${modes} ${errors.length} ${ignoredPolicy(prefixed, labelled, UNRESTRICTED)}`;
  };
  const rows: [labels: Record<string, string>, expected: string][] = [
    [{}, 'privileged:latest privileged:latest privileged:latest 0 '],
    [{ enforce: 'baseline' }, 'baseline:latest privileged:latest baseline:latest 0 enforce=baseline:latest'],
    [
      { enforce: 'restricted', 'enforce-version': 'v1.20', warn: 'baseline' },
      'restricted:v1.20 privileged:latest baseline:latest 0 enforce=restricted:v1.20, warn=baseline:latest',
    ],
    [
      { enforce: 'restricted', 'enforce-version': 'v1.20', 'warn-version': 'v1.25', audit: 'baseline' },
      'restricted:v1.20 baseline:latest restricted:v1.25 0 enforce=restricted:v1.20, audit=baseline:latest, warn=restricted:v1.25',
    ],
    [{ enforce: 'no' }, 'restricted:latest privileged:latest privileged:latest 1 enforce=restricted:latest'],
    [{ audit: 'no', warn: 'no', 'enforce-version': 'no' }, 'privileged:latest privileged:latest privileged:latest 3 '],
  ];
  for (const [labels, expected] of rows) t.equal(read(labels), expected, JSON.stringify(labels));
});

t.test('the pods of a namespace that gets stricter', async (t) => {
  const bad = (name: string, controller?: string): Pod => ({
    metadata: {
      name,
      ...(controller && {
        ownerReferences: [{ apiVersion: 'v1', kind: 'K', name: 'k', uid: controller, controller: true }],
      }),
    },
    spec: podSpec({ hostPID: true }),
  });
  const fine: Pod = { metadata: { name: 'fine' }, spec: podSpec() };
  const enforce = { level: 'baseline', minor: LATEST } as const;
  const check = (pods: Pod[], now = () => 0) =>
    warningsOfExistingPods({
      namespace: 'n',
      enforce,
      count: pods.length,
      pods,
      isExempt: ({ metadata }) => metadata?.name === 'exempt',
      now,
    });
  const heading = 'existing pods in namespace "n" violate the new PodSecurity enforce level "baseline:latest"';
  t.strictSame(await check([fine]), []);
  t.strictSame(await check([bad('exempt')]), []);
  t.strictSame(await check([bad('z'), fine, bad('a'), bad('m')]), [heading, 'a (and 2 other pods): host namespaces']);

  const many = [...Array.from({ length: 3000 }, (_, at) => bad(`r${at}`, 'one')), bad('exempt'), bad('s', 'two')];
  t.strictSame(await check(many), [
    'new PodSecurity enforce level only checked against the first 3000 of 3001 existing pods',
    heading,
    'r0 (and 2999 other pods): host namespaces',
  ]);
  let time = 0;
  t.match(
    await check(many, () => (time += 100)),
    [/^new PodSecurity enforce level only checked against the first \d of 3002 existing pods$/, heading, /^r0: host/],
    'after a second no more are checked; replicas of a controller come last',
  );
});

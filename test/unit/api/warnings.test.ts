/** Warnings about pods, their templates and other kinds, by table. */
import { execFileSync } from 'node:child_process';
import t from 'tap';
import { deployments } from '../../../api/kinds/apps/deployment.ts';
import { customKind } from '../../../api/kinds/apiextensions/custom-kind.ts';
import { leases } from '../../../api/kinds/coordination/lease.ts';
import { configMaps } from '../../../api/kinds/core/config-map.ts';
import { events } from '../../../api/kinds/core/event.ts';
import { runtimeClasses } from '../../../api/kinds/node/runtime-class.ts';
import { podDisruptionBudgets as disruptionBudgets } from '../../../api/kinds/policy/pod-disruption-budget.ts';
import { validateObjectMetaUpdate } from '../../../api/machinery/metadata.ts';
import type { Kind } from '../../../api/machinery/kind.ts';
import { endpoints } from '../../../api/kinds/core/endpoints.ts';
import { nodes } from '../../../api/kinds/core/node.ts';
import { podTemplates } from '../../../api/kinds/core/pod-template.ts';
import { pods } from '../../../api/kinds/core/pod.ts';
import { replicationControllers } from '../../../api/kinds/core/replication-controller.ts';
import { resourceQuotas } from '../../../api/kinds/core/resource-quota.ts';
import { secrets } from '../../../api/kinds/core/secret.ts';
import { services } from '../../../api/kinds/core/service.ts';
import { ingresses } from '../../../api/kinds/networking/ingress.ts';
import { serviceAccounts } from '../../../api/kinds/core/service-account.ts';
import { endpointSlices } from '../../../api/kinds/discovery/endpoint-slice.ts';
import { networkPolicies } from '../../../api/kinds/networking/network-policy.ts';
import { csiStorageCapacities } from '../../../api/kinds/storage/csi-storage-capacity.ts';
import { storageClasses } from '../../../api/kinds/storage/storage-class.ts';
import type { ContainerPort } from '../../../api/types/core/v1.gen.ts';
import { decoded, refused } from './kind-rules.ts';
import { CONTEXT, updateThrough } from './updates.ts';

const container = (more: object = {}) => ({ name: 'c', image: 'i', ...more });
const warnings = (spec: object, metadata: object = {}): string[] =>
  pods.warnings(decoded(pods, { metadata: { name: 'a', ...metadata }, spec: { containers: [container()], ...spec } }));
const withPorts = (...lists: Partial<ContainerPort>[][]): string[] =>
  warnings({ containers: lists.map((ports, index) => container({ name: `c${index}`, ports })) });

t.test('a warning names the container, whichever list it is in', async (t) => {
  const half = (name: string) =>
    container({ name, resources: { limits: { memory: '1500m' }, requests: { memory: '1' } } });
  const why = 'resources.limits[memory]: fractional byte value "1500m" is invalid, must be an integer';
  const spec = {
    initContainers: [container({ name: 'a' }), half('b')],
    containers: [half('c'), container({ name: 'd' })],
    ephemeralContainers: [half('e')],
  };
  t.strictSame(warnings(spec), [
    `spec.initContainers[1].${why}`,
    `spec.containers[0].${why}`,
    `spec.ephemeralContainers[0].${why}`,
  ]);
});

t.test('a variable that is defined twice among many', async (t) => {
  const env = Array.from({ length: 20 }, (_, index) => ({ name: `A${index}`, value: 'x' }));
  t.strictSame(warnings({ containers: [container({ env })] }), []);
  t.match(warnings({ containers: [container({ env: [...env, { name: 'A0', value: 'y' }] })] }), [
    'spec.containers[0].env[20]: hides previous definition of "A0"',
  ]);
});

t.test('ports that are declared twice, overlap or are ambiguous, across containers', async (t) => {
  const [first, second, other] = [
    'spec.containers[0].ports[0]',
    'spec.containers[0].ports[1]',
    'spec.containers[1].ports[0]',
  ];
  const port = { containerPort: 80 };
  const address = { ...port, hostPort: 80, hostIP: '192.0.2.1' };
  t.strictSame(withPorts([port, { containerPort: 81 }]), []);
  t.strictSame(withPorts([port, { ...port, protocol: 'UDP' }]), []);
  t.strictSame(withPorts([port, port]), [`${second}: duplicate port definition with ${first}`]);
  t.strictSame(withPorts([port], [port]), [`${other}: duplicate port definition with ${first}`]);
  t.strictSame(withPorts([{ ...port, hostPort: 80 }, port]), [`${second}: overlapping port definition with ${first}`]);
  t.strictSame(withPorts([address], [{ ...port, hostPort: 80 }]), [
    `${other}: dangerously ambiguous port definition with ${first}`,
  ]);
  t.strictSame(withPorts([address, { ...address, hostIP: '192.0.2.2' }]), []);
  t.strictSame(withPorts([{ ...port, hostIP: '192.0.2.1' }]), [
    `${first}: hostIP set without hostPort: {Name: HostPort:0 ContainerPort:80 Protocol:TCP HostIP:192.0.2.1}`,
  ]);
  t.strictSame(withPorts([{ ...port, name: 'web' }], [{ containerPort: 81, name: 'web' }]), [
    `${other}: duplicate port name "web" with ${first}, services and probes that select ports by name will use ${first}`,
  ]);
});

t.test('variables that hide others, and those that extend them', async (t) => {
  const at = 'spec.containers[0].env';
  const hides = 'hides previous definition of "A", which may be dropped when using apply';
  const env = ['1', '$(A)2', '$(A)', '3'].map((value) => ({ name: 'A', value }));
  t.strictSame(warnings({ containers: [container({ env })] }), [`${at}[2]: ${hides}`, `${at}[3]: ${hides}`]);
});

t.test('files of a volume whose paths overlap', async (t) => {
  const items = (...paths: string[]) => paths.map((path) => ({ key: 'k', path }));
  const configMap = { name: 'm', items: items('p', 'p/q', 'p/', 'px') };
  const what = 'volume "v" (ConfigMap "m"): overlapping paths:';
  t.strictSame(warnings({ volumes: [{ name: 'v', configMap }] }), [
    `${what} "p/q" with "p"`,
    `${what} "p" with "p"`,
    `${what} "p" with "p/q"`,
  ]);
  const sources = [{ configMap: { name: 'm', items: items('a') } }, { secret: { name: 's', items: items('a/b') } }];
  t.strictSame(warnings({ volumes: [{ name: 'v', projected: { sources } }] }), [
    'volume "v" (Projected): overlapping paths: "a/b" (Secret "s") with "a" (ConfigMap "m")',
  ]);
});

t.test('selectors of nodes and pods', async (t) => {
  const term = { matchExpressions: [{ key: 'beta.kubernetes.io/os', operator: 'In', values: ['-'] }] };
  const nodeAffinity = {
    requiredDuringSchedulingIgnoredDuringExecution: {
      nodeSelectorTerms: [{ matchExpressions: [{ key: 'beta.kubernetes.io/arch', operator: 'Exists' }] }],
    },
    preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, preference: term }],
  };
  const podAffinity = { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'zone' }] };
  const spread = [{ maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule' }];
  t.match(warnings({ affinity: { nodeAffinity, podAffinity }, topologySpreadConstraints: spread }), [
    /requiredDuring.*\.nodeSelectorTerms\[0\]\.matchExpressions\[0\]\.key: beta\.kubernetes\.io\/arch is deprecated since v1\.14/,
    /preferredDuring.*\[0\]\.preference\.matchExpressions\[0\]\.key: beta\.kubernetes\.io\/os is deprecated since v1\.14/,
    /matchExpressions\[0\]\.values\[0\]: - is invalid, a valid label must be/,
    'spec.topologySpreadConstraints[0].labelSelector: a null labelSelector results in matching no pod',
    /podAffinity\.required.*\[0\]\.labelSelector: a null labelSelector results in matching no pod/,
  ]);
});

t.test('what a pod names twice, does not name, or measures in fractions', async (t) => {
  const spec = {
    hostAliases: ['192.0.2.1', '192.0.2.1', '2001:DB8::1'].map((ip) => ({ ip, hostnames: ['a'] })),
    imagePullSecrets: [{ name: 'a' }, { name: 'a' }, {}],
    containers: [container({ resources: { limits: { memory: '100m' } } })],
  };
  t.strictSame(warnings(spec), [
    'spec.hostAliases[1].ip: duplicate ip "192.0.2.1"',
    'spec.imagePullSecrets[1].name: duplicate name "a"',
    'spec.imagePullSecrets[2].name: invalid empty name ""',
    'spec.containers[0].resources.limits[memory]: fractional byte value "100m" is invalid, must be an integer',
    'spec.containers[0].resources.requests[memory]: fractional byte value "100m" is invalid, must be an integer',
    'spec.hostAliases[2].ip: IPv6 address "2001:DB8::1" should be in RFC 5952 canonical format ("2001:db8::1")',
  ]);
  const named = {
    metadata: { name: 'a', namespace: 'n' },
    spec: { containers: [container()], imagePullSecrets: [{}] },
  };
  t.strictSame(refused(pods, named), [], 'a secret without a name is only warned of');
});

t.test('pods are warned of when they are created, templates when they change', async (t) => {
  const pod = decoded(pods, { metadata: { name: 'a.b' }, spec: { containers: [container()] } });
  t.match(pods.warnings(pod), [/^metadata\.name: this is used in the Pod's hostname.*\[must not contain dots\]$/]);
  t.strictSame(pods.warnings(pod, pod), []);
  const template = { spec: { containers: [container()], nodeSelector: { 'beta.kubernetes.io/os': 'linux' } } };
  const of = (generation: number) => decoded(podTemplates, { metadata: { name: 'a', generation }, template });
  t.match(podTemplates.warnings(of(1)), [/^template\.spec\.nodeSelector/]);
  t.strictSame(podTemplates.warnings(of(1), of(1)), []);
  t.equal(podTemplates.warnings(of(2), of(1)).length, 1);
});

t.test('AppArmor annotations become fields of new pods; templates are warned of', async (t) => {
  const key = 'container.apparmor.security.beta.kubernetes.io/c';
  const why = `[${key}]: deprecated since v1.30; use the "appArmorProfile" field instead`;
  for (const [annotation, profile, ofPod] of [
    ['unconfined', { type: 'Unconfined' }, undefined],
    ['runtime/default', { type: 'RuntimeDefault' }, undefined],
    ['localhost/mine', { type: 'Localhost', localhostProfile: 'mine' }, undefined],
    ['localhost/', undefined, undefined],
    ['other', undefined, undefined],
    ['runtime/default', undefined, { type: 'RuntimeDefault' }],
  ] as const) {
    const metadata = { name: 'a', annotations: { [key]: annotation } };
    const spec = { containers: [container()], securityContext: { ...(ofPod && { appArmorProfile: ofPod }) } };
    const pod = decoded(pods, { metadata, spec });
    const warned: string[] = [];
    pods.prepareForCreate(pod, { ...CONTEXT, warn: (text) => warned.push(text) });
    t.strictSame(pod.spec?.containers[0]?.securityContext?.appArmorProfile, profile, annotation);
    t.strictSame(warned, ofPod ? [] : [`metadata.annotations${why}`]);
    const selector = { matchLabels: { a: 'b' } };
    const deployment = decoded(deployments, {
      metadata: { name: 'a' },
      spec: { selector, template: { metadata, spec } },
    });
    t.strictSame(deployments.warnings(deployment), ofPod ? [] : [`spec.template.metadata.annotations${why}`]);
  }
});

t.test('warnings are found in linear time, and no more than a response has room for', async (t) => {
  const ports = Array.from({ length: 20_000 }, () => ({ containerPort: 80 }));
  t.ok(withPorts(ports).length <= 200);
  const apart = Array.from({ length: 20_000 }, (_, index) => ({
    containerPort: 80,
    hostPort: 80,
    hostIP: `10.0.${index >> 8}.${index & 255}`,
  }));
  t.strictSame(withPorts(apart), []);
  const items = Array.from({ length: 20_000 }, (_, index) => ({ key: 'k', path: `d/${index}` }));
  t.strictSame(warnings({ volumes: [{ name: 'v', configMap: { name: 'm', items } }] }), []);
});

t.test('other kinds', async (t) => {
  const wide = '2001:DB8::1';
  const canonical = 'should be in RFC 5952 canonical format ("2001:db8::1")';
  const secrets = { annotations: { 'kubernetes.io/enforce-mountable-secrets': 'true' } };
  const account = decoded(serviceAccounts, { metadata: secrets });
  t.match(serviceAccounts.warnings(account), [
    /^metadata\.annotations\[kubernetes\.io\/enforce-mountable-secrets\]: deprecated/,
  ]);
  t.strictSame(serviceAccounts.warnings(account, account), []);
  const subsets = [{ addresses: [{ ip: wide }] }];
  t.strictSame(endpoints.warnings(decoded(endpoints, { subsets })), [
    `subsets[0].addresses[0].ip: IPv6 address "${wide}" ${canonical}`,
  ]);
  const labels = { 'endpoints.kubernetes.io/managed-by': 'endpoint-controller' };
  t.strictSame(endpoints.warnings(decoded(endpoints, { metadata: { labels }, subsets })), []);
  const names = decoded(endpointSlices, { addressType: 'FQDN', endpoints: [{ addresses: ['a.example'] }] });
  t.strictSame(endpointSlices.warnings(names), ['spec.addressType: FQDN endpoints are deprecated']);
  t.strictSame(endpointSlices.warnings(names, names), []);
  t.strictSame(nodes.warnings(decoded(nodes, { spec: { externalID: 'x' } })), [
    'spec.externalID: this field is deprecated, and is unused by Kubernetes',
  ]);
  const zone = 'failure-domain.beta.kubernetes.io/zone';
  const allowedTopologies = [{ matchLabelExpressions: [{ key: zone, values: ['a'] }] }];
  t.match(storageClasses.warnings(decoded(storageClasses, { provisioner: 'a.io', allowedTopologies })), [
    /^allowedTopologies\[0\]\.matchLabelExpressions\[0\]\.key: deprecated since v1\.17/,
  ]);
  const nodeTopology = { matchLabels: { [zone]: 'a' } };
  t.match(csiStorageCapacities.warnings(decoded(csiStorageCapacities, { storageClassName: 'a', nodeTopology })), [
    /^nodeTopology\.matchLabels\.failure-domain\.beta\.kubernetes\.io\/zone: deprecated since v1\.17/,
  ]);
  const policy = { spec: { ingress: [{ from: [{ ipBlock: { cidr: '2001:DB8::/64' } }] }] } };
  t.match(networkPolicies.warnings(decoded(networkPolicies, policy)), [
    /^spec\.ingress\[0\]\.from\[0\]\.ipBlock\.cidr: IPv6 CIDR/,
  ]);
});

t.test('addresses in the status of pods, Services and Ingresses', async (t) => {
  const wide = '2001:db8:0::1';
  const canonical = 'should be in RFC 5952 canonical format ("2001:db8::1")';
  const ingress = { status: { loadBalancer: { ingress: [{ hostname: 'a.example' }, { ip: wide }] } } };
  const balanced = [`status.loadBalancer.ingress[1]: IPv6 address "${wide}" ${canonical}`];
  const service = decoded(services, ingress);
  t.strictSame(updateThrough(services, 'status').warnings?.(service, service), balanced);
  const route = decoded(ingresses, ingress);
  t.strictSame(updateThrough(ingresses, 'status').warnings?.(route, route), balanced);
  const pod = decoded(pods, { status: { podIPs: [{ ip: wide }], hostIPs: [{ ip: wide }] } });
  t.strictSame(
    updateThrough(pods, 'status').warnings?.(pod, pod),
    ['podIPs', 'hostIPs'].map((field) => `status.${field}[0].ip: IPv6 address "${wide}" ${canonical}`),
  );
});

t.test('updates of quotas and replication controllers warn as upstream', async (t) => {
  const hard = { 'requests.cpu': '2', 'limits.cpu': '1' };
  const quota = decoded(resourceQuotas, { spec: { hard } });
  t.equal(resourceQuotas.warnings(quota).length, 1);
  t.strictSame(resourceQuotas.warnings(quota, quota), []);
  const controller = (generation: number, seconds: number) =>
    decoded(replicationControllers, {
      metadata: { name: 'a', generation },
      spec: { template: { spec: { containers: [container()], terminationGracePeriodSeconds: seconds } } },
    });
  const negative = /^spec\.template\.spec\.terminationGracePeriodSeconds: must be >= 0/;
  t.match(replicationControllers.warnings(controller(2, 30), controller(1, -1)), [negative]);
  t.strictSame(replicationControllers.warnings(controller(2, -1), controller(1, 30)), [], 'the template before counts');
});

t.test('a TLS Secret whose key is not that of its certificate', async (t) => {
  const [rsa, other, ec] = [pair('rsa:2048'), pair('rsa:2048'), pair('ec')];
  const rows: readonly (readonly [title: string, cert: string, key: string, warning: string | undefined])[] = [
    ['a pair', rsa.cert, rsa.key, undefined],
    ['a pair of another type, after other text', `# a comment\n${ec.cert}`, `x\n${ec.params}${ec.key}`, undefined],
    [
      'switched',
      rsa.key,
      rsa.cert,
      'certificate PEM data in certificate input, but did find a private key; PEM inputs',
    ],
    ['no PEM', 'x', rsa.key, 'tls: failed to find any PEM data in certificate input'],
    ['no key', rsa.cert, '', 'tls: failed to find any PEM data in key input'],
    [
      'two certificates',
      rsa.cert,
      rsa.cert,
      'tls: found a certificate rather than a key in the PEM for the private key',
    ],
    ['another key', rsa.cert, other.key, 'tls: private key does not match public key'],
    ['another type', rsa.cert, ec.key, 'tls: private key type does not match public key type'],
    ['a broken certificate', pem('CERTIFICATE', 'AAAA'), rsa.key, 'x509: malformed certificate'],
    ['a broken key', rsa.cert, pem('PRIVATE KEY', 'AAAA'), 'tls: failed to parse private key'],
    ['other blocks', pem('A', 'AAAA') + pem('B', 'AAAA'), rsa.key, 'skipping PEM blocks of the following types: [A B]'],
    [
      'other blocks as keys',
      rsa.cert,
      pem('A', 'AAAA'),
      'in key input after skipping PEM blocks of the following types: [A]',
    ],
    [
      'an end of another type',
      '-----BEGIN CERTIFICATE-----\nAAAA\n-----END KEY-----\n',
      rsa.key,
      'any PEM data in certificate',
    ],
  ];
  for (const [title, cert, key, warning] of rows) {
    const data = { 'tls.crt': Buffer.from(cert).toString('base64'), 'tls.key': Buffer.from(key).toString('base64') };
    const found = secrets.warnings(decoded(secrets, { type: 'kubernetes.io/tls', data }));
    t.equal(found.length, warning === undefined ? 0 : 1, title);
    t.ok(
      found.every((text) => text.includes(warning ?? '')),
      `${title}: ${found.join()}`,
    );
    t.strictSame(secrets.warnings(decoded(secrets, { type: 'Opaque', data })), []);
  }
});

t.test('a text of many beginnings is read in linear time', async (t) => {
  const text = Buffer.from(`${'-----BEGIN A-----\n'.repeat(50_000)}\n-----END B-----\n`).toString('base64');
  const startedAt = performance.now();
  secrets.warnings(decoded(secrets, { type: 'kubernetes.io/tls', data: { 'tls.crt': text, 'tls.key': text } }));
  t.ok(performance.now() - startedAt < 1000);
});

const pem = (type: string, base64: string): string => `-----BEGIN ${type}-----\n${base64}\n-----END ${type}-----\n`;

/** A self-signed certificate and its key. */
function pair(algorithm: string): { cert: string; key: string; params: string } {
  const more = algorithm === 'ec' ? ['-pkeyopt', 'ec_paramgen_curve:prime256v1'] : [];
  const args = [
    'req',
    '-x509',
    '-newkey',
    algorithm,
    ...more,
    '-nodes',
    '-subj',
    '/CN=a',
    '-days',
    '1',
    '-keyout',
    '-',
  ];
  const out = execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  const block = (type: string) => out.match(new RegExp(`-----BEGIN ${type}[^]*?-----END ${type}-----\n`))?.[0] ?? '';
  return { cert: block('CERTIFICATE'), key: block('PRIVATE KEY'), params: pem('EC PARAMETERS', 'BggqhkjOPQMBBw==') };
}

t.test('finalizers without a domain: refused by most kinds, warned of for custom resources', async (t) => {
  const meta = { name: 'a', resourceVersion: '1', finalizers: ['b.example', 'orphan', 'b', 'a/b'] };
  const refusedBy = (kind: Kind): string[] =>
    validateObjectMetaUpdate(meta, meta, kind).map(({ field, message }) => `${field}: ${message}`);
  t.match(refusedBy(configMaps), [/^metadata\.finalizers\[0\]: /, /^metadata\.finalizers\[2\]: /]);
  for (const kind of [leases, events, disruptionBudgets, runtimeClasses])
    t.strictSame(refusedBy(kind), [], kind.plural);
  const [version] = [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }];
  const names = { plural: 'things', kind: 'Thing' };
  const definition = { spec: { group: 'example.com', scope: 'Namespaced', names, versions: [version] } };
  const things = customKind(definition, version, undefined, false);
  t.strictSame(refusedBy(things), []);
  const writers = 'to avoid accidental conflicts with other finalizer writers';
  t.strictSame(things.warnings({ metadata: meta }), [
    `metadata.finalizers: "b": prefer a domain-qualified finalizer name ${writers}`,
    `metadata.finalizers: "b.example": prefer a domain-qualified finalizer name including a path (/) ${writers}`,
  ]);
  t.strictSame(things.warnings({ metadata: meta }, { metadata: meta }), [], 'only new ones');
});

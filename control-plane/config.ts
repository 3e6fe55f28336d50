/** Settings of `kedge server`. */
import { type Cidr, IpAddress, type IpFamily } from '../api/domain/address.ts';
import { AddressRange } from '../api/domain/address-range.ts';
import { CONTROL_PLANE_LABEL } from '../api/domain/control-plane-node.ts';
import { parseClusterRanges, rangeOf } from '../api/domain/cluster-ranges.ts';
import { isAnnounceable } from '../api/domain/load-balancer.ts';
import { MAX_PORT } from '../api/domain/port-number.ts';
import {
  aboveZero,
  certificateNames,
  clusterRange,
  dnsDomain,
  integerFrom,
  ipAddress,
  logLevelRule,
  notEmpty,
  oneOf,
  orEmpty,
  overlap,
  type PrefixLimits,
  readableBy,
  type SettingRule,
  SettingValueError,
  type SettingRules,
} from '../daemon/setting-rules.ts';
import { validateLabelName, validateSubdomainName } from '../api/machinery/names.ts';
import {
  authenticationDefaults,
  authenticationHelp,
  authenticationRules,
} from './apiserver/access/authentication/settings.ts';
import {
  authorizationDefaults,
  authorizationHelp,
  authorizationRules,
} from './apiserver/access/authorization/settings.ts';
import { backupDefaults, backupHelp, backupRules } from './backup/settings.ts';
import { auditDefaults, auditHelp, auditRules } from './apiserver/audit/settings.ts';
import { readLevelVersion } from './apiserver/admission/pod-security/options.ts';
import { ALL_CONTROLLERS, selectionProblem } from './controller-selection.ts';
import { serversProblem } from './store/etcd/servers.ts';
import { observabilityDefaults, observabilityHelp, observabilityRules } from './observability-settings.ts';
import { DEFAULT_NODE_MASKS } from './node-mask-sizes.ts';

const ROLES = ['apiserver', 'scheduler', 'controllers'] as const;

/** What comes with the server, and clusters can do without. */
const ADDONS = ['ingress', 'gateway-api', 'console'] as const;

export const defaultServerConfig = {
  dataDir: '/var/lib/kedge/server',
  store: 'embedded',
  etcd: 'external',
  etcdQuotaMegabytes: 8192,
  etcdServers: [] as readonly string[],
  etcdCafile: '',
  etcdCertfile: '',
  etcdKeyfile: '',
  etcdPrefix: '/registry',
  etcdCompactionIntervalSeconds: 300,
  bindAddress: '0.0.0.0',
  port: 6443,
  portFile: '',
  advertiseAddress: '',
  tlsSan: [] as readonly string[],
  adminKubeconfig: '/etc/kedge/admin.kubeconfig',
  serviceCidr: '10.43.0.0/16',
  clusterCidr: '10.42.0.0/16',
  nodeCidrMaskSize: 0,
  nodeCidrMaskSizeIpv4: 0,
  nodeCidrMaskSizeIpv6: 0,
  clusterDomain: 'cluster.local',
  serviceNodePortRange: '30000-32767',
  loadBalancerPools: [] as readonly string[],
  loadBalancerReservedPorts: ['22', '2379-2380', '6443', '8472', '10249-10259'] as readonly string[],
  tokenAuthFile: '',
  ...authenticationDefaults,
  ...authorizationDefaults,
  ...auditDefaults,
  ...backupDefaults,
  ...observabilityDefaults,
  encryptionProviderConfig: '',
  allowPrivileged: false,
  enforceOwnerReferences: false,
  localPathClass: true,
  clusterDns: true,
  taintControlPlane: false,
  disable: [] as readonly string[],
  podSecurityEnforce: 'privileged:latest',
  podSecurityAudit: 'privileged:latest',
  podSecurityWarn: 'privileged:latest',
  podSecurityExemptUsernames: [] as readonly string[],
  podSecurityExemptRuntimeClasses: [] as readonly string[],
  podSecurityExemptNamespaces: [] as readonly string[],
  kubeletClientCertificate: '',
  kubeletClientKey: '',
  kubeletCertificateAuthority: '',
  kubeletVerifyServingCertificates: true,
  maxRequestsInflight: 400,
  maxMutatingRequestsInflight: 200,
  roles: ROLES as readonly string[],
  controllers: ALL_CONTROLLERS,
  schedulerPort: 0,
  controllersPort: 0,
  rolesAddress: '127.0.0.1',
  kubeconfig: '',
  nodeMonitorGracePeriodSeconds: 40,
  inventory: '',
  schedulerConfig: '',
  logLevel: 'info',
};

export type ServerConfig = Readonly<typeof defaultServerConfig>;

const serverConfigHelp: Readonly<Record<keyof ServerConfig, string>> = {
  dataDir: 'directory of the store and the certificates',
  store: 'where objects are stored: embedded, in data-dir, or etcd, which several servers share (docs/etcd.md)',
  etcd: 'who runs etcd: external, others, or managed, Kedge, a member on the host of each server (docs/etcd.md); then store is etcd',
  etcdQuotaMegabytes: 'size of the database at which an etcd that Kedge runs accepts no more writes',
  etcdServers: 'URLs of the members of etcd, as https://10.0.0.1:2379; with http://, nothing is encrypted',
  etcdCafile: "PEM file of the CA that signs etcd's certificates; the CAs that Node.js carries when empty",
  etcdCertfile: 'PEM file of the client certificate for etcd',
  etcdKeyfile: 'PEM file of its private key',
  etcdPrefix: 'what the keys of all objects begin with, as upstream',
  etcdCompactionIntervalSeconds: 'seconds of history that etcd keeps at least; 0: others compact it',
  bindAddress: 'address to listen on',
  port: 'port of the api-server; 0: any free port',
  portFile: 'file to write the port to once the server is listening',
  advertiseAddress: 'address at which other hosts reach this server; the address of the default route when empty',
  tlsSan: 'additional names and addresses for the serving certificate',
  adminKubeconfig: "file to write the administrator's kubeconfig to",
  serviceCidr:
    'address range of Services; of a dual-stack cluster one of IPv4 and one of IPv6, as 10.43.0.0/16,fd00:43::/112 (docs/dual-stack.md)',
  clusterCidr: 'address range of pods, or two likewise; each node is assigned a subnet of each',
  clusterDomain: 'DNS domain of the cluster',
  nodeCidrMaskSize: "prefix length of a node's subnet of the only pod range; 24 of IPv4 and 64 of IPv6 when 0",
  nodeCidrMaskSizeIpv4: "prefix length of a node's subnet of the IPv4 pod range; as node-cidr-mask-size when 0",
  nodeCidrMaskSizeIpv6: "prefix length of a node's subnet of the IPv6 pod range; as node-cidr-mask-size when 0",
  serviceNodePortRange: 'ports of NodePort Services',
  loadBalancerPools:
    'addresses for Services of type LoadBalancer, as 192.0.2.0/28 or 192.0.2.10-192.0.2.20 (docs/load-balancers.md); without any, their ports are open on the nodes',
  loadBalancerReservedPorts: 'ports that no such Service may have on the nodes',
  tokenAuthFile: 'CSV file of bearer tokens: token,user,uid,"group1,group2"',
  ...authenticationHelp,
  ...authorizationHelp,
  ...auditHelp,
  ...backupHelp,
  ...observabilityHelp,
  encryptionProviderConfig:
    'file that says what is encrypted in the store, apiserver.config.k8s.io/v1 EncryptionConfiguration (docs/encryption.md); read again when it changes',
  allowPrivileged: 'allow privileged containers; `make up` sets it',
  enforceOwnerReferences:
    'only who may delete an object may change its owners (the admission plugin OwnerReferencesPermissionEnforcement)',
  clusterDns: 'make the Service kube-dns, whose address the agents serve DNS at, once, in a new cluster (docs/dns.md)',
  taintControlPlane: `keep pods away from the hosts of servers: the Node of this one is given the taint ${CONTROL_PLANE_LABEL}:NoSchedule (docs/high-availability.md)`,
  disable:
    'what to go without: ingress (docs/ingress.md) and gateway-api (docs/gateway-api.md; not there without ingress), which a new cluster starts with (in one that has them, their objects are to be deleted), console (docs/console.md)',
  localPathClass: 'make the storage class local-path, once, in a new cluster (docs/storage.md)',
  podSecurityEnforce:
    'level and version of the Pod Security Standards, as baseline:latest, that pods have to meet in namespaces without a label',
  podSecurityAudit: 'likewise: violations are noted in the audit annotations',
  podSecurityWarn: 'likewise: users are warned of violations',
  podSecurityExemptUsernames: 'users whose pods may violate the Pod Security Standards',
  podSecurityExemptRuntimeClasses: 'RuntimeClasses whose pods may violate them',
  podSecurityExemptNamespaces: 'namespaces whose pods may violate them',
  kubeletClientCertificate: "PEM file of the client certificate for connections to nodes; the cluster's own when empty",
  kubeletClientKey: 'PEM file of its private key',
  kubeletCertificateAuthority:
    "PEM file of the CA that signs nodes' serving certificates; the cluster's own when empty",
  kubeletVerifyServingCertificates:
    "verify nodes' serving certificates; disable only for kubelets with self-signed ones: connections can then be intercepted",
  maxRequestsInflight:
    'with the next one, the seats for concurrent requests that priority levels divide; both 0: as many as anybody wants',
  maxMutatingRequestsInflight: 'is added to it, as upstream',
  roles: 'components to run: apiserver, scheduler, controllers',
  controllers:
    "controllers to run: * for all, NAME for one, -NAME for all but one, as kube-controller-manager's (docs/stock-parts.md)",
  schedulerPort:
    'port of the health and metrics of the scheduler, as kube-scheduler has 10259 (docs/debugging.md); 0 for none',
  controllersPort: 'likewise of the controllers, as kube-controller-manager has 10257',
  rolesAddress: 'address that these two ports are open at; all when empty',
  kubeconfig: 'kubeconfig of the scheduler and controllers when the api-server is not in this process',
  nodeMonitorGracePeriodSeconds: 'seconds without a lease renewal after which a node is marked unhealthy',
  inventory:
    'YAML file of hosts: the addresses, zones and types of nodes whose agents have cloud-provider external (docs/inventory.md)',
  schedulerConfig:
    'YAML file of the scheduler: a KubeSchedulerConfiguration, as upstream (docs/scheduling.md); the defaults when empty',
  logLevel: 'trace, debug, info, warn, error or fatal',
};

/** Limits of a service range's prefix length: upstream's largest range, and the smallest that has the DNS address. */
const SERVICE_PREFIXES: Readonly<Record<IpFamily, PrefixLimits>> = {
  IPv4: { shortest: 12, longest: 28 },
  IPv6: { shortest: 64, longest: 124 },
};
/** The longest is of the smallest pod subnet that has an address for a pod besides those of the network, gateway and broadcast. */
const POD_PREFIXES: Readonly<Record<IpFamily, PrefixLimits>> = {
  IPv4: { shortest: 0, longest: 30 },
  IPv6: { shortest: 0, longest: 126 },
};
/** A node's part has to be within the range, and to have an address for a pod. */
const fits = ({ family, length }: Cidr, size: number): string | undefined =>
  integerFrom(length, POD_PREFIXES[family].longest)(size || DEFAULT_NODE_MASKS[family], undefined);

function maskSizeProblem(size: number, { clusterCidr, nodeCidrMaskSizeIpv4, nodeCidrMaskSizeIpv6 }: ServerConfig) {
  const [range, second] = parseClusterRanges(clusterCidr) ?? [];
  if (size !== 0 && second)
    return `must be 0 with two pod ranges, which have node-cidr-mask-size-ipv4 and node-cidr-mask-size-ipv6, not ${size}`;
  const isOverridden = (range?.family === 'IPv4' ? nodeCidrMaskSizeIpv4 : nodeCidrMaskSizeIpv6) !== 0;
  return range && !second && !(size === 0 && isOverridden) ? fits(range, size) : undefined;
}

const maskSizeOf =
  (family: IpFamily): SettingRule<number, ServerConfig> =>
  (size, { clusterCidr }) => {
    const ranges = parseClusterRanges(clusterCidr) ?? [];
    const range = rangeOf(family, ranges);
    if (!range) return size === 0 ? undefined : `must be 0, since cluster-cidr has no range of ${family}, not ${size}`;
    return size === 0 && ranges.length === 1 ? undefined : fits(range, size);
  };

function rolesProblem(roles: readonly string[]): string | undefined {
  const unknown = roles.find((role) => !ROLES.some((known) => known === role));
  if (unknown === undefined && roles.length > 0) return undefined;
  const found = unknown === undefined ? '' : `, and ${JSON.stringify(unknown)} is none of them`;
  return `must list some of ${ROLES.join(', ')}${found}`;
}

function addonsProblem(names: readonly string[]): string | undefined {
  const odd = names.find((name) => !ADDONS.some((known) => known === name));
  return odd === undefined ? undefined : `must list some of ${ADDONS.join(', ')}, not ${JSON.stringify(odd)}`;
}

/** Different names of one kind of thing. */
const namesWhere =
  (isName: (name: string) => boolean, things: string) =>
  (names: readonly string[]): string | undefined => {
    const odd = names.find((name, index) => !isName(name) || names.indexOf(name) !== index);
    return odd === undefined ? undefined : `must list the names of ${things}, each once, not ${JSON.stringify(odd)}`;
  };

function poolsProblem(texts: readonly string[], { serviceCidr, clusterCidr }: ServerConfig): string | undefined {
  const ranges: AddressRange[] = [];
  for (const text of texts) {
    const range = AddressRange.parse(text);
    const shown = JSON.stringify(text);
    if (!range) return `must list ranges such as 192.0.2.0/28 or 192.0.2.10-192.0.2.20, not ${shown}`;
    if (ranges.some((other) => other.overlaps(range)))
      return `must list each address once, and ${shown} overlaps with another`;
    const taken = `${serviceCidr},${clusterCidr}`.split(',').find((cidr) => AddressRange.parse(cidr)?.overlaps(range));
    if (taken !== undefined) return `must not overlap with the range ${taken} of Services or pods, as ${shown} does`;
    if (![range.first, range.last].every(isAnnounceable)) return `must list unicast addresses, not ${shown}`;
    ranges.push(range);
  }
  return undefined;
}

function clusterCidrProblem(ranges: string, { serviceCidr }: ServerConfig): string | undefined {
  const problem = clusterRange(POD_PREFIXES)(ranges, undefined);
  if (problem !== undefined) return problem;
  if (overlap(ranges, serviceCidr))
    return `must not overlap with the Services' range ${serviceCidr}, as ${ranges} does`;
  // A Service of a family that no pod has an address of leads nowhere.
  const ofServices = parseClusterRanges(serviceCidr) ?? [];
  const lacking = ofServices.find(({ family }) => !rangeOf(family, parseClusterRanges(ranges) ?? []));
  return lacking && `must have a range of ${lacking.family}, too, since service-cidr has ${lacking.text}`;
}

function etcdServersProblem(servers: readonly string[], { store, etcd }: ServerConfig): string | undefined {
  if (etcd === 'managed') return servers.length > 0 ? 'must be empty when etcd is managed: it is found' : undefined;
  if (store !== 'etcd') return servers.length > 0 ? 'must be empty unless the store is etcd' : undefined;
  return servers.length > 0 ? serversProblem(servers) : 'must list the members of etcd, since it is the store';
}

/** A certificate and its key are of use together only. */
const besides =
  (other: 'etcdCertfile' | 'etcdKeyfile', name: string): SettingRule<string, ServerConfig> =>
  (file, settings) =>
    file === '' && settings[other] !== '' ? `must be set, since ${name} is` : undefined;

/** etcd itself and one object need some; upstream advises against more than 8 GB, and against nothing below 100 GB with large hosts. */
const MIN_QUOTA_MB = 16;
const MAX_QUOTA_MB = 102_400;

const serverConfigRules: SettingRules<ServerConfig> = {
  dataDir: notEmpty,
  store: oneOf('embedded', 'etcd'),
  etcd: oneOf('external', 'managed'),
  etcdQuotaMegabytes: integerFrom(MIN_QUOTA_MB, MAX_QUOTA_MB),
  etcdServers: etcdServersProblem,
  etcdCertfile: besides('etcdKeyfile', 'etcd-keyfile'),
  etcdKeyfile: besides('etcdCertfile', 'etcd-certfile'),
  etcdPrefix: (prefix) =>
    /^(\/[A-Za-z0-9._-]+)+$/.test(prefix)
      ? undefined
      : `must be a path such as /registry, not ${JSON.stringify(prefix)}`,
  etcdCompactionIntervalSeconds: integerFrom(0, 24 * 3600),
  bindAddress: orEmpty(ipAddress),
  port: integerFrom(0, MAX_PORT),
  advertiseAddress: orEmpty((address, { serviceCidr }) => {
    const problem = ipAddress(address, undefined);
    const [primary] = parseClusterRanges(serviceCidr) ?? [];
    if (problem !== undefined || !primary || IpAddress.parse(address)?.family === primary.family) return problem;
    return `must be an address of ${primary.family}, as the first range of Services ${primary.text} is, not ${address}`;
  }),
  tlsSan: certificateNames,
  adminKubeconfig: notEmpty,
  serviceCidr: clusterRange(SERVICE_PREFIXES),
  clusterCidr: clusterCidrProblem,
  nodeCidrMaskSize: maskSizeProblem,
  nodeCidrMaskSizeIpv4: maskSizeOf('IPv4'),
  nodeCidrMaskSizeIpv6: maskSizeOf('IPv6'),
  clusterDomain: dnsDomain,
  serviceNodePortRange: readableBy(readPortRange),
  ...authenticationRules,
  ...authorizationRules,
  ...auditRules,
  ...backupRules,
  ...observabilityRules,
  disable: addonsProblem,
  loadBalancerPools: poolsProblem,
  loadBalancerReservedPorts: readableBy((texts) => texts.map(readPorts)),
  podSecurityEnforce: readableBy(readLevelVersion),
  podSecurityAudit: readableBy(readLevelVersion),
  podSecurityWarn: readableBy(readLevelVersion),
  podSecurityExemptUsernames: namesWhere((name) => name !== '', 'users'),
  podSecurityExemptRuntimeClasses: namesWhere((name) => validateSubdomainName(name).length === 0, 'RuntimeClasses'),
  podSecurityExemptNamespaces: namesWhere((name) => validateLabelName(name).length === 0, 'namespaces'),
  maxRequestsInflight: integerFrom(0),
  maxMutatingRequestsInflight: integerFrom(0),
  roles: rolesProblem,
  controllers: selectionProblem,
  schedulerPort: integerFrom(0, MAX_PORT),
  controllersPort: integerFrom(0, MAX_PORT),
  rolesAddress: orEmpty(ipAddress),
  kubeconfig: (file, { roles }) =>
    file === '' && !roles.includes('apiserver')
      ? `must name the kubeconfig of an api-server, since none is among the roles ${roles.join(', ')}`
      : undefined,
  nodeMonitorGracePeriodSeconds: aboveZero,
  logLevel: logLevelRule,
};

export const serverSettings = { defaults: defaultServerConfig, help: serverConfigHelp, rules: serverConfigRules };

/** Parses `22` or `10249-10259`. Throws SettingValueError. */
export const readPorts = (text: string): { first: number; last: number } =>
  readPortRange(text.includes('-') ? text : `${text}-${text}`);

/** Parses `30000-32767`. Throws SettingValueError. */
export function readPortRange(text: string): { first: number; last: number } {
  const [, first, last] = /^(\d+)-(\d+)$/.exec(text)?.map(Number) ?? [];
  if (first === undefined || last === undefined || first < 1 || last < first || last > MAX_PORT)
    throw new SettingValueError(`${JSON.stringify(text)} is not a range of ports such as 30000-32767`);
  return { first, last };
}

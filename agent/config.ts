/** Settings of `kedge agent`. */
import { hostname } from 'node:os';
import { isAbsolute } from 'node:path';
import { MAX_PORT } from '../api/domain/port-number.ts';
import { validateSubdomainName } from '../api/machinery/names.ts';
import {
  clusterRange,
  dnsDomain,
  hostAddresses,
  integerFrom,
  ipAddress,
  logLevelRule,
  notEmpty,
  oneOf,
  orEmpty,
  overlap,
  readableBy,
  type SettingRule,
  type SettingRules,
} from '../daemon/setting-rules.ts';
import { caHashProblem, serverProblem } from './join/join-format.ts';
import { VXLAN_MODES, type VxlanMode } from './network/connectivity/node-routes.ts';
import { IPVS_SCHEDULERS, type IpvsScheduler } from './network/services/backends/ipvs/ipvs-scheduler.ts';
import { PROXY_MODES, type ProxyMode } from './network/services/backends/proxy-mode.ts';
import { EXTERNAL } from './node/cloud-provider.ts';
import { parseLabels, parseTaints } from './node/node-labels.ts';
import { parseReserved } from './node/node-status.ts';
import { parseRecorderSize } from './recorder/recorder-size.ts';
import { parseThresholds } from './node/pressure.ts';
import { SWAP_BEHAVIORS, type SwapBehavior } from './resources/swap.ts';
import { parsePeriods } from './shutdown/shutdown-plan.ts';
import { TOPOLOGY_POLICIES, TOPOLOGY_SCOPES, type TopologyPolicy, type TopologyScope } from './topology/hints.ts';
import { MEMORY_POLICIES, parseReservedMemory, type MemoryPolicy } from './topology/memory-settings.ts';
import {
  CPU_POLICIES,
  parseCpuOptions,
  parseReservedCpus,
  parseTopologyOptions,
  type CpuPolicy,
} from './topology/placement-settings.ts';

/** Switches off what an empty value takes from the cluster. */
export const NONE = 'none';

export const defaultAgentConfig = {
  server: '',
  token: '',
  caHash: '',
  nodeName: '',
  nodeIp: '',
  cloudProvider: '',
  nodeLabels: [] as readonly string[],
  nodeTaints: [] as readonly string[],
  maxPods: 110,
  reserved: [] as readonly string[],
  reservedCpus: '',
  cpuManagerPolicy: 'none' as CpuPolicy,
  cpuManagerPolicyOptions: [] as readonly string[],
  topologyManagerPolicy: 'none' as TopologyPolicy,
  topologyManagerPolicyOptions: [] as readonly string[],
  topologyManagerScope: 'container' as TopologyScope,
  memoryManagerPolicy: 'None' as MemoryPolicy,
  reservedMemory: [] as readonly string[],
  evictionHard: [
    'memory.available<100Mi',
    'nodefs.available<10%',
    'nodefs.inodesFree<5%',
    'imagefs.available<15%',
  ] as readonly string[],
  failSwapOn: false,
  memorySwapBehavior: 'NoSwap' as SwapBehavior,
  shutdownGracePeriodSeconds: 0,
  shutdownGracePeriodCriticalPodsSeconds: 0,
  shutdownGracePeriodByPodPriority: [] as readonly string[],
  dataDir: '/var/lib/kedge/agent',
  kubeletDir: '/var/lib/kubelet',
  imageDir: '',
  staticPodDir: '/etc/kedge/manifests',
  podLogDir: '/var/log/pods',
  containerLogDir: '/var/log/containers',
  systemLogDir: '/var/log',
  containerdSocket: '/run/kedge/containerd.sock',
  cgroupRoot: '',
  resolvConf: '/etc/resolv.conf',
  clusterDns: '',
  clusterDomain: '',
  clusterCidr: '',
  serviceCidr: '',
  cniConfDir: '/etc/kedge/cni/net.d',
  cniStateDir: '/var/lib/cni/networks',
  bridgeName: 'cni0',
  bridgeMtu: 0,
  hostRoutes: true,
  vxlan: 'auto' as VxlanMode,
  vxlanPort: 8472,
  serviceProxy: true,
  proxyMode: '' as ProxyMode | '',
  ipvsScheduler: 'rr' as IpvsScheduler,
  ipvsStrictArp: true,
  proxyHealthPort: 10256,
  proxyMetricsAddress: '127.0.0.1',
  proxyMetricsPort: 10249,
  networkPolicy: true,
  bindAddress: '0.0.0.0',
  port: 10250,
  recorderSize: '32Mi',
  logLevel: 'info',
};

export type AgentConfig = Readonly<typeof defaultAgentConfig>;

const agentConfigHelp: Readonly<Record<keyof AgentConfig, string>> = {
  server: 'address of the api-server, such as https://10.0.0.1:6443',
  token: 'token to join with, ID.SECRET; not needed once the node has its certificate',
  caHash: "hash of the CA's public key, sha256:..., used to verify the server when joining",
  nodeName: 'name of the Node; the host name in lower case when empty',
  nodeIp:
    'address at which other nodes reach this node, or one of each IP family, as 10.0.0.1,fd00::1; the addresses of the default routes when empty',
  cloudProvider:
    "external: the Node is initialized, and its addresses are set, by a cloud's controllers or the server's inventory (docs/inventory.md)",
  nodeLabels: 'labels to register the Node with, key=value',
  nodeTaints: 'taints to register the Node with, key=value:effect',
  maxPods: 'maximum number of pods on the node',
  reserved: 'resources reserved for the system, such as cpu=200m,memory=256Mi,ephemeral-storage=1Gi',
  reservedCpus: 'CPUs reserved for the system, such as 0-1, instead of an amount of CPU in reserved',
  cpuManagerPolicy:
    'static: containers of Guaranteed pods that ask for whole CPUs have them for themselves (docs/cpus.md); or none',
  cpuManagerPolicyOptions:
    'full-pcpus-only=true: whole cores; distribute-cpus-across-numa=true: the same from each NUMA node',
  topologyManagerPolicy: `which NUMA nodes exclusive CPUs, guaranteed memory and devices are to be on: ${TOPOLOGY_POLICIES.join(', ')}`,
  topologyManagerPolicyOptions:
    'prefer-closest-numa-nodes=true: of as many nodes, those that are close to each other; max-allowable-numa-nodes=10: for hosts of more than 8',
  topologyManagerScope: 'what is to be on the same NUMA nodes: each container, or each pod as a whole',
  memoryManagerPolicy:
    'Static: containers of Guaranteed pods have their memory and huge pages guaranteed on NUMA nodes (docs/cpus.md); or None',
  reservedMemory:
    'what of the reserved memory and of the eviction threshold is on which NUMA node, such as 0:memory=1Gi,1:memory=356Mi',
  evictionHard: 'thresholds below which the node is under pressure: it admits no new pods and evicts running ones',
  failSwapOn: 'do not start on a host that has swap',
  memorySwapBehavior:
    'LimitedSwap: containers of Burstable pods may use swap in proportion to the memory that they request, on hosts with cgroup v2; or NoSwap',
  shutdownGracePeriodSeconds:
    'how long a shutdown of the host waits for its pods to be terminated; 0: it does not, and the next start finds them killed',
  shutdownGracePeriodCriticalPodsSeconds: 'how much of that is kept for critical pods, which are terminated last',
  shutdownGracePeriodByPodPriority:
    'instead of both, how long pods of each priority and above have, the lowest first, such as 0=60,1000=30,2000000000=10',
  dataDir: "directory of the agent's certificates, pods and volumes",
  kubeletDir: 'directory in which CSI drivers register and mount volumes; drivers mount it from the host by this name',
  imageDir: 'directory of image archives to import at start; next to the program when empty',
  staticPodDir: 'directory of static pod manifests, YAML or JSON',
  podLogDir: "where the containers' logs are written",
  containerLogDir: 'directory of symlinks to container logs, by container name',
  systemLogDir: 'directory served by the node API under /logs/',
  containerdSocket: 'socket of the container runtime',
  cgroupRoot: 'parent cgroup of pods; the root cgroup when empty',
  resolvConf: 'resolver configuration of pods with dnsPolicy Default, and upstream of the cluster DNS',
  clusterDns: "address of the cluster DNS, or none; the 10th of the cluster's service range when empty",
  clusterDomain: "domain of the cluster; the cluster's own when empty",
  clusterCidr: "address range of pods, or one of each IP family; the cluster's own when empty",
  serviceCidr:
    "address range of Services, or one of each IP family, in which connections to unassigned addresses are rejected, or none; the cluster's own when empty",
  cniConfDir: 'directory of CNI configuration, read by the container runtime',
  cniStateDir: 'directory in which CNI plugins record allocated addresses',
  bridgeName: 'name of the bridge that pods are attached to',
  bridgeMtu: "MTU of the pod network; the kernel's default when 0",
  hostRoutes: 'set routes to the pods of other nodes on this host',
  vxlan:
    'reach the pods of other nodes by VXLAN: auto (of nodes on other networks), always or never; the same on all nodes',
  vxlanPort: 'UDP port of VXLAN, the same on all nodes',
  serviceProxy: 'run the service proxy on this node',
  networkPolicy: 'enforce NetworkPolicies for the pods of this node',
  proxyMode: `how the service proxy programs the kernel: ${PROXY_MODES.join(', ')}; nftables when empty, or iptables where the host lacks something that it takes`,
  ipvsScheduler: `how proxy mode ipvs chooses an endpoint: ${IPVS_SCHEDULERS.join(', ')}`,
  ipvsStrictArp: 'in proxy mode ipvs, answer ARP on each link for its own addresses only, not for those of Services',
  proxyHealthPort: 'port of /healthz and /livez of the service proxy, for load balancers; 0 for none',
  proxyMetricsAddress: 'address that the metrics of the service proxy are served at',
  proxyMetricsPort: 'port of the metrics of the service proxy, without TLS; 0 for none',
  bindAddress: 'address that the node API and the health of the service proxy are served at',
  port: 'port of the node API',
  recorderSize: 'what the flight recorder (kedge replay) may take of the disk, such as 32Mi; 0 for none',
  logLevel: 'trace, debug, info, warn, error or fatal',
};

/** The name of the Node that this host is. */
export const nodeNameOf = ({ nodeName }: Pick<AgentConfig, 'nodeName'>): string => nodeName || hostname().toLowerCase();

/** It is the value of a label, too. */
const MAX_NODE_NAME = 63;

function nodeNameProblem(given: string): string | undefined {
  const name = nodeNameOf({ nodeName: given });
  if (name.length <= MAX_NODE_NAME && validateSubdomainName(name).length === 0) return undefined;
  const form = `up to ${MAX_NODE_NAME} lower-case letters, digits, "-" and ".", beginning and ending with a letter or digit`;
  return given === ''
    ? `must be set to a name of ${form}: this host's own name, ${JSON.stringify(name)}, is none`
    : `must be a name of ${form}, not ${JSON.stringify(given)}`;
}

/** The kernel's limits for the name and the MTU of a link, without what has a meaning in rules. */
const LINK_NAME = /^[^\s/:"*]{1,15}$/;
const SMALLEST_MTU = 68;
const LARGEST_MTU = 65_535;

const ANY_PREFIX = { IPv4: { shortest: 0, longest: 32 }, IPv6: { shortest: 0, longest: 128 } };

const orNone = (rule: SettingRule<string, AgentConfig>): SettingRule<string, AgentConfig> =>
  orEmpty((value, settings) => (value === NONE ? undefined : rule(value, settings)));

const agentConfigRules: SettingRules<AgentConfig> = {
  server: orEmpty(serverProblem),
  caHash: orEmpty(caHashProblem),
  nodeName: nodeNameProblem,
  nodeIp: orEmpty(hostAddresses),
  cloudProvider: orEmpty(oneOf(EXTERNAL)),
  nodeLabels: readableBy(parseLabels),
  nodeTaints: readableBy(parseTaints),
  maxPods: integerFrom(0),
  reserved: readableBy(parseReserved),
  reservedCpus: readableBy(parseReservedCpus),
  cpuManagerPolicy: oneOf(...CPU_POLICIES),
  cpuManagerPolicyOptions: readableBy(parseCpuOptions),
  topologyManagerPolicy: oneOf(...TOPOLOGY_POLICIES),
  topologyManagerPolicyOptions: readableBy(parseTopologyOptions),
  memoryManagerPolicy: oneOf(...MEMORY_POLICIES),
  reservedMemory: readableBy(parseReservedMemory),
  topologyManagerScope: oneOf(...TOPOLOGY_SCOPES),
  evictionHard: readableBy(parseThresholds),
  memorySwapBehavior: oneOf(...SWAP_BEHAVIORS),
  shutdownGracePeriodSeconds: integerFrom(0),
  shutdownGracePeriodCriticalPodsSeconds: integerFrom(0),
  shutdownGracePeriodByPodPriority: (texts, settings) => {
    const isOther = settings.shutdownGracePeriodSeconds > 0 || settings.shutdownGracePeriodCriticalPodsSeconds > 0;
    if (texts.length > 0 && isOther) return 'must be empty where a shutdown grace period is set for all pods';
    return readableBy(parsePeriods)(texts, settings);
  },
  dataDir: notEmpty,
  kubeletDir: (path) => (isAbsolute(path) ? undefined : `must be an absolute path, not ${JSON.stringify(path)}`),
  podLogDir: notEmpty,
  containerdSocket: notEmpty,
  resolvConf: notEmpty,
  clusterDns: orNone(ipAddress),
  clusterDomain: orEmpty(dnsDomain),
  clusterCidr: orEmpty(clusterRange(ANY_PREFIX)),
  serviceCidr: orNone((range, { clusterCidr }) => {
    if (overlap(range, clusterCidr)) return `must not overlap with the pods' range ${clusterCidr}, as ${range} does`;
    return clusterRange(ANY_PREFIX)(range, undefined);
  }),
  cniConfDir: notEmpty,
  cniStateDir: notEmpty,
  bridgeName: (name) => (LINK_NAME.test(name) ? undefined : `must be the name of a link, not ${JSON.stringify(name)}`),
  bridgeMtu: (mtu, settings) => (mtu === 0 ? undefined : integerFrom(SMALLEST_MTU, LARGEST_MTU)(mtu, settings)),
  vxlan: oneOf(...VXLAN_MODES),
  vxlanPort: integerFrom(1, MAX_PORT),
  proxyMode: orEmpty(oneOf(...PROXY_MODES)),
  ipvsScheduler: oneOf(...IPVS_SCHEDULERS),
  proxyHealthPort: integerFrom(0, MAX_PORT),
  proxyMetricsAddress: ipAddress,
  proxyMetricsPort: integerFrom(0, MAX_PORT),
  bindAddress: orEmpty(ipAddress),
  port: integerFrom(1, MAX_PORT),
  recorderSize: readableBy(parseRecorderSize),
  logLevel: logLevelRule,
};

export const agentSettings = { defaults: defaultAgentConfig, help: agentConfigHelp, rules: agentConfigRules };

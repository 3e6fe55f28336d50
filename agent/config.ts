/** Settings of `kedge agent`. */
import { Cidr } from '../api/machinery/address.ts';

export const defaultAgentConfig = {
  server: '',
  token: '',
  caHash: '',
  nodeName: '',
  nodeIp: '',
  nodeLabels: [] as readonly string[],
  nodeTaints: [] as readonly string[],
  maxPods: 110,
  reserved: [] as readonly string[],
  evictionHard: [
    'memory.available<100Mi',
    'nodefs.available<10%',
    'nodefs.inodesFree<5%',
    'imagefs.available<15%',
  ] as readonly string[],
  dataDir: '/var/lib/kedge/agent',
  imageDir: '',
  staticPodDir: '/etc/kedge/manifests',
  podLogDir: '/var/log/pods',
  containerLogDir: '/var/log/containers',
  systemLogDir: '/var/log',
  containerdSocket: '/run/kedge/containerd.sock',
  cgroupRoot: '',
  resolvConf: '/etc/resolv.conf',
  clusterDns: '10.43.0.10',
  clusterDomain: 'cluster.local',
  clusterCidr: '10.42.0.0/16',
  serviceCidr: '10.43.0.0/16',
  cniConfDir: '/etc/kedge/cni/net.d',
  cniStateDir: '/var/lib/cni/networks',
  bridgeName: 'cni0',
  bridgeMtu: 0,
  hostRoutes: true,
  serviceProxy: true,
  bindAddress: '0.0.0.0',
  port: 10250,
  logLevel: 'info',
};

export type AgentConfig = Readonly<typeof defaultAgentConfig>;

export const agentConfigHelp: Readonly<Record<keyof AgentConfig, string>> = {
  server: 'address of the api-server, such as https://10.0.0.1:6443',
  token: 'token to join with, ID.SECRET; not needed once the node has its certificate',
  caHash: "the hash of the CA's public key, sha256:..., by which the server is known when joining",
  nodeName: 'name of the Node; the host name in lower case when empty',
  nodeIp: 'address that other nodes reach this one at; the address of the default route when empty',
  nodeLabels: 'labels for the Node, key=value',
  nodeTaints: 'taints that the Node registers with, key=value:effect',
  maxPods: 'how many pods the node takes',
  reserved: 'what is kept from pods, such as cpu=200m,memory=256Mi,ephemeral-storage=1Gi',
  evictionHard: 'below these the node is under pressure: it takes no new pods and evicts some that it has',
  dataDir: "where the agent's certificates, pods and volumes live",
  imageDir: 'image archives that are imported at start; beside the program when empty',
  staticPodDir: 'pods in YAML or JSON files that run here without an api-server',
  podLogDir: "where the containers' logs are written",
  containerLogDir: 'where links to the logs by container name are kept',
  systemLogDir: 'what the node API shows under /logs/',
  containerdSocket: 'socket of the container runtime',
  cgroupRoot: 'cgroup below which the pods live; the root when empty',
  resolvConf: "the resolver file that pods with dnsPolicy Default get, and the cluster DNS' upstream",
  clusterDns: 'address of the cluster DNS',
  clusterDomain: 'domain of the cluster',
  clusterCidr: 'addresses of pods',
  serviceCidr: 'addresses of Services; what is sent to one that no Service has is refused, unless this is empty',
  cniConfDir: "where the pod network's CNI configuration is written; the container runtime reads it there",
  cniStateDir: 'where the CNI plugins keep which addresses are taken',
  bridgeName: 'bridge that pods are plugged into',
  bridgeMtu: "MTU of the pods' network; the kernel's default when 0",
  hostRoutes: "whether routes to other nodes' pods are set on this host",
  serviceProxy: 'whether this node makes Services reachable',
  bindAddress: 'address that the node API listens on',
  port: 'port of the node API',
  logLevel: 'trace, debug, info, warn, error or fatal',
};

/** Throws an Error for the operator. IPv6 is not routed yet. */
export function parseRange(setting: 'clusterCidr' | 'serviceCidr', text: string): Cidr {
  const range = Cidr.parse(text.trim());
  if (range?.family !== 'IPv4') throw new Error(`${setting} must be a range of IPv4, not ${JSON.stringify(text)}`);
  return range;
}

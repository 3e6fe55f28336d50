/** All measurements, with their targets and the figures of upstream's components on a machine of the same kind. */

export interface Measure {
  readonly name: string;
  readonly unit: string;
  /** Targets: minimum or maximum. */
  readonly atLeast?: number;
  readonly atMost?: number;
  /** Kubernetes v1.36.2 on a 2-core machine of the same kind. */
  readonly upstream?: number;
  readonly digits?: number;
}

/** In the order of the table. */
export const MEASURES = {
  tlsRequests: { name: 'machine: trivial TLS answers, 32 connections', unit: '/s' },
  tlsThroughput: { name: 'machine: TLS to this load generator', unit: 'MB/s' },
  aesGcm: { name: 'machine: AES-256-GCM, one core', unit: 'MB/s' },
  fdatasync: { name: 'machine: write 4 KiB and fdatasync', unit: 'ms', digits: 2 },

  createPods: { name: 'create pods, 32 connections, durable', unit: '/s', atLeast: 5_000, upstream: 1_400 },
  getPod: { name: 'get a pod, 32 connections', unit: '/s', atLeast: 20_000, upstream: 6_850 },
  list10000: { name: 'list 10,000 pods', unit: '/s', digits: 1 },
  list10000Bytes: { name: 'list 10,000 pods', unit: 'MB/s' },
  list14000: { name: 'list 14,000 pods', unit: '/s', atLeast: 15, upstream: 3.6, digits: 1 },
  list14000Bytes: { name: 'list 14,000 pods', unit: 'MB/s', upstream: 139 },
  watchEvents: { name: 'watch events to 500 watchers', unit: '/s' },
  watchEventsProtobuf: { name: 'the same in protobuf', unit: '/s' },
  patchStatus: { name: 'merge-patch status, 32 connections', unit: '/s', atLeast: 4_000, upstream: 860 },

  etcdCreate: { name: 'create pods on etcd, 32 connections', unit: '/s' },
  embeddedCreate: { name: 'the same on the embedded store beside it', unit: '/s' },
  etcdGet: { name: 'get a pod on etcd, 32 connections', unit: '/s' },
  embeddedGet: { name: 'the same on the embedded store', unit: '/s' },
  etcdList: { name: 'list 4,000 pods on etcd', unit: '/s', digits: 1 },
  embeddedList: { name: 'the same on the embedded store', unit: '/s', digits: 1 },
  etcdPatch: { name: 'merge-patch status on etcd, 32 connections', unit: '/s' },
  embeddedPatch: { name: 'the same on the embedded store', unit: '/s' },

  applyPods: { name: 'server-side applies to pods, 32 connections', unit: '/s' },
  createCustom: { name: 'create custom resources, 32 connections', unit: '/s' },
  webhookRoundTrip: { name: 'webhook round trip, added to a create', unit: 'ms', digits: 2 },

  createPodCpu: { name: "server's CPU for a created pod, watched by its roles", unit: 'µs' },
  getPodCpu: { name: "server's CPU for a get", unit: 'µs' },
  list14000Cpu: { name: "server's CPU for a list of 14,000 pods", unit: 'ms' },
  watchEventCpu: { name: "server's CPU for a watch event", unit: 'µs' },
  patchStatusCpu: { name: "server's CPU for a status patch", unit: 'µs' },

  serverIdleMemory: { name: 'control plane resident, idle', unit: 'MB', atMost: 220, upstream: 546 },
  server10000Memory: { name: 'control plane resident, 10,000 pods', unit: 'MB' },
  server14000Memory: { name: 'control plane resident, 14,000 pods', unit: 'MB', atMost: 400, upstream: 1_300 },
  server20000Memory: { name: 'control plane resident, 20,000 pods', unit: 'MB' },
  listSelected: { name: 'list 200 of 20,000 pods by a label', unit: '/s', digits: 1 },
  getBesideLists: { name: 'get of a pod while all 20,000 are listed, p99', unit: 'ms', digits: 1 },
  page10000: { name: 'pages of 500 of 10,000 objects', unit: '/s' },
  page100000: { name: 'pages of 500 of 100,000 objects', unit: '/s' },
  afterMixedMemory: { name: 'control plane resident, a minute after mixed load', unit: 'MB', atMost: 250 },
  serverPeakMemory: { name: 'control plane resident, peak', unit: 'MB' },
  serverAfterMemory: { name: 'control plane resident, a minute after all pods are gone', unit: 'MB', atMost: 250 },

  floodsCalmGet: { name: 'get of a ConfigMap, calm, p99', unit: 'ms', digits: 1 },
  floodsCalmCreate: { name: 'create of a ConfigMap, calm, p99', unit: 'ms', digits: 1 },
  floodsGet: { name: "others' get during the worst flood of connections, p99", unit: 'ms', atMost: 50, digits: 1 },
  floodsCreate: { name: "others' create, the same", unit: 'ms', atMost: 100, digits: 1 },
  floodsBodiesGet: { name: "others' get during the worst flood of bodies, p99", unit: 'ms', atMost: 500 },
  floodsBodiesCreate: { name: "others' create, the same", unit: 'ms', atMost: 1_500 },
  floodsPeakMemory: { name: 'control plane resident, peak of the worst flood', unit: 'MB', atMost: 500 },
  floodsAfterMemory: { name: 'control plane resident, a minute after the worst flood', unit: 'MB', atMost: 250 },

  rollout1: { name: 'kubectl apply -> rolled out, 1 pod', unit: 's', atMost: 0.6, upstream: 0.87, digits: 2 },
  afterApply1: { name: '- of these after kubectl apply returned', unit: 's', digits: 2 },
  rollout60: { name: 'kubectl apply -> rolled out, 60 pods', unit: 's', atMost: 6, upstream: 8.4, digits: 1 },
  afterApply60: { name: '- of these after kubectl apply returned', unit: 's', digits: 1 },
  rollout60Cpu: { name: '- CPU of server and agent', unit: 's', digits: 1 },
  agentIdleMemory: { name: 'agent resident, no pods', unit: 'MB' },
  agentMemory: { name: 'agent resident, 60 pods', unit: 'MB', atMost: 110, upstream: 164 },
  agentPolicyMemory: { name: '- and a policy that isolates them, with DNS', unit: 'MB', atMost: 125 },
  nodeMemory: { name: 'control plane and agent resident, 60 pods', unit: 'MB' },
  agentIdleCpu: { name: "agent's idle CPU, 60 pods", unit: '% of a core', atMost: 1, upstream: 2.2, digits: 2 },
  serverIdleCpu: { name: "server's idle CPU, 60 pods", unit: '% of a core', atMost: 0.5, upstream: 1.9, digits: 2 },
  service10: { name: "Service's 201 -> first connect, 10 services, nftables", unit: 'ms', atMost: 15 },
  service5000: { name: '- with 5,000 services', unit: 'ms', atMost: 20, upstream: 1_620 },
  service10Iptables: { name: "Service's 201 -> first connect, 10 services, iptables", unit: 'ms' },
  service5000Iptables: { name: '- with 5,000 services', unit: 'ms', atMost: 50, upstream: 1_620 },

  proxySync: {
    name: 'rules of 5,000 Services of 2 endpoints written, nftables',
    unit: 's',
    atMost: 1.5,
    upstream: 2.7,
    digits: 2,
  },
  proxyRestart: { name: '- found in force by an agent that starts', unit: 's', digits: 2 },
  proxyChange: { name: '- one Service added to them', unit: 'ms', digits: 1 },
  proxyChangeOf10: { name: '- one Service added to 10', unit: 'ms', digits: 1 },
  proxyMemory: { name: '- memory that they take in the agent', unit: 'MB', atMost: 30 },
  proxySyncIptables: {
    name: 'rules of 5,000 Services of 2 endpoints written, iptables',
    unit: 's',
    atMost: 3,
    upstream: 7.6,
    digits: 2,
  },
  proxyRestartIptables: { name: '- found in force by an agent that starts', unit: 's', digits: 2 },
  proxyChangeIptables: { name: '- one Service added to them', unit: 'ms', digits: 1 },
  proxyChangeOf10Iptables: { name: '- one Service added to 10', unit: 'ms', digits: 1 },
  proxyMemoryIptables: { name: '- memory that they take in the agent', unit: 'MB', atMost: 30 },

  connections10: { name: 'connections through a Service, 10 Services, nftables', unit: '/s' },
  connections10000: { name: '- with 10,000 Services', unit: '/s' },
  connections10Iptables: { name: 'connections through a Service, 10 Services, iptables', unit: '/s' },
  connections10000Iptables: { name: '- with 10,000 Services', unit: '/s' },
  rollingRequests: { name: 'requests while 200 endpoints are replaced, rolling', unit: '' },
  rollingFailed: { name: '- of these failed', unit: '', atMost: 0 },
  trace10: { name: 'kedge trace, 10 services, nftables', unit: 's', digits: 2 },
  trace5000: { name: '- with 5,000 services', unit: 's', atMost: 2, digits: 2 },
  trace10Iptables: { name: 'kedge trace, 10 services, iptables', unit: 's', digits: 2 },
  trace5000Iptables: { name: '- with 5,000 services', unit: 's', digits: 2 },

  ingressRate10: { name: 'ingress: requests by HTTP, 32 connections, 10 Ingresses', unit: '/s' },
  nginxRate10: { name: 'ingress: the same through plain nginx', unit: '/s' },
  ingressP99Of10: { name: 'ingress: p99 of these, 10 Ingresses', unit: 'ms', digits: 1 },
  nginxP99Of10: { name: 'ingress: the same through plain nginx', unit: 'ms', digits: 1 },
  ingressMemory10: { name: 'ingress: HAProxy resident, 10 Ingresses', unit: 'MB' },
  nginxMemory10: { name: 'ingress: plain nginx resident', unit: 'MB' },
  ingressFirst10: { name: 'ingress: a new Ingress to its first answer, 10 Ingresses', unit: 'ms', atMost: 300 },
  nginxFirst10: { name: 'ingress: the same with plain nginx, reloaded', unit: 'ms' },
  ingressRate1000: { name: 'ingress: requests by HTTP, 32 connections, 1,000 Ingresses', unit: '/s' },
  nginxRate1000: { name: 'ingress: the same through plain nginx', unit: '/s' },
  ingressP99Of1000: { name: 'ingress: p99 of these, 1,000 Ingresses', unit: 'ms', digits: 1 },
  nginxP99Of1000: { name: 'ingress: the same through plain nginx', unit: 'ms', digits: 1 },
  ingressMemory1000: { name: 'ingress: HAProxy resident, 1,000 Ingresses', unit: 'MB' },
  nginxMemory1000: { name: 'ingress: plain nginx resident', unit: 'MB' },
  ingressFirst1000: { name: 'ingress: a new Ingress to its first answer, 1,000 Ingresses', unit: 'ms', atMost: 300 },
  nginxFirst1000: { name: 'ingress: the same with plain nginx, reloaded', unit: 'ms' },

  dnsRate: { name: 'DNS answers, 5,000 Services, 128 queries at a time', unit: '/s', atLeast: 20_000 },
  dnsLatency: { name: 'DNS answer, p99 with 4 queries at a time', unit: 'ms', atMost: 2, digits: 2 },
  dnsCpu: { name: "DNS thread's CPU for an answer", unit: 'µs', digits: 1 },

  policies100: { name: '100 NetworkPolicies compiled anew, 100 pods', unit: 'ms', digits: 1 },
  policies1000: { name: 'the same, 1,000 pods', unit: 'ms', atMost: 100, digits: 1 },
  policies10000: { name: 'the same, 10,000 pods', unit: 'ms', digits: 1 },

  consoleOpen: { name: 'web console opened on a list of 5,000 pods -> first rows', unit: 'ms', atMost: 1_000 },
  consoleList: { name: '- all rows', unit: 'ms' },
  consoleFilter: { name: '- filtered to one', unit: 'ms' },

  schedule100: { name: 'pods scheduled, 100 nodes', unit: '/s' },
  schedule1000: { name: 'pods scheduled, 1,000 nodes', unit: '/s', atLeast: 2_000, upstream: 556 },
  schedule5000: { name: 'pods scheduled, 5,000 nodes', unit: '/s', atLeast: 1_200, upstream: 322 },
  scheduleSpread: { name: 'the same, spread over zones and apart', unit: '/s', atLeast: 300 },
  schedulerMemory: { name: 'scheduler resident, 5,000 nodes', unit: 'MB', atMost: 150, upstream: 235 },
  hollowRollout: { name: 'Deployment of 1,000 rolled out, hollow nodes', unit: 's', digits: 1 },
  hollowRollover: { name: '- and rolled over to another image', unit: 's', digits: 1 },
  hollowDeployments: { name: '200 Deployments of 5 changed at once', unit: 's', digits: 1 },
  hollowJobs: { name: '1,000 Jobs of one pod, created -> completed', unit: 's', digits: 1 },
  hollowNamespace: { name: 'namespace of 5,000 objects deleted', unit: 's', digits: 1 },
  hollowLost: { name: 'node of 100 pods lost -> its pods run elsewhere', unit: 's', digits: 1 },
  hollowMemory: { name: 'control plane resident, 5,000 running pods', unit: 'MB' },
  hollowIdleCpu: { name: "server's idle CPU, 5,000 pods on 50 nodes", unit: '% of a core', digits: 2 },
} as const satisfies Readonly<Record<string, Measure>>;

export type MeasureId = keyof typeof MEASURES;

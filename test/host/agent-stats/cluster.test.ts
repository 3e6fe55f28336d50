/** What monitoring reads from a node through the api-server, of pods that really run. */
import t from 'tap';
import { HELLO_IMAGE } from '../../../agent/images/bundled.ts';
import { DASHBOARDS, missingOf, repeatedIn, UPSTREAM_NAMES } from './dashboards.ts';
import { findPrometheus, Prometheus, promtoolProblems, ScrapingAccount } from './prometheus.ts';
import { Cluster } from '../../support/cluster.ts';
import { eventually } from '../../support/wait.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

t.setTimeout(6 * 60_000);
const cluster = await Cluster.start({
  name: 'agent-stats',
  server: { 'scheduler-port': '10259', 'controllers-port': '10257', 'roles-address': '' },
  agent: { 'proxy-metrics-address': '0.0.0.0' },
});
cluster.endWith(t);

const MIB = 2 ** 20;
const read = async (path: string): Promise<string> =>
  (await cluster.kubectl('get', '--raw', `/api/v1/nodes/${cluster.host.name}/proxy/${path}`)).stdout;

interface Cpu {
  readonly usageNanoCores?: number;
  readonly usageCoreNanoSeconds: number;
}
interface Memory {
  readonly availableBytes?: number;
  readonly usageBytes: number;
  readonly workingSetBytes: number;
  readonly rssBytes: number;
  readonly pageFaults: number;
}
interface Disk {
  readonly availableBytes: number;
  readonly capacityBytes: number;
  readonly usedBytes: number;
  readonly inodesFree: number;
  readonly inodesUsed: number;
}
interface Network {
  readonly name: string;
  readonly rxBytes: number;
  readonly txBytes: number;
  readonly interfaces: readonly { readonly name: string }[];
}
interface Part {
  readonly name: string;
  readonly startTime: string;
  readonly cpu: Cpu;
  readonly memory: Memory;
  readonly rootfs: Disk;
  readonly logs: Disk;
}
interface PodPart {
  readonly podRef: { readonly name: string; readonly namespace: string; readonly uid: string };
  readonly containers: readonly Part[];
  readonly cpu: Cpu;
  readonly memory: Memory;
  readonly network?: Network;
  readonly volume?: readonly (Disk & { readonly name: string; readonly inodesUsed: number })[];
  readonly 'ephemeral-storage': Disk;
}
interface Summary {
  readonly node: {
    readonly nodeName: string;
    readonly systemContainers: readonly Part[];
    readonly cpu: Cpu;
    readonly memory: Memory;
    readonly network: Network;
    readonly fs: Disk;
    readonly runtime: { readonly imageFs: Disk };
    readonly rlimit: { readonly maxpid: number; readonly curproc: number };
  };
  readonly pods: readonly PodPart[];
}
const readSummary = async (): Promise<Summary> => JSON.parse(await read('stats/summary')) as Summary;
const podOf = ({ pods }: Summary, name: string): PodPart | undefined => pods.find(({ podRef }) => podRef.name === name);

/** The value of the one sample with this name and these labels, ignoring other labels. */
function sample(text: string, name: string, labels: Record<string, string> = {}): number | undefined {
  const found = text.split('\n').filter((line) => {
    if (!line.startsWith(`${name}{`) && !line.startsWith(`${name} `)) return false;
    return Object.entries(labels).every(([label, value]) => line.includes(`${label}="${value}"`));
  });
  if (found.length > 1) throw new Error(`${found.length} samples: ${found.join('\n')}`);
  return found[0] === undefined ? undefined : Number(/^[^{ ]+(?:\{.*\})? (\S+)/.exec(found[0])?.[1]);
}

let pod: Pod;
t.before(async () => {
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'busy', namespace: 'default' },
    spec: {
      containers: [
        {
          name: 'worker',
          image: HELLO_IMAGE,
          command: [
            '/bin/sh',
            '-c',
            'httpd -h /; dd if=/dev/zero of=/written bs=1M count=3; echo begun; while :; do :; done',
          ],
          resources: { limits: { cpu: '200m', memory: '64Mi' } },
          readinessProbe: { exec: { command: ['/bin/true'] }, periodSeconds: 1 },
        },
      ],
    },
  });
  await cluster.kubectl('wait', '--for=condition=Ready', '--timeout=60s', 'pod/busy');
  pod = await cluster.get<Pod>('pod', 'busy');
  await cluster.host.run('curl', ['-s', `http://${pod.status?.podIP}/`]);
});

t.test('the summary API reports usage of the node, its pods and their containers', async (t) => {
  const summary = await eventually('the rate of the CPU to be known', async () => {
    const seen = await readSummary();
    const worker = podOf(seen, 'busy')?.containers[0];
    return (worker?.cpu.usageNanoCores ?? 0) > 0 && (worker?.rootfs?.usedBytes ?? 0) > 3 * MIB ? seen : undefined;
  });
  const busy = podOf(summary, 'busy');
  const worker = busy?.containers[0];
  t.equal(busy?.podRef.uid, pod.metadata?.uid);
  t.ok((worker?.cpu.usageNanoCores ?? 0) < 0.3e9, 'the limit of a fifth of a core shows');
  t.ok((busy?.cpu.usageCoreNanoSeconds ?? 0) >= (worker?.cpu.usageCoreNanoSeconds ?? Infinity), 'the pod has the sum');
  const { usageBytes = 0, workingSetBytes = 0, availableBytes, rssBytes = 0, pageFaults = 0 } = worker?.memory ?? {};
  t.ok(rssBytes > 0 && pageFaults > 0 && workingSetBytes <= usageBytes && usageBytes < 64 * MIB);
  t.equal(availableBytes, 64 * MIB - workingSetBytes, 'the rest of the limit');
  t.equal(worker?.startTime, pod.status?.containerStatuses?.[0]?.state?.running?.startedAt);
  t.ok((worker?.logs.usedBytes ?? 0) > 0, 'its log is on disk');
  t.ok((busy?.['ephemeral-storage'].usedBytes ?? 0) >= (worker?.rootfs.usedBytes ?? Infinity));
  t.equal(busy?.network?.name, 'eth0');
  t.ok(
    (busy?.network?.rxBytes ?? 0) > 0 && (busy?.network?.txBytes ?? 0) > 0,
    'a request was received and a response sent',
  );

  const { node } = summary;
  t.equal(node.nodeName, cluster.host.name);
  t.same(
    node.systemContainers.map(({ name }) => name),
    ['kubelet', 'runtime', 'pods'],
  );
  for (const { name, cpu, memory } of node.systemContainers)
    t.ok(cpu.usageCoreNanoSeconds > 0 && memory.workingSetBytes > MIB / 10, `${name} uses something`);
  t.ok(node.memory.workingSetBytes <= node.memory.usageBytes && (node.memory.availableBytes ?? 0) > 0);
  t.ok((node.cpu.usageNanoCores ?? 0) > 0);
  t.equal(node.network.name, 'lan0', 'the interface of the default route');
  t.ok(node.network.interfaces.some(({ name }) => name === 'cni0'));
  for (const disk of [node.fs, node.runtime.imageFs])
    t.ok(disk.availableBytes > 0 && disk.usedBytes > 0 && disk.capacityBytes > disk.usedBytes && disk.inodesFree > 0);
  t.ok(node.rlimit.curproc > 0 && node.rlimit.maxpid > node.rlimit.curproc);
});

t.test('metrics-server finds the usage of containers, pods and the node', async (t) => {
  const text = await read('metrics/resource');
  const container = { container: 'worker', namespace: 'default', pod: 'busy' };
  t.ok((sample(text, 'container_cpu_usage_seconds_total', container) ?? 0) > 0);
  t.ok((sample(text, 'container_memory_working_set_bytes', container) ?? 0) > 0);
  t.match(text, /^container_memory_working_set_bytes\{.*pod="busy"\} \d+ 1\d{12}$/m, 'with the time in milliseconds');
  const startedAt = Date.parse(pod.status?.containerStatuses?.[0]?.state?.running?.startedAt ?? '') / 1000;
  t.equal(sample(text, 'container_start_time_seconds', container), startedAt);
  t.ok((sample(text, 'pod_cpu_usage_seconds_total', { namespace: 'default', pod: 'busy' }) ?? 0) > 0);
  t.ok((sample(text, 'pod_memory_working_set_bytes', { namespace: 'default', pod: 'busy' }) ?? 0) > 0);
  t.ok((sample(text, 'node_cpu_usage_seconds_total') ?? 0) > 0);
  t.ok((sample(text, 'node_memory_working_set_bytes') ?? 0) > 0);
  t.equal(sample(text, 'resource_scrape_error'), 0);
});

t.test("cAdvisor's series are served", async (t) => {
  const text = await read('metrics/cadvisor');
  const id = pod.status?.containerStatuses?.[0]?.containerID?.replace('containerd://', '') ?? '';
  const labels = { container: 'worker', namespace: 'default', pod: 'busy', image: HELLO_IMAGE, name: id };
  t.ok((sample(text, 'container_cpu_usage_seconds_total', { ...labels, cpu: 'total' }) ?? 0) > 0);
  t.ok((sample(text, 'container_cpu_user_seconds_total', labels) ?? 0) > 0);
  t.ok((sample(text, 'container_cpu_cfs_throttled_periods_total', labels) ?? 0) > 0, 'it is throttled by its limit');
  t.ok((sample(text, 'container_memory_working_set_bytes', labels) ?? 0) > 0);
  t.ok((sample(text, 'container_memory_cache', labels) ?? 0) > 0, 'what it wrote is cached');
  t.equal(sample(text, 'container_spec_memory_limit_bytes', labels), 64 * MIB);
  t.equal(sample(text, 'container_spec_cpu_quota', labels), 20_000);
  const network = { container: '', namespace: 'default', pod: 'busy', interface: 'eth0' };
  t.ok((sample(text, 'container_network_receive_bytes_total', network) ?? 0) > 0);
  t.ok((sample(text, 'container_network_transmit_packets_total', network) ?? 0) > 0);
  t.ok((sample(text, 'container_memory_usage_bytes', { id: '/' }) ?? 0) > 0, 'the whole host');
  t.ok((sample(text, 'machine_cpu_cores') ?? 0) > 0);
});

t.test("the agent's metrics have the names of the kubelet and of kube-proxy", async (t) => {
  const text = await read('metrics');
  t.equal(sample(text, 'kubelet_node_name', { node: cluster.host.name }), 1);
  t.equal(sample(text, 'kubelet_running_pods'), 1);
  t.equal(sample(text, 'kubelet_running_containers', { container_state: 'running' }), 1);
  t.equal(sample(text, 'kubelet_pod_start_duration_seconds_count'), 1);
  t.ok((sample(text, 'kubelet_pod_worker_duration_seconds_count', { operation_type: 'create' }) ?? 0) > 0);
  t.equal(sample(text, 'kubelet_runtime_operations_total', { operation_type: 'run_podsandbox' }), 1);
  t.equal(sample(text, 'kubelet_runtime_operations_duration_seconds_count', { operation_type: 'create_container' }), 1);
  t.ok((sample(text, 'kubelet_certificate_manager_client_ttl_seconds') ?? 0) > 3600);
  t.ok((sample(text, 'kubelet_certificate_manager_server_ttl_seconds') ?? 0) > 3600);
  t.ok((sample(text, 'kubeproxy_sync_proxy_rules_duration_seconds_count', { ip_family: 'IPv4' }) ?? 0) > 0);
  const written = sample(text, 'kubeproxy_sync_proxy_rules_last_timestamp_seconds', { ip_family: 'IPv4' }) ?? 0;
  t.ok(written > Date.now() / 1000 - 600);
  t.ok((sample(text, 'process_resident_memory_bytes') ?? 0) > 10 * MIB);
  t.ok((sample(text, 'process_start_time_seconds') ?? 0) > Date.now() / 1000 - 600);
});

t.test('the ports of kube-proxy are served on the host', async (t) => {
  const onHost = async (url: string): Promise<string> =>
    (await cluster.host.run('curl', ['--silent', '--show-error', '--write-out', ' %{http_code}', url])).stdout;
  t.match(await onHost('http://127.0.0.1:10256/healthz'), /"healthy":true.*"nodeEligible":true\} 200$/);
  t.match(await onHost('http://127.0.0.1:10256/livez'), / 200$/);
  const text = await onHost('http://127.0.0.1:10249/metrics');
  t.equal(sample(text, 'kubeproxy_proxy_healthz_total', { code: '200' }), 1);
  t.ok((sample(text, 'process_resident_memory_bytes') ?? 0) > 10 * MIB);
  t.match(await onHost('http://127.0.0.1:10249/proxyMode'), /^(nftables|iptables) 200$/);
});

t.test('the metrics of stock dashboards and alerts are there, for an account that may read metrics', async (t) => {
  const account = await ScrapingAccount.create(cluster);
  // A request that writes.
  await cluster.kubectl('create', 'configmap', 'written');
  const endpoints: Readonly<Record<keyof typeof DASHBOARDS, string>> = {
    apiserver: 'https://10.77.0.1:6443/metrics',
    kubelet: 'https://10.77.0.1:10250/metrics',
    cadvisor: 'https://10.77.0.1:10250/metrics/cadvisor',
    resource: 'https://10.77.0.1:10250/metrics/resource',
    scheduler: 'https://10.77.0.1:10259/metrics',
    controllers: 'https://10.77.0.1:10257/metrics',
    proxy: 'http://127.0.0.1:10249/metrics',
  };
  for (const [name, url] of Object.entries(endpoints) as [keyof typeof DASHBOARDS, string][]) {
    const text = await account.read(url);
    t.same(missingOf(text, DASHBOARDS[name]), [], name);
    t.same(repeatedIn(text), [], `${name} has each series once`);
  }
  for (const port of [6443, 10250, 10257, 10259])
    t.match(await account.read(`https://10.77.0.1:${port}/metrics/slis`), /^kubernetes_healthcheck\{.*\} 1$/m);
});

const stock = await findPrometheus();

t.test("Debian's Prometheus scrapes all of it", { skip: stock.missing }, async (t) => {
  const { folder } = stock;
  const account = await ScrapingAccount.create(cluster);
  const prometheus = await Prometheus.start(cluster, folder, account);
  t.teardown(() => prometheus.end());
  const pools = [
    ...['apiserver', 'kubelet', 'kubelet/metrics/cadvisor', 'kubelet/metrics/resource', 'kubelet/metrics/probes'],
    ...['kubelet/metrics/slis', 'kube-proxy', 'kube-scheduler', 'kube-controller-manager'],
    'kube-controller-manager/metrics/slis',
  ];
  const targets = await eventually(
    'all targets to be up',
    async () => {
      const all = await prometheus.targets();
      const up = new Set(all.filter(({ health }) => health === 'up').map(({ scrapePool }) => scrapePool));
      if (pools.every((pool) => up.has(pool)) && all.every(({ health }) => health === 'up')) return all;
      throw new Error(JSON.stringify(all.filter(({ health }) => health !== 'up')));
    },
    90,
  );
  t.equal(targets.length, pools.length, 'one of each');
  // Two scrapes: what has the same series twice, or goes back in time, is told in the log.
  await eventually('a rate', () => prometheus.count('rate(apiserver_request_sli_duration_seconds_count[1m])'), 60);
  // As dashboards ask.
  for (const query of [
    'sum by (namespace, pod) (rate(container_cpu_usage_seconds_total{job="kubelet", metrics_path="/metrics/cadvisor", image!=""}[1m]))',
    'container_memory_working_set_bytes{job="kubelet", metrics_path="/metrics/cadvisor", container!="", image!=""}',
    'sum by (namespace) (rate(container_network_receive_bytes_total{job="kubelet", metrics_path="/metrics/cadvisor", namespace!=""}[1m]))',
    'histogram_quantile(0.99, sum by (le, verb) (rate(apiserver_request_sli_duration_seconds_bucket{job="apiserver", verb=~"LIST|GET|POST|PUT|PATCH|DELETE", subresource!~"proxy|attach|log|exec|portforward"}[1m])))',
    'kubelet_running_pods{job="kubelet", metrics_path="/metrics"} * on (instance) group_left (node) kubelet_node_name{job="kubelet", metrics_path="/metrics"}',
    'up{job="kube-scheduler"} == 1',
  ])
    await eventually(query, () => prometheus.count(query), 60);
  t.same(await prometheus.warnings(), []);
  const problems: string[] = [];
  for (const url of new Set(targets.map(({ scrapeUrl }) => scrapeUrl)))
    problems.push(...(await promtoolProblems(folder, await account.read(url))));
  const ours = [...new Set(problems)].filter((line) => !UPSTREAM_NAMES.has(line.split(' ')[0] ?? ''));
  t.same(ours, [], 'promtool finds no fault with names that are not of upstream');
});

t.test('probe results are counted until their pod is deleted', async (t) => {
  const labels = { probe_type: 'Readiness', result: 'successful', container: 'worker', pod: 'busy' };
  const count = async (): Promise<number> => sample(await read('metrics/probes'), 'prober_probe_total', labels) ?? 0;
  await eventually('two probes', async () => (await count()) >= 2);
  await cluster.kubectl('delete', 'pod', 'busy', '--grace-period=1', '--wait=true');
  await eventually('the count to be forgotten', async () => (await count()) === 0);
  const summary = await readSummary();
  t.notOk(podOf(summary, 'busy'), 'the summary has forgotten it too');
});

t.test('a healthy node returns ok', async (t) => {
  t.equal(await read('healthz'), 'ok');
});

t.test('volumes of pods are measured', async (t) => {
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'kept', namespace: 'default' },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '16Mi' } } },
  });
  const mounts = [
    { name: 'scratch', mountPath: '/scratch' },
    { name: 'kept', mountPath: '/kept' },
  ];
  const fill = 'for d in scratch kept; do dd if=/dev/zero of=/$d/f bs=1M count=2; done; touch /tmp/done; sleep 100000';
  const readinessProbe = { exec: { command: ['cat', '/tmp/done'] }, periodSeconds: 1 };
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'storing', namespace: 'default' },
    spec: {
      terminationGracePeriodSeconds: 1,
      containers: [
        { name: 'c', image: HELLO_IMAGE, command: ['sh', '-c', fill], volumeMounts: mounts, readinessProbe },
      ],
      volumes: [
        { name: 'scratch', emptyDir: {} },
        { name: 'kept', persistentVolumeClaim: { claimName: 'kept' } },
      ],
    },
  });
  await cluster.kubectl('wait', '--for=condition=Ready', '--timeout=90s', 'pod/storing');
  const volumes = podOf(await readSummary(), 'storing')?.volume ?? [];
  t.match(volumes, [{ name: 'scratch' }, { name: 'kept', pvcRef: { name: 'kept', namespace: 'default' } }]);
  for (const { name, usedBytes, capacityBytes, availableBytes, inodesUsed } of volumes) {
    t.ok(usedBytes >= 2 * MIB && usedBytes < 4 * MIB, `${name} holds ${usedBytes} bytes`);
    t.ok(capacityBytes > availableBytes && availableBytes > 0 && inodesUsed > 0);
  }
  const labels = { namespace: 'default', persistentvolumeclaim: 'kept' };
  const metrics = await read('metrics');
  t.ok((sample(metrics, 'kubelet_volume_stats_used_bytes', labels) ?? 0) >= 2 * MIB);
  t.ok((sample(metrics, 'kubelet_volume_stats_available_bytes', labels) ?? 0) > 0);
  await cluster.kubectl('delete', 'pod/storing', 'persistentvolumeclaim/kept');
});

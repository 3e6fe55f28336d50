/** Measures a node: rollouts, Services, and the memory and CPU of its daemons with 60 pods on a real containerd. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Cluster } from '../test/support/cluster.ts';
import { eventually } from '../test/support/wait.ts';
import type { RolloutTimes, ServiceLatency } from './in-cluster.ts';
import { cpuSecondsOf, settledMemory, printMemory } from './process-usage.ts';
import type { Report } from './report.ts';

const TOKEN = 'bench';
const API_PORT = 6443;
const ROLLOUTS_1 = 5;
const ROLLOUTS_60 = 3;
const LATENCIES = 7;
const IDLE_SECONDS = 30;
/** After a rollout: until the last status and the last Event are written. */
const CALM_SECONDS = 10;
const FEW_SERVICES = 10;
const MANY_SERVICES = 5_000;
const TRACES = 3;
type ServiceLatencyId = 'service10' | 'service5000' | 'service10Iptables' | 'service5000Iptables';
type TraceId = 'trace10' | 'trace5000' | 'trace10Iptables' | 'trace5000Iptables';
/** The Deployment behind the Services. */
const WEB = 'web';

export async function measureCluster(report: Report, running: AsyncDisposableStack): Promise<void> {
  const wantsMany = report.wants(
    'rollout60',
    'rollout60Cpu',
    'agentMemory',
    'agentPolicyMemory',
    'nodeMemory',
    'agentIdleCpu',
    'serverIdleCpu',
  );
  const wantsServices = report.wants('service10', 'service5000', 'trace10', 'trace5000');
  if (!wantsMany && !wantsServices && !report.wants('rollout1', 'agentIdleMemory')) return;

  const cluster = await startCluster('bench', {}, running);
  const bench = new ClusterBench(report, cluster);

  if (report.wants('agentIdleMemory')) await bench.memory('agentIdleMemory', 'agent, no pods', cluster.host.agent.pid);
  if (report.wants('rollout1')) await bench.rollouts('rollout1', 'afterApply1', 1, ROLLOUTS_1);
  if (wantsServices) {
    await bench.rollout(WEB, 1);
    await bench.services(FEW_SERVICES);
    await bench.latencies('service10');
    await bench.traces('trace10');
  }
  if (wantsMany) {
    await bench.rollouts('rollout60', 'afterApply60', 60, ROLLOUTS_60 - 1);
    await bench.rolloutOnce('rollout60', 'afterApply60', 60);
    await bench.idle();
    await bench.policyMemory();
  }
  if (report.wants('service5000', 'trace5000')) {
    await bench.services(MANY_SERVICES);
    await bench.latencies('service5000');
    await bench.traces('trace5000');
  }
}

/** The Services of a node in the proxy mode that is not the default. */
export async function measureServices(report: Report, running: AsyncDisposableStack): Promise<void> {
  if (!report.wants('service10Iptables', 'service5000Iptables', 'trace10Iptables', 'trace5000Iptables')) return;
  const bench = new ClusterBench(report, await startCluster('bench-ipt', { 'proxy-mode': 'iptables' }, running));
  await bench.rollout(WEB, 1);
  await bench.services(FEW_SERVICES);
  await bench.latencies('service10Iptables');
  await bench.traces('trace10Iptables');
  if (!report.wants('service5000Iptables', 'trace5000Iptables')) return;
  await bench.services(MANY_SERVICES);
  await bench.latencies('service5000Iptables');
  await bench.traces('trace5000Iptables');
}

async function startCluster(
  name: string,
  agent: Readonly<Record<string, string>>,
  running: AsyncDisposableStack,
): Promise<Cluster> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'kedge-bench-'));
  running.defer(() => rm(directory, { recursive: true }));
  const tokens = path.join(directory, 'tokens.csv');
  await writeFile(tokens, `${TOKEN},bench,bench,"system:masters"\n`, { mode: 0o600 });
  return running.use(await Cluster.start({ name, server: { 'token-auth-file': tokens }, agent }));
}

class ClusterBench {
  readonly #report: Report;
  readonly #cluster: Cluster;
  #names = 0;
  #services = 0;

  constructor(report: Report, cluster: Cluster) {
    this.#report = report;
    this.#cluster = cluster;
  }

  /** Runs a command of in-cluster.ts on the node. */
  async #inCluster<T>(...args: readonly string[]): Promise<T> {
    const script = path.join(import.meta.dirname, 'in-cluster.ts');
    const { stdout } = await this.#cluster.host.run(process.execPath, [script, ...args], { timeoutMs: 240_000 });
    return JSON.parse(stdout) as T;
  }

  rollout(name: string, replicas: number): Promise<RolloutTimes> {
    return this.#inCluster('rollout', this.#cluster.kubeconfig, name, String(replicas));
  }

  /** Repeats a rollout; waits until its pods are gone before the next one. */
  async rollouts(
    whole: 'rollout1' | 'rollout60',
    after: 'afterApply1' | 'afterApply60',
    replicas: number,
    times: number,
  ): Promise<void> {
    for (let time = 0; time < times; time++) {
      const name = await this.rolloutOnce(whole, after, replicas);
      const start = performance.now();
      await this.#cluster.kubectl('delete', 'deployment', name, '--wait=false');
      await eventually(
        'the pods to be gone',
        async () =>
          (await this.#cluster.kubectl('get', 'pods', '-l', `app=${name}`, '-o', 'name')).stdout.trim() === '',
        120,
      );
      console.error(`${replicas} pods gone after ${((performance.now() - start) / 1000).toFixed(1)} s`);
    }
  }

  async rolloutOnce(
    whole: 'rollout1' | 'rollout60',
    after: 'afterApply1' | 'afterApply60',
    replicas: number,
  ): Promise<string> {
    const name = `rollout-${this.#names++}`;
    const { server, host } = this.#cluster;
    const used = async (): Promise<number> => (await cpuSecondsOf(server.pid)) + (await cpuSecondsOf(host.agent.pid));
    const before = await used();
    const { rolledOut, afterApply } = await this.rollout(name, replicas);
    this.#report.add(whole, rolledOut);
    this.#report.add(after, afterApply);
    if (whole === 'rollout60') this.#report.add('rollout60Cpu', (await used()) - before);
    return name;
  }

  async memory(id: 'agentIdleMemory' | 'agentMemory', when: string, pid: number): Promise<number> {
    const resident = printMemory(when, await settledMemory(pid));
    this.#report.add(id, resident);
    return resident;
  }

  /** Memory and CPU while there are only heartbeats. */
  async idle(): Promise<void> {
    const { server, host } = this.#cluster;
    await delay(CALM_SECONDS * 1000);
    const pids = [host.agent.pid, server.pid];
    const before = await Promise.all(pids.map(cpuSecondsOf));
    const start = performance.now();
    await delay(IDLE_SECONDS * 1000);
    const seconds = (performance.now() - start) / 1000;
    const after = await Promise.all(pids.map(cpuSecondsOf));
    const [agent = NaN, control = NaN] = after.map((used, index) => ((used - (before[index] ?? 0)) / seconds) * 100);
    this.#report.add('agentIdleCpu', agent);
    this.#report.add('serverIdleCpu', control);
    const agentMemory = await this.memory('agentMemory', 'agent, 60 pods', host.agent.pid);
    const serverMemory = printMemory('server, 60 pods', await settledMemory(server.pid));
    this.#report.add('nodeMemory', agentMemory + serverMemory);
  }

  /** Isolates all pods, and has the agent take the memory that this needs. */
  async policyMemory(): Promise<void> {
    if (!this.#report.wants('agentPolicyMemory')) return;
    await this.#cluster.apply({
      ...{ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name: 'isolated' } },
      spec: { podSelector: {}, policyTypes: ['Ingress', 'Egress'], ingress: [{ from: [{ podSelector: {} }] }] },
    });
    await eventually('the policy to be in force', async () =>
      (await this.#cluster.host.run('nft', ['list', 'tables'])).stdout.includes('kedge-policy'),
    );
    const { agent } = this.#cluster.host;
    this.#report.add('agentPolicyMemory', printMemory('agent, 60 pods and a policy', await settledMemory(agent.pid)));
    await this.#cluster.kubectl('delete', 'networkpolicy', 'isolated');
  }

  /** Traces connections from the node to a Service. */
  async traces(id: TraceId): Promise<void> {
    const config = path.join(this.#cluster.host.directory, 'agent.yaml');
    const name = `trace-${this.#names++}`;
    await this.#cluster.apply({
      ...{ apiVersion: 'v1', kind: 'Service', metadata: { name } },
      spec: { selector: { app: WEB }, ports: [{ port: 80, targetPort: 8080 }] },
    });
    await eventually(
      'the Service to answer',
      async () => (await this.#trace(name, config)).includes('accepted by'),
      60,
    );
    for (let time = 0; time < TRACES; time++) {
      const start = performance.now();
      await this.#trace(name, config);
      this.#report.add(id, (performance.now() - start) / 1000);
    }
    await this.#cluster.kubectl('delete', 'service', name);
  }

  async #trace(service: string, config: string): Promise<string> {
    const args = ['trace', `svc/${service}`, '--config', config];
    return (await this.#cluster.host.run(this.#cluster.kedge, args, { timeoutMs: 60_000 })).stdout;
  }

  /** Creates Services up to this number, and waits until they are in the node's rules. */
  async services(count: number): Promise<void> {
    const more = count - this.#services;
    this.#services = count;
    const prefix = `to-${count}`;
    const start = performance.now();
    await this.#inCluster('create-services', String(API_PORT), TOKEN, WEB, prefix, String(more - 1));
    console.error(`${more} services after ${((performance.now() - start) / 1000).toFixed(1)} s`);
    await delay(CALM_SECONDS * 1000);
  }

  async latencies(id: ServiceLatencyId): Promise<void> {
    for (let time = 0; time < LATENCIES; time++) {
      const name = `latency-${this.#names++}`;
      const { milliseconds } = await this.#inCluster<ServiceLatency>(
        ...['service-latency', String(API_PORT), TOKEN, name, WEB],
      );
      this.#report.add(id, milliseconds);
    }
  }
}

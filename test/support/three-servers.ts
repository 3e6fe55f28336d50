/**
 * A cluster of three servers with an etcd that Kedge runs, each in a network namespace of its own: the first with an agent beside it, the others
 * made servers by `kedge server join`. What the units run is run by the test.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { run, type RunResult } from '../../agent/host/run.ts';
import { loadKubeconfig } from '../../client/kubeconfig.ts';
import type { History } from '../faults/history-inside.ts';
import { Cluster } from './cluster.ts';
import { Daemon, WITHOUT_TAP } from './daemon.ts';
import { eventually } from './wait.ts';

/** The last numbers of the hosts' addresses. */
const NUMBERS = [1, 201, 202] as const;
export const ips = NUMBERS.map((number) => `10.77.0.${number}`);
export const urlOf = (index: number): string => `https://${ips[index]}:6443`;
/** On a machine with other work. */
const COMMAND_LIMIT_MS = 120_000;
const READY_LIMIT_SECONDS = 180;

interface Host {
  readonly netns: string;
  /** On the bridge of the first host; '' for that one itself. */
  readonly port: string;
}

export class ThreeServers implements AsyncDisposable {
  readonly cluster: Cluster;
  readonly hosts: readonly Host[];
  readonly etcds: Daemon[];
  readonly servers: Daemon[];

  private constructor(cluster: Cluster, hosts: readonly Host[], etcds: Daemon[]) {
    this.cluster = cluster;
    this.hosts = hosts;
    this.etcds = etcds;
    this.servers = [cluster.server];
  }

  /**
   * Resolves when the first server is there, and the hosts of the others.
   * @param prepareData called with each server's data directory before there is anything in it
   */
  static async start(name: string, prepareData?: (directory: string) => Promise<void>): Promise<ThreeServers> {
    const hosts: Host[] = [];
    const etcds: Daemon[] = [];
    const cluster = await Cluster.start({
      name,
      server: { etcd: 'managed' },
      prepare: async (made) => {
        hosts.push({ netns: made.host.netns, port: '' });
        for (const number of NUMBERS.slice(1)) hosts.push(await made.addOutsider(number));
        for (const index of ips.keys()) await prepareData?.(dataDirectoryOf(made, index));
        // Flags are texts; in a file, lists and truth values are what they are.
        const settings = { ...made.serverSettings, 'allow-privileged': true, disable: ['ingress'] };
        await writeFile(path.join(made.directory, 'server-0.yaml'), JSON.stringify(settings));
        etcds.push(startEtcd(made, hosts[0]?.netns ?? '', 0));
      },
    });
    return new ThreeServers(cluster, hosts, etcds);
  }

  file(name: string): string {
    return path.join(this.cluster.directory, name);
  }

  dataOf(index: number): string {
    return dataDirectoryOf(this.cluster, index);
  }

  kubeconfigOf(index: number): string {
    return index === 0 ? this.cluster.kubeconfig : this.file(`admin-${index}`);
  }

  /** Runs a program in the namespace of a host. */
  inside(index: number, program: string, args: readonly string[]): Promise<RunResult> {
    const [env, ...without] = WITHOUT_TAP;
    const enter = ['nsenter', `--net=/run/netns/${this.hosts[index]?.netns}`, program, ...args];
    return run(env, [...without, ...enter], { timeoutMs: COMMAND_LIMIT_MS });
  }

  /** A command of kedge with the settings of a host's server. */
  kedge(index: number, ...args: string[]): Promise<RunResult> {
    return this.inside(index, this.cluster.kedge, [...args, '--config', this.file(`server-${index}.yaml`)]);
  }

  /** Makes a host a server, by way of another one. Resolves when it is ready. */
  async join(index: number, by = 0): Promise<void> {
    await this.getKeys(index, by);
    this.startEtcd(index);
    this.startServer(index);
    await this.ready(index);
  }

  /** What `kedge server join` itself does. */
  async getKeys(index: number, by = 0): Promise<void> {
    const create = ['token', 'create', '--server', '--print-join-command', '--kubeconfig', this.kubeconfigOf(by)];
    const words = (await this.inside(by, this.cluster.kedge, create)).stdout.trim().split(/\s+/);
    const after = (flag: string): string => words[words.indexOf(flag) + 1] ?? '';
    await this.kedge(
      index,
      ...['server', 'join', '--server', urlOf(by), '--token', after('--token'), '--ca-hash', after('--ca-hash')],
      ...['--data-dir', this.dataOf(index), '--admin-kubeconfig', this.kubeconfigOf(index)],
      ...['--advertise-address', ips[index] ?? ''],
    );
  }

  startEtcd(index: number): void {
    this.etcds[index] = startEtcd(this.cluster, this.hosts[index]?.netns ?? '', index);
  }

  startServer(index: number): void {
    this.servers[index] = new Daemon(this.cluster.kedge, ['server', '--config', this.file(`server-${index}.yaml`)], {
      ...{ netns: this.hosts[index]?.netns ?? '', log: this.file(`server-${index}.log`) },
    });
  }

  ready(index: number): Promise<unknown> {
    return eventually(
      `server ${index} to be ready`,
      async () => {
        for (const daemon of [this.etcds[index], this.servers[index]])
          if (daemon && !daemon.alive) throw new Error(await daemon.output());
        return this.cluster.kubectl('get', '--raw', '/readyz', '--server', urlOf(index), '--request-timeout=5s');
      },
      READY_LIMIT_SECONDS,
    );
  }

  /** Of `kedge server status` on a host. */
  async status(
    index: number,
  ): Promise<readonly { readonly name: string; readonly role: string; readonly alarms: readonly string[] }[]> {
    const asked = this.kedge(index, 'server', 'status', '--output', 'json');
    // It exits with 2 when not all is well, and has printed what is not.
    const { stdout } = await asked.catch((error: unknown) => {
      if (error instanceof Error && 'stdout' in error) return error as unknown as RunResult;
      throw error;
    });
    return JSON.parse(stdout) as Awaited<ReturnType<ThreeServers['status']>>;
  }

  async setLink(index: number, state: 'up' | 'down'): Promise<void> {
    await this.inside(0, 'ip', ['link', 'set', this.hosts[index]?.port ?? '', state]);
  }

  /** Begins to write to and to watch the cluster, from the first host. */
  async writeHistory(prefix: string): Promise<RunningHistory> {
    const { ca, cert, key } = await loadKubeconfig(this.cluster.kubeconfig);
    const access = {
      servers: ips.map((_, index) => urlOf(index)),
      ca: String(ca),
      cert: String(cert),
      key: String(key),
    };
    await writeFile(this.file('access.json'), JSON.stringify({ ...access, prefix }), { mode: 0o600 });
    const program = path.join(import.meta.dirname, '../faults/history-inside.ts');
    const enter = [`--net=/run/netns/${this.hosts[0]?.netns}`, process.execPath, program, this.file('access.json')];
    return new RunningHistory(spawn('nsenter', enter, { stdio: ['pipe', 'pipe', 'inherit'] }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.servers.slice(1).map((server) => server.end()));
    await this.servers[0]?.end();
    await Promise.all(this.etcds.map((etcd) => etcd.end('SIGKILL')));
  }
}

export class RunningHistory implements Disposable {
  readonly #child: ChildProcess;
  readonly #said: Promise<string>;

  constructor(child: ChildProcess) {
    this.#child = child;
    this.#said = child.stdout ? text(child.stdout) : Promise.resolve('');
  }

  /** From now on, no request may fail that a client would not repeat by itself. */
  noFaults(): void {
    this.#child.stdin?.write('calm\n');
  }

  /** Resolves when all that was written has been seen, or 20 s later. */
  async end(): Promise<History> {
    this.#child.stdin?.write('end\n');
    if (this.#child.exitCode === null) await once(this.#child, 'exit');
    return JSON.parse(await this.#said) as History;
  }

  [Symbol.dispose](): void {
    this.#child.kill();
  }
}

/** What a history must show, as sentences about what it does not; none when all is as it must be. */
export function violations(
  { acknowledged, watched, isOrdered, staleReads, refused }: History,
  minimum: number,
): string[] {
  const found = isOrdered ? [] : ['events are not in order'];
  if (staleReads > 0) found.push(`${staleReads} reads are stale`);
  for (const reason of refused) found.push(`a request failed while nothing was wrong: ${reason}`);
  for (const [name, value] of Object.entries(acknowledged)) {
    if (value < minimum) found.push(`${name}: only ${value} acknowledged writes`);
    const seen = watched[name] ?? [];
    const odd = seen.findIndex((one, index) => one !== index);
    if (odd >= 0) found.push(`${name}: the watch has shown ${seen[odd]} where ${odd} was due`);
    // A write whose response was lost may have taken place.
    if (seen.length - 1 < value)
      found.push(`${name}: ${value} was acknowledged, the watch has shown ${seen.length - 1}`);
  }
  return found;
}

const dataDirectoryOf = (cluster: Cluster, index: number): string =>
  index === 0 ? cluster.dataDirectory : path.join(cluster.directory, `server-${index}`);

function startEtcd(cluster: Cluster, netns: string, index: number): Daemon {
  const file = (name: string): string => path.join(cluster.directory, name);
  return new Daemon(cluster.kedge, ['etcd', 'run', '--config', file(`server-${index}.yaml`)], {
    ...{ netns, log: file(`etcd-${index}.log`) },
  });
}

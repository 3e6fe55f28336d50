/**
 * A cluster of the built package, in network namespaces: the first node runs server and agent, the others are separate hosts,
 * joined by a bridge. Every node has a containerd of its own. The host's network is not touched.
 */
import { glob, mkdir, rm, rmdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Test } from 'tap';
import { run, type RunOptions, type RunResult } from '../../agent/host/run.ts';
import { Daemon, WITHOUT_TAP } from './daemon.ts';
import { makeOwnDirectory, removeTraces, unmountBelow } from './own-directory.ts';
import { eventually } from './wait.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const BUILT = path.join(ROOT, 'dist');
const NETWORK = '10.77.0';
/** The last number of the address of a host that is no node. */
const OUTSIDER = 250;
/** On a machine with much other work. */
const READY_LIMIT_SECONDS = 180;
const NETWORK_V6 = 'fd00:77::';

export interface ClusterOptions {
  /** Short and unique among concurrent tests: it names network namespaces and cgroups. */
  readonly name: string;
  readonly nodes?: number;
  /** Whether the nodes have addresses of IPv6, too. */
  readonly ipv6?: boolean;
  /** Additional settings of the server. */
  readonly server?: Readonly<Record<string, string>>;
  /** Whether nodes serve Ingresses; their image takes seconds to import. */
  readonly ingress?: boolean;
  /** Additional settings of the agents. */
  readonly agent?: Readonly<Record<string, string>>;
  /** Runs when the first node is there, before its server is started. */
  readonly prepare?: (cluster: Cluster) => Promise<void>;
}

export class Cluster implements AsyncDisposable {
  readonly name: string;
  readonly directory: string;
  readonly nodes: ClusterNode[] = [];
  /** Additional settings of every agent. */
  readonly agentSettings: Readonly<Record<string, string>>;
  readonly ipv6: boolean;
  readonly #settings: Readonly<Record<string, string>>;
  readonly #hasIngress: boolean;
  readonly #prepare: ClusterOptions['prepare'];
  readonly #outsiders: string[] = [];
  #server: Daemon | undefined;

  private constructor(
    { name, ipv6 = false, server = {}, agent = {}, ingress = false, prepare }: ClusterOptions,
    directory: string,
  ) {
    this.name = name;
    this.directory = directory;
    this.agentSettings = agent;
    this.ipv6 = ipv6;
    this.#settings = server;
    this.#prepare = prepare;
    this.#hasIngress = ingress;
  }

  /** Resolves when every node is Ready. */
  static async start(options: ClusterOptions): Promise<Cluster> {
    const cluster = new Cluster(options, await makeOwnDirectory(`kedge-${options.name}`));
    try {
      await cluster.#start(options.nodes ?? 1);
      return cluster;
    } catch (error) {
      const logs = await cluster.#logs(15);
      await cluster[Symbol.asyncDispose]();
      throw new Error(`the cluster did not start: ${(error as Error).message}\n${logs}`, { cause: error });
    }
  }

  async #start(nodes: number): Promise<void> {
    // Hard links instead of a copy: a concurrent build creates new files and leaves these unchanged.
    await run('cp', ['-al', BUILT, path.dirname(this.kedge)]);
    if (!this.#hasIngress) await rm(path.join(path.dirname(this.kedge), 'images/ingress.tar'));
    const first = await ClusterNode.create(this, 0);
    this.nodes.push(first);
    await this.#prepare?.(this);
    await this.startServer();
    for (let index = 1; index < nodes; index++) this.nodes.push(await ClusterNode.create(this, index));
    await Promise.all(this.nodes.map((node) => node.start()));
    for (const node of this.nodes) {
      await this.kubectl('wait', '--for=create', '--timeout=110s', `node/${node.name}`);
      await this.kubectl('wait', '--for=condition=Ready', '--timeout=110s', `node/${node.name}`);
    }
  }

  /** The last lines of all logs, for a failed test. */
  async #logs(lines: number): Promise<string> {
    const files = ['server.log'];
    for (const { name } of this.nodes) files.push(path.join(name, 'agent.log'), path.join(name, 'containerd.log'));
    const tails = files.map((file) =>
      said(`--- ${file}`, run('tail', ['-n', String(lines), path.join(this.directory, file)])),
    );
    return (await Promise.all(tails)).join('\n');
  }

  /** The cluster's state and logs, for a failed test. */
  async #account(): Promise<string> {
    const shown = [
      said('--- pods', this.kubectl('get', 'pods', '--all-namespaces', '-o', 'wide')),
      ...this.nodes.map((node) => said(`--- tasks of ${node.name}`, node.run('ctr', [...node.ctr, 'tasks', 'list']))),
      this.#logs(100),
    ];
    return (await Promise.all(shown)).join('\n');
  }

  /** Stops the cluster with the test. When the test has failed, saves diagnostics for `scripts/test.ts` to print. */
  endWith(test: Test): void {
    test.teardown(async () => {
      const folder = process.env['KEDGE_TEST_ACCOUNTS'];
      if (folder && !test.passing() && this.nodes.length > 0)
        await writeFile(path.join(folder, `${this.name}.txt`), await this.#account());
      await this[Symbol.asyncDispose]();
    });
  }

  /** The program under test. */
  get kedge(): string {
    return path.join(this.directory, 'dist/kedge');
  }

  get kubeconfig(): string {
    return path.join(this.directory, 'admin.kubeconfig');
  }

  get host(): ClusterNode {
    const [first] = this.nodes;
    if (!first) throw new Error('the cluster has not been started');
    return first;
  }

  get server(): Daemon {
    if (!this.#server) throw new Error('the server has not been started');
    return this.#server;
  }

  get dataDirectory(): string {
    return path.join(this.directory, 'server');
  }

  /** A network namespace on the nodes' network, which has a port on the bridge of the first node, and whose links stay the same when pods come and go: browsers take a change for an outage. */
  async addOutsider(
    number = OUTSIDER,
  ): Promise<{ readonly netns: string; readonly ip: string; readonly port: string }> {
    const [name, ip, port] = [
      `${path.basename(this.directory)}-out${number}`,
      `${NETWORK}.${number}`,
      `lan-out${number}`,
    ];
    const hub = this.host.netns;
    await run('ip', ['netns', 'add', name]);
    this.#outsiders.push(name);
    const ends = ['type', 'veth', 'peer', 'name', 'eth0', 'netns', name];
    await run('ip', ['-n', hub, 'link', 'add', port, ...ends]);
    await run('ip', ['-n', hub, 'link', 'set', port, 'master', 'lan0', 'up']);
    await run('ip', ['-n', name, 'link', 'set', 'lo', 'up']);
    await run('ip', ['-n', name, 'address', 'add', `${ip}/24`, 'dev', 'eth0']);
    await run('ip', ['-n', name, 'link', 'set', 'eth0', 'up']);
    return { netns: name, ip, port };
  }

  /** By the flags' names. */
  get serverSettings(): Readonly<Record<string, string>> {
    return {
      'data-dir': this.dataDirectory,
      'admin-kubeconfig': this.kubeconfig,
      'advertise-address': `${NETWORK}.1`,
      'allow-privileged': 'true',
      ...(!this.#hasIngress && { disable: 'ingress' }),
      ...this.#settings,
    };
  }

  /** Starts or restarts the server, with other settings if there are `more`; resolves when it is ready. */
  async startServer(more: Readonly<Record<string, string>> = {}): Promise<void> {
    const args = Object.entries({ ...this.serverSettings, ...more }).map(([key, value]) => `--${key}=${value}`);
    const log = path.join(this.directory, 'server.log');
    const server = new Daemon(this.kedge, ['server', ...args], { netns: this.host.netns, log });
    this.#server = server;
    await eventually(
      'the server to be ready',
      async () => {
        if (!server.alive) throw new Error(await server.output());
        return (await this.kubectl('get', '--raw', '/readyz')).stdout;
      },
      READY_LIMIT_SECONDS,
    );
  }

  /** Runs kubectl on the first node. Rejects with a ProgramError that has its output. */
  kubectl(...args: string[]): Promise<RunResult> {
    return this.kubectlWith({}, ...args);
  }

  kubectlWith(options: RunOptions & { readonly program?: string }, ...args: string[]): Promise<RunResult> {
    const { program = 'kubectl', ...rest } = options;
    return this.host.run(
      program,
      ['--kubeconfig', this.kubeconfig, '--cache-dir', path.join(this.directory, 'cache'), ...args],
      {
        timeoutMs: 120_000,
        ...rest,
      },
    );
  }

  /** The object of `kubectl get ... -o json`. */
  async get<T>(...args: string[]): Promise<T> {
    return JSON.parse((await this.kubectl('get', '-o', 'json', ...args)).stdout) as T;
  }

  async apply(manifest: object | string): Promise<RunResult> {
    return this.kubectlWith(
      { input: typeof manifest === 'string' ? manifest : JSON.stringify(manifest) },
      'apply',
      '-f',
      '-',
    );
  }

  /** A new token and the other join settings, from `kedge token create --print-join-command`. */
  async joinSettings(...args: string[]): Promise<{ server: string; token: string; caHash: string }> {
    const { stdout } = await this.host.run(
      this.kedge,
      ['token', 'create', '--kubeconfig', this.kubeconfig, '--print-join-command', ...args],
      { timeoutMs: 120_000 },
    );
    const words = stdout.trim().split(/\s+/);
    const after = (flag: string): string => words[words.indexOf(flag) + 1] ?? '';
    return { server: `https://${NETWORK}.1:6443`, token: after('--token'), caHash: after('--ca-hash') };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.nodes.toReversed()) await node.stopAgent();
    await this.#server?.end();
    const removals: PromiseSettledResult<void>[] = [];
    for (const name of this.#outsiders.splice(0)) await run('ip', ['netns', 'delete', name]);
    for (const node of this.nodes.splice(0).toReversed()) removals.push(...(await Promise.allSettled([node.remove()])));
    await removeTraces(this.directory);
    for (const removal of removals) if (removal.status === 'rejected') throw removal.reason;
  }
}

export class ClusterNode {
  readonly name: string;
  readonly ip: string;
  /** Where the cluster's nodes have addresses of IPv6. */
  readonly ipv6: string;
  readonly netns: string;
  readonly directory: string;
  readonly #cluster: Cluster;
  #containerd: Daemon | undefined;
  #agent: Daemon | undefined;

  private constructor(cluster: Cluster, index: number) {
    this.#cluster = cluster;
    this.name = `${cluster.name}-${index}`;
    this.ip = `${NETWORK}.${index + 1}`;
    this.ipv6 = `${NETWORK_V6}${index + 1}`;
    // A killed test of the same name may have left its own.
    this.netns = `${path.basename(cluster.directory)}-${index}`;
    this.directory = path.join(cluster.directory, this.name);
  }

  static async create(cluster: Cluster, index: number): Promise<ClusterNode> {
    const node = new ClusterNode(cluster, index);
    await mkdir(node.directory, { recursive: true });
    await run('ip', ['netns', 'add', node.netns]);
    const ip = (...args: string[]) => run('ip', ['-n', node.netns, ...args]);
    await ip('link', 'set', 'lo', 'up');
    if (index === 0) {
      await ip('link', 'add', 'lan0', 'type', 'bridge');
      await ip('addr', 'add', `${node.ip}/24`, 'dev', 'lan0');
      await ip('link', 'set', 'lan0', 'up');
      await ip('route', 'add', 'default', 'dev', 'lan0');
    } else {
      const hub = cluster.host.netns;
      await run('ip', [
        '-n',
        hub,
        'link',
        'add',
        `lan${index}`,
        'type',
        'veth',
        'peer',
        'name',
        'eth0',
        'netns',
        node.netns,
      ]);
      await run('ip', ['-n', hub, 'link', 'set', `lan${index}`, 'master', 'lan0', 'up']);
      // What the first node redirects back to where it came from leaves by the same port, as over a cable.
      await run('ip', ['-n', hub, 'link', 'set', `lan${index}`, 'type', 'bridge_slave', 'hairpin', 'on']);
      await ip('addr', 'add', `${node.ip}/24`, 'dev', 'eth0');
      await ip('link', 'set', 'eth0', 'up');
      await ip('route', 'add', 'default', 'via', `${NETWORK}.1`);
    }
    if (cluster.ipv6) {
      const link = index === 0 ? 'lan0' : 'eth0';
      await ip('-6', 'addr', 'add', `${node.ipv6}/64`, 'dev', link, 'nodad');
      const way = index === 0 ? [] : ['via', `${NETWORK_V6}1`];
      await ip('-6', 'route', 'add', 'default', ...way, 'dev', link);
    }
    return node;
  }

  get socket(): string {
    return path.join(this.directory, 'containerd.sock');
  }

  /** Where devices are described to the node's containerd: https://github.com/cncf-tags/container-device-interface */
  get cdiDirectory(): string {
    return path.join(this.directory, 'cdi');
  }

  /** Where drivers of the node register, and CSI drivers mount volumes. */
  get kubeletDirectory(): string {
    return path.join(this.directory, 'kubelet');
  }

  get agent(): Daemon {
    if (!this.#agent) throw new Error(`the agent of ${this.name} has not been started`);
    return this.#agent;
  }

  /** Arguments for `ctr` to access this node's pods. */
  get ctr(): string[] {
    return ['-a', this.socket, '-n', 'k8s.io'];
  }

  get cgroupRoot(): string {
    return `kedge-test/${this.netns}`;
  }

  /** Runs a program in the node's network namespace. */
  run(program: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    const [env, ...without] = WITHOUT_TAP;
    return run(env, [...without, 'nsenter', `--net=/run/netns/${this.netns}`, program, ...args], options);
  }

  /** The response body of a URL, requested from this node. */
  async curl(url: string): Promise<string> {
    return (await this.run('curl', ['-sS', '--max-time', '5', url])).stdout;
  }

  async start(): Promise<void> {
    await this.startContainerd();
    await this.startAgent(await this.#cluster.joinSettings());
  }

  async startContainerd(): Promise<void> {
    const config = path.join(this.directory, 'containerd.toml');
    const at = (name: string): string => path.join(this.directory, name);
    const { stdout } = await run(path.join(ROOT, 'scripts/containerd-config.sh'), [
      at('containerd'),
      at('containerd-state'),
      this.socket,
      at('cni'),
    ]);
    // Devices of tests are not described to the host's other runtimes.
    const setting = 'netns_mounts_under_state_dir = true';
    await writeFile(config, stdout.replace(setting, `${setting}\n  cdi_spec_dirs = ["${this.cdiDirectory}"]`));
    this.#containerd = new Daemon('containerd', ['--config', config], { netns: this.netns, log: at('containerd.log') });
    await eventually('containerd to answer', () => run('ctr', ['-a', this.socket, 'version']));
  }

  /** Starts the agent; `join` is needed for the first start only. */
  async startAgent(
    join?: { server: string; token: string; caHash: string },
    more: Readonly<Record<string, string>> = {},
  ): Promise<Daemon> {
    const file = path.join(this.directory, 'agent.yaml');
    if (join) {
      const settings = {
        server: join.server,
        token: join.token,
        'ca-hash': join.caHash,
        'node-name': this.name,
        'node-ip': this.#cluster.ipv6 ? `${this.ip},${this.ipv6}` : this.ip,
        'data-dir': path.join(this.directory, 'agent'),
        'kubelet-dir': this.kubeletDirectory,
        'image-dir': path.join(path.dirname(this.#cluster.kedge), 'images'),
        'static-pod-dir': path.join(this.directory, 'manifests'),
        'pod-log-dir': path.join(this.directory, 'pod-logs'),
        'container-log-dir': path.join(this.directory, 'container-logs'),
        'containerd-socket': this.socket,
        'cgroup-root': this.cgroupRoot,
        'cni-conf-dir': path.join(this.directory, 'cni'),
        'cni-state-dir': path.join(this.directory, 'cni-networks'),
        ...this.#cluster.agentSettings,
        ...more,
      };
      await writeFile(
        file,
        Object.entries(settings)
          .map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`)
          .join(''),
        { mode: 0o600 },
      );
    }
    this.#agent = new Daemon(this.#cluster.kedge, ['agent', '--config', file], {
      netns: this.netns,
      log: path.join(this.directory, 'agent.log'),
    });
    return this.#agent;
  }

  async stopAgent(signal?: NodeJS.Signals): Promise<void> {
    await this.#agent?.end(signal);
  }

  /** Containers keep running: their shims are separate processes. */
  async stopContainerd(signal?: NodeJS.Signals): Promise<void> {
    await this.#containerd?.end(signal);
  }

  /** Stops all pods and containerd, and removes everything that the node has created on this machine. */
  async remove(): Promise<void> {
    try {
      if (this.#agent) {
        const config = path.join(this.directory, 'agent.yaml');
        let log = '';
        const onStdout = (text: string): void => void (log += text);
        await this.run(this.#cluster.kedge, ['reset', '--config', config], { timeoutMs: 120_000, onStdout }).catch(
          (error: Error) => {
            throw new Error(`${error.message}\n${log}`, { cause: error });
          },
        );
      }
    } finally {
      await this.#containerd?.end();
      await unmountBelow(this.directory);
      await run('ip', ['netns', 'delete', this.netns]);
      for await (const cgroup of glob(`/sys/fs/cgroup/{,*/}${this.cgroupRoot}`)) await rmdir(cgroup);
    }
  }
}

async function said(title: string, words: Promise<RunResult>): Promise<string> {
  return `${title}\n${await words.then(
    ({ stdout }) => stdout,
    (error: Error) => error.message,
  )}`;
}

/** etcd processes of Debian's, each on free ports of the loopback with data in memory. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import type { EtcdStore } from '../../control-plane/store/etcd/etcd-store.ts';
import { openEtcdStore, type OpenEtcdOptions } from '../../control-plane/store/etcd/open-etcd-store.ts';
import { eventually } from './wait.ts';

/** A file system in memory: what is measured and tested is not the disk. */
const MEMORY = '/dev/shm';

export interface EtcdOptions {
  /** Where the data of a cluster of one member are, made when it is missing; default: a directory that is removed with it. */
  readonly directory?: string;
  /** Further arguments of etcd. */
  readonly arguments?: readonly string[];
  readonly scheme?: 'http' | 'https';
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

export class Etcd implements AsyncDisposable {
  readonly url: string;
  readonly directory: string;
  readonly #arguments: readonly string[];
  readonly #isOwn: boolean;
  readonly #health: string;
  #child: ChildProcess | undefined;

  private constructor(url: string, health: string, directory: string, isOwn: boolean, args: readonly string[]) {
    this.url = url;
    this.#health = health;
    this.directory = directory;
    this.#isOwn = isOwn;
    this.#arguments = args;
  }

  /** Starts a cluster of one member. Resolves when it has a leader. */
  static async start(options: EtcdOptions = {}): Promise<Etcd> {
    const [etcd] = await Etcd.cluster(1, options);
    if (!etcd) throw new Error('no etcd');
    return etcd;
  }

  static async cluster(
    size: number,
    { arguments: more = [], scheme = 'http', directory: given }: EtcdOptions = {},
  ): Promise<Etcd[]> {
    const names = Array.from({ length: size }, (_, index) => `m${index}`);
    // All at once, so that they differ.
    const ports = await Promise.all(Array.from({ length: 3 * size }, freePort));
    const peers = names.map((_, index) => `http://127.0.0.1:${ports[index]}`);
    const urls = names.map((_, index) => `${scheme}://127.0.0.1:${ports[size + index]}`);
    // Without encryption, whatever the clients have.
    const healths = names.map((_, index) => `http://127.0.0.1:${ports[2 * size + index]}`);
    const token = urls.join();
    const initial = names.map((name, index) => `${name}=${peers[index]}`).join(',');
    const members = await Promise.all(
      names.map(async (name, index) => {
        const directory = given ?? (await mkdtemp(path.join(MEMORY, 'kedge-etcd-')));
        const url = urls[index] ?? '';
        const peer = peers[index] ?? '';
        return new Etcd(url, healths[index] ?? '', directory, given === undefined, [
          ...['--name', name, '--data-dir', path.join(directory, 'data')],
          ...['--listen-client-urls', url, '--advertise-client-urls', url],
          ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
          ...['--initial-cluster', initial, '--initial-cluster-token', token],
          ...['--listen-metrics-urls', healths[index] ?? ''],
          ...['--heartbeat-interval', '50', '--election-timeout', '500', '--logger', 'zap', '--log-level', 'error'],
          ...more,
        ]);
      }),
    );
    await Promise.all(members.map((member) => member.run()));
    return members;
  }

  /** Starts the process, again after `kill`, with the data that there is. */
  async run(): Promise<void> {
    // It ends with this process, however that ends.
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'etcd', ...this.#arguments], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, ETCD_UNSUPPORTED_ARCH: process.arch },
    });
    this.#child = child;
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4000)));
    await once(child, 'spawn');
    await eventually(`etcd to be healthy at ${this.url}`, async () => {
      if (child.exitCode !== null) throw new Error(`etcd has exited: ${said}`);
      const { ok } = await fetch(`${this.#health}/health`, { signal: AbortSignal.timeout(5_000) });
      return ok;
    });
  }

  /** Whether the member knows of a leader. */
  async hasLeader(): Promise<boolean> {
    const metrics = await fetch(`${this.#health}/metrics`, { signal: AbortSignal.timeout(5_000) });
    return /^etcd_server_has_leader 1$/m.test(await metrics.text());
  }

  /** From when it returns, nothing is answered until `thaw`. */
  freeze(): void {
    const pid = this.#child?.pid;
    if (pid === undefined) return;
    this.#child?.kill('SIGSTOP');
    // The signal takes effect a little later, thread by thread.
    const until = performance.now() + 5_000;
    const tasks = `/proc/${pid}/task`;
    const isStopped = (task: string): boolean => / T /.test(readFileSync(`${tasks}/${task}/stat`, 'latin1'));
    while (!readdirSync(tasks).every(isStopped)) if (performance.now() > until) throw new Error('etcd does not stop');
  }

  thaw(): void {
    this.#child?.kill('SIGCONT');
  }

  /** kill -9. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    if (this.#isOwn) await rm(this.directory, { recursive: true, force: true });
  }
}

/** A store on etcd as tests want it: without compaction, and without encryption unless it is given. */
export function openTestEtcd(
  servers: readonly string[],
  options: Partial<Omit<OpenEtcdOptions, 'servers'>> = {},
): Promise<EtcdStore> {
  return openEtcdStore({
    servers,
    ...{ caFile: '', certFile: '', keyFile: '' },
    root: '/registry/',
    compactionIntervalMs: 0,
    signal: AbortSignal.timeout(30_000),
    ...options,
  });
}

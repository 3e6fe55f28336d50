/** Members of an etcd that Kedge runs (`kedge etcd run`), each on an address of the loopback and with a folder of its own, without servers. */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { run, type ProgramError, type RunResult } from '../../agent/host/run.ts';
import { defaultServerConfig, type ServerConfig } from '../../control-plane/config.ts';
import { clientUrl } from '../../control-plane/store/etcd/managed/arguments.ts';
import { managedEtcdReady } from '../../control-plane/store/etcd/managed/managed-etcd.ts';
import { writeEndpoints } from '../../control-plane/store/etcd/managed/member-record.ts';
import { Daemon, WITHOUT_TAP } from './daemon.ts';
import { Log } from './log.ts';
import { makeOwnDirectory, removeTraces } from './own-directory.ts';

const PROGRAM = path.join(import.meta.dirname, '../../cli/main.ts');
const COMMAND_LIMIT_MS = 120_000;
const READY_LIMIT_MS = 300_000;

export interface ManagedMembersOptions {
  /** Of the folder of all. */
  readonly name: string;
  /** Of one test alone: the ports are etcd's own. */
  readonly addresses: readonly string[];
  /** In addition to those that make a member. */
  readonly settings?: object;
}

/** Told apart by the index of their address. */
export class ManagedMembers implements AsyncDisposable {
  readonly addresses: readonly string[];
  readonly #folder: string;
  readonly #started = new AsyncDisposableStack();
  readonly #daemons = new Map<number, Daemon>();

  private constructor(folder: string, addresses: readonly string[]) {
    this.#folder = folder;
    this.addresses = addresses;
  }

  /** Writes their settings; none runs yet. */
  static async create({ name, addresses, settings }: ManagedMembersOptions): Promise<ManagedMembers> {
    const members = new ManagedMembers(await makeOwnDirectory(name), addresses);
    for (const [index, address] of addresses.entries()) {
      const own = { 'data-dir': members.directory(index), etcd: 'managed', 'advertise-address': address };
      await writeFile(members.#settings(index), JSON.stringify({ ...own, ...settings }));
    }
    return members;
  }

  /** A path in the folder of all. */
  at(...names: string[]): string {
    return path.join(this.#folder, ...names);
  }

  /** The data directory of a member, or a path in it. */
  directory(index: number, ...names: string[]): string {
    return this.at(String(index), ...names);
  }

  #settings(index: number): string {
    return this.at(`${index}.yaml`);
  }

  url(index: number): string {
    return clientUrl(this.addresses[index] ?? '');
  }

  configOf(index: number): ServerConfig {
    const advertiseAddress = this.addresses[index] ?? '';
    return { ...defaultServerConfig, dataDir: this.directory(index), etcd: 'managed', advertiseAddress };
  }

  start(index: number): Daemon {
    const command = [PROGRAM, 'etcd', 'run', '--config', this.#settings(index)];
    const daemon = new Daemon(process.execPath, command, { log: this.at(`${index}.log`) });
    this.#daemons.set(index, daemon);
    return this.#started.use(daemon);
  }

  async kill(index: number): Promise<void> {
    await this.#daemons.get(index)?.end('SIGKILL');
  }

  /** Resolves to the settings that its server would go on with. */
  ready(index: number): Promise<ServerConfig> {
    const signal = AbortSignal.timeout(READY_LIMIT_MS);
    return managedEtcdReady(this.configOf(index), signal, new Log(), () => undefined);
  }

  /** Gives a host what `kedge server join` by another one leaves on it. */
  async receiveKeys(index: number, by: number): Promise<void> {
    await mkdir(this.directory(index, 'pki'), { recursive: true });
    for (const name of ['etcd-ca.crt', 'etcd-ca.key'])
      await run('cp', ['-p', this.directory(by, 'pki', name), this.directory(index, 'pki', name)]);
    await writeEndpoints(this.directory(index), [this.url(by)]);
  }

  #command(index: number, args: readonly string[]): readonly [string, ...string[]] {
    return [...WITHOUT_TAP, process.execPath, PROGRAM, ...args, '--config', this.#settings(index)];
  }

  /** Runs a command of `kedge` on a member's host. */
  kedge(index: number, ...args: string[]): Promise<RunResult> {
    const [program, ...rest] = this.#command(index, args);
    return run(program, rest, { timeoutMs: COMMAND_LIMIT_MS });
  }

  /** What a command prints, whatever its exit code. */
  async saidBy(index: number, ...args: string[]): Promise<string> {
    const command = ['-c', '"$@" || :', 'sh', ...this.#command(index, args)];
    return (await run('sh', command, { timeoutMs: COMMAND_LIMIT_MS })).stdout;
  }

  /** A command that is to fail. */
  refusal(index: number, ...args: string[]): Promise<ProgramError> {
    return this.kedge(index, ...args).then(
      () => Promise.reject(new Error('it has succeeded')),
      (error: ProgramError) => error,
    );
  }

  /** Resolves to what `etcdctl` prints; with the certificate of the member's server, unless others are in the folder. */
  async etcdctl(index: number, args: readonly string[], pki = this.directory(index, 'pki')): Promise<string> {
    const file = (name: string): string => path.join(pki, name);
    const tls = ['--cacert', file('etcd-ca.crt'), '--cert', file('etcd-client.crt'), '--key', file('etcd-client.key')];
    const env = { PATH: process.env['PATH'], ETCDCTL_API: '3' };
    const where = ['--endpoints', this.url(index), '--command-timeout=5s'];
    return (await run('etcdctl', [...where, ...tls, ...args], { timeoutMs: COMMAND_LIMIT_MS, env })).stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#started.disposeAsync();
    await removeTraces(this.#folder);
  }
}

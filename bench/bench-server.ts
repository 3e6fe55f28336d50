/** The server under test. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Daemon } from '../test/support/daemon.ts';
import { eventually } from '../test/support/wait.ts';
import { ask, load, requestBytes, type Target } from './http.ts';

export interface BenchServerOptions {
  /** The `kedge` program. */
  readonly program: string;
  /** Flags for the server's Node.js, such as `--cpu-prof`. */
  readonly nodeOptions?: string;
  /** More settings of the server, by their flags' names. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** Users with RBAC roles, whose token equals their name. Limits that apply to users do not apply to administrators. */
export const ORDINARY_USERS = ['flooding', 'well-behaved'] as const;
export type OrdinaryUser = (typeof ORDINARY_USERS)[number];

/** `kedge server` with a directory and a port of its own. */
export class BenchServer implements AsyncDisposable {
  readonly target: Target;
  readonly #program: string;
  readonly #daemon: Daemon;
  readonly #directory: string;
  readonly #beside: Daemon[] = [];

  private constructor(program: string, daemon: Daemon, directory: string, target: Target) {
    this.#program = program;
    this.#daemon = daemon;
    this.#directory = directory;
    this.target = target;
  }

  static async start({ program, nodeOptions, settings: more }: BenchServerOptions): Promise<BenchServer> {
    const directory = await mkdtemp(path.join(os.tmpdir(), 'kedge-bench-'));
    const at = (name: string): string => path.join(directory, name);
    const token = 'bench';
    const users = [
      `${token},bench,bench,"system:masters"`,
      ...ORDINARY_USERS.map((name) => `${name},${name},${name},""`),
    ];
    await writeFile(at('tokens.csv'), users.join('\n'), { mode: 0o600 });
    const settings = {
      'data-dir': at('server'),
      'bind-address': '127.0.0.1',
      port: '0',
      'port-file': at('port'),
      'admin-kubeconfig': at('admin.kubeconfig'),
      'token-auth-file': at('tokens.csv'),
      disable: 'ingress',
      ...more,
    };
    const daemon = new Daemon(
      program,
      ['server', ...Object.entries(settings).map(([key, value]) => `--${key}=${value}`)],
      {
        log: at('server.log'),
        env: nodeOptions ? { NODE_OPTIONS: nodeOptions } : {},
      },
    );
    try {
      const port = await eventually('the server to listen', async () => {
        if (!daemon.alive) throw new Error(await daemon.output());
        return Number(await readFile(at('port'), 'utf8'));
      });
      const target = { host: '127.0.0.1', port, token };
      await eventually(
        'the server to be ready',
        async () => (await load(target, 1, 200, [requestBytes(target, 'GET', '/readyz')])).count,
      );
      return new BenchServer(program, daemon, directory, target);
    } catch (error) {
      await daemon.end();
      await rm(directory, { recursive: true });
      throw error;
    }
  }

  get pid(): number {
    return this.#daemon.pid;
  }

  /** Runs another `kedge` command with the administrator's kubeconfig until the server is disposed of. */
  runBeside(name: string, ...args: readonly string[]): Daemon {
    const log = path.join(this.#directory, `${name}.log`);
    const kubeconfig = path.join(this.#directory, 'admin.kubeconfig');
    const daemon = new Daemon(this.#program, [...args, `--kubeconfig=${kubeconfig}`], { log });
    this.#beside.push(daemon);
    return daemon;
  }

  /** Kills a server that may no longer react to SIGTERM. */
  kill(): Promise<void> {
    return this.#daemon.end('SIGKILL');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#beside, this.#daemon].map((daemon) => daemon.end()));
    await rm(this.#directory, { recursive: true, force: true });
  }
}

/** Also creates the default ServiceAccount, without which pods are rejected. */
export async function createNamespace(target: Target, name: string): Promise<void> {
  await ask(target, 'POST', '/api/v1/namespaces', {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name },
  });
  await eventually('the ServiceAccount', () =>
    ask<object>(target, 'GET', `/api/v1/namespaces/${name}/serviceaccounts/default`),
  );
}

/** Binds the ClusterRole `edit` to the user in the namespace. */
export async function allowOrdinary(target: Target, user: OrdinaryUser, namespace: string): Promise<Target> {
  const apiGroup = 'rbac.authorization.k8s.io';
  await ask(target, 'POST', `/apis/${apiGroup}/v1/namespaces/${namespace}/rolebindings`, {
    metadata: { name: user },
    roleRef: { apiGroup, kind: 'ClusterRole', name: 'edit' },
    subjects: [{ apiGroup, kind: 'User', name: user }],
  });
  return { ...target, token: user };
}

/** The real `kedge server`, as a process of its own, so that whatever ends it ends nothing else. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Daemon } from '../support/daemon.ts';
import { eventually } from '../support/wait.ts';
import { send, type Target } from './send.ts';
import type { HostileRequest } from './table.ts';
import { TOKEN_FILE, WORLD } from './world.ts';

const PROGRAM = path.resolve(import.meta.dirname, '../../cli/main.ts');
/** pino's level `error`. */
const ERROR_LEVEL = 50;

export interface Attacked extends AsyncDisposable {
  readonly target: Target;
  readonly alive: boolean;
  /** Whether it still answers. One that does not is ended. */
  stands(): Promise<boolean>;
  /** What the log says of failures that nobody foresaw, since the last call. */
  failures(): Promise<string[]>;
}

/** Reads a log of pino's lines from where it stopped the last time. */
export class FailureLog {
  readonly #file: string;
  #read = 0;

  constructor(file: string) {
    this.#file = file;
  }

  async next(): Promise<string[]> {
    const text = await readFile(this.#file, 'utf8');
    const fresh = text.slice(this.#read);
    this.#read = text.length;
    return fresh.split('\n').filter((line) => line !== '' && isFailure(line));
  }
}

/** What is no line of the logger is the runtime's own: a warning, or the stack of what ended the process. */
function isFailure(line: string): boolean {
  if (!line.startsWith('{')) return true;
  return (JSON.parse(line) as { level: number }).level >= ERROR_LEVEL;
}

export class AttackedServer implements Attacked {
  readonly target: Target;
  readonly #daemon: Daemon;
  readonly #directory: string;
  readonly #log: FailureLog;

  private constructor(target: Target, daemon: Daemon, directory: string) {
    this.target = target;
    this.#daemon = daemon;
    this.#directory = directory;
    this.#log = new FailureLog(daemon.log);
  }

  /** Resolves when the server is ready and the world is there. */
  static async start(): Promise<AttackedServer> {
    const directory = await mkdtemp(path.join(os.tmpdir(), 'kedge-hostile-'));
    const at = (name: string): string => path.join(directory, name);
    await writeFile(at('tokens.csv'), TOKEN_FILE, { mode: 0o600 });
    const settings = {
      roles: 'apiserver',
      'data-dir': at('server'),
      'bind-address': '127.0.0.1',
      'advertise-address': '192.0.2.1',
      port: '0',
      'port-file': at('port'),
      'admin-kubeconfig': at('admin.kubeconfig'),
      'token-auth-file': at('tokens.csv'),
    };
    const flags = Object.entries(settings).map(([key, value]) => `--${key}=${value}`);
    const daemon = new Daemon(process.execPath, [PROGRAM, 'server', ...flags], { log: at('server.log') });
    try {
      const port = await eventually('the server to listen', async () => {
        if (!daemon.alive) throw new Error(await daemon.output());
        return Number(await readFile(at('port'), 'utf8'));
      });
      const server = new AttackedServer({ port }, daemon, directory);
      await server.#createWorld();
      return server;
    } catch (error) {
      await daemon.end();
      await rm(directory, { recursive: true });
      throw error;
    }
  }

  async #createWorld(): Promise<void> {
    for (const { method = 'POST', path, body } of WORLD) {
      const request = `${method} ${path}`;
      const { code, text } = await send(this.target, { name: path, request, body, expect: { code: 201 } });
      if (code >= 300) throw new Error(`${request}: ${code}: ${text}`);
    }
  }

  get alive(): boolean {
    return this.#daemon.alive;
  }

  async stands(): Promise<boolean> {
    const row: HostileRequest = { name: 'alive', as: 'anonymous', request: 'GET /livez', expect: { code: 200 } };
    const answers = send(this.target, row).then(
      ({ code }) => code === row.expect.code,
      () => false,
    );
    if (await answers) return true;
    // One that has not died is as good as dead.
    await this.#daemon.end('SIGKILL');
    return false;
  }

  failures(): Promise<string[]> {
    return this.#log.next();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#daemon.end();
    await rm(this.#directory, { recursive: true });
  }
}

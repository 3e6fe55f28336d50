/** The server under attack in its own process, so that a crash affects nothing else. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Daemon } from '../../support/daemon.ts';
import { eventually } from '../../support/wait.ts';
import { send, type Target } from './send.ts';
import type { HostileRequest } from './table.ts';
import { TOKEN_FILE, WORLD } from './world.ts';

const SERVER = path.resolve(import.meta.dirname, '../../../cli/main.ts');
const NODE_API = path.resolve(import.meta.dirname, 'node-api-process.ts');
/** As the package's launcher starts it. */
const QUIET = '--disable-warning=ExperimentalWarning';
const FAILURES: ReadonlySet<string> = new Set(['error', 'fatal']);

export interface Attacked extends AsyncDisposable {
  readonly target: Target;
  readonly alive: boolean;
  /** Whether it still responds. One that does not is killed. */
  stands(): Promise<boolean>;
  /** Unexpected errors in the log since the last call. */
  failures(): Promise<string[]>;
}

/** Reads a log of pino's lines from where it stopped the last time. */
class FailureLog {
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

/** Lines that are not JSON come from the runtime: a warning, or the stack of a crash. */
function isFailure(line: string): boolean {
  if (!line.startsWith('{')) return true;
  return FAILURES.has((JSON.parse(line) as { level: string }).level);
}

/** A program under attack, with a directory and a log of its own. */
export class AttackedProcess implements Attacked {
  readonly target: Target;
  readonly #daemon: Daemon;
  readonly #directory: string;
  readonly #alive: HostileRequest;
  readonly #log: FailureLog;

  private constructor(target: Target, daemon: Daemon, directory: string, alive: HostileRequest) {
    this.target = target;
    this.#daemon = daemon;
    this.#directory = directory;
    this.#alive = alive;
    this.#log = new FailureLog(daemon.log);
  }

  /** The real `kedge server`. Resolves when it is ready and the objects exist. */
  static async apiServer(): Promise<AttackedProcess> {
    const alive: HostileRequest = { name: 'alive', as: 'anonymous', request: 'GET /livez', expect: { code: 200 } };
    const server = await AttackedProcess.#start(alive, async (directory) => {
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
      return [SERVER, 'server', ...Object.entries(settings).map(([key, value]) => `--${key}=${value}`)];
    });
    for (const { method = 'POST', path, body } of WORLD) {
      const request = `${method} ${path}`;
      const { code, text } = await send(server.target, { name: path, request, body, expect: { code: 201 } });
      if (code >= 300) throw new Error(`${request}: ${code}: ${text}`);
    }
    return server;
  }

  /** A node's API, of which `node-api-process.ts` says what is behind it. */
  static nodeApi(): Promise<AttackedProcess> {
    const alive: HostileRequest = { name: 'alive', request: 'GET /healthz', expect: { code: 200 } };
    return AttackedProcess.#start(alive, async (directory) => [NODE_API, directory]);
  }

  static async #start(
    alive: HostileRequest,
    args: (directory: string) => Promise<readonly string[]>,
  ): Promise<AttackedProcess> {
    const directory = await mkdtemp(path.join(os.tmpdir(), 'kedge-hostile-'));
    const log = path.join(directory, 'log');
    const daemon = new Daemon(process.execPath, [QUIET, ...(await args(directory))], { log });
    try {
      const port = await eventually('the server to listen', async () => {
        if (!daemon.alive) throw new Error(await daemon.output());
        return Number(await readFile(path.join(directory, 'port'), 'utf8'));
      });
      return new AttackedProcess({ port }, daemon, directory, alive);
    } catch (error) {
      await daemon.end();
      await rm(directory, { recursive: true });
      throw error;
    }
  }

  get alive(): boolean {
    return this.#daemon.alive;
  }

  async stands(): Promise<boolean> {
    const answers = send(this.target, this.#alive).then(
      ({ code }) => code === this.#alive.expect.code,
      () => false,
    );
    if (await answers) return true;
    // Unresponsive counts as crashed.
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

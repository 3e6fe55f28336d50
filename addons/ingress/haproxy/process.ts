/** Runs HAProxy: a master that stays, and a worker for each configuration. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { DeadlineError, withDeadline } from '../../../client/deadline.ts';
import type { Logger } from '../../../client/logger.ts';

const CHECK_LIMIT_MS = 60_000;
/** How long requests may go on when the proxy is stopped. */
const STOP_LIMIT_MS = 10_000;
const MAX_SAID = 16_000;

export interface CheckResult {
  readonly ok: boolean;
  /** What the program says, shortened. */
  readonly said: string;
}

export class HaproxyProcess {
  readonly #program: string;
  readonly #logger: Logger;
  #child: ChildProcess | undefined;

  constructor(program: string, logger: Logger) {
    this.#program = program;
    this.#logger = logger;
  }

  get isRunning(): boolean {
    return this.#child !== undefined;
  }

  /** The master; undefined while it does not run. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Whether a configuration is valid. Rejects when the program cannot be run. */
  async check(file: string, signal: AbortSignal): Promise<CheckResult> {
    return withDeadline({ what: 'check of the configuration', limitMs: CHECK_LIMIT_MS, signal }, async (stop) => {
      const child = spawn(this.#program, ['-c', '-f', file], { stdio: ['ignore', 'ignore', 'pipe'] });
      stop.addEventListener('abort', () => child.kill('SIGKILL'), { once: true });
      let said = '';
      child.stderr.setEncoding('utf8').on('data', (chunk: string) => (said = (said + chunk).slice(0, MAX_SAID)));
      const [code] = (await once(child, 'close')) as [number | null];
      return { ok: code === 0, said };
    });
  }

  /** Starts the master; `onExit` is called when it ends without `stop`. Logs of requests go to this process's stdout. */
  start(file: string, onExit: () => void): void {
    const child = spawn(this.#program, ['-W', '-db', '-f', file], { stdio: ['ignore', 'inherit', 'pipe'] });
    this.#child = child;
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      for (const line of chunk.split('\n')) if (line !== '') this.#logger.debug({ line }, 'proxy says');
    });
    const ended = (fields: object): void => {
      if (this.#child !== child) return;
      this.#child = undefined;
      this.#logger.error(fields, 'proxy ended');
      onExit();
    };
    child.once('error', (error) => ended({ err: error }));
    child.once('exit', (code, signal) => ended({ code, signal }));
  }

  /** Has the master start a worker with the file as it is now; the one before ends when its connections have. */
  reload(): void {
    this.#child?.kill('SIGUSR2');
  }

  /** Ends it: requests may be answered, for a while. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (!child) return;
    this.#child = undefined;
    const exited = once(child, 'exit');
    child.kill('SIGUSR1');
    try {
      await withDeadline({ what: 'end of the proxy', limitMs: STOP_LIMIT_MS }, () => exited);
    } catch (error) {
      if (!(error instanceof DeadlineError)) throw error;
      // The master ends its workers with SIGTERM.
      child.kill('SIGTERM');
      await withDeadline({ what: 'end of the proxy', limitMs: STOP_LIMIT_MS }, () => exited);
    }
  }
}

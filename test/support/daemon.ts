/** A program that runs beside a test, optionally in a network namespace, with its output in a file. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';

export interface DaemonOptions {
  /** A name of `ip netns`; default: this process's namespace. */
  readonly netns?: string;
  readonly log: string;
  /** In addition to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Variables between test processes. The daemons would warn that they are not settings. */
const OF_TESTS = Object.keys(process.env).filter((name) => name.startsWith('KEDGE_TEST_'));
/**
 * Runs the program under test unmodified: tap preloads modules into every Node.js process below it, and the tests have
 * environment variables of their own.
 */
export const WITHOUT_TAP: readonly [string, ...string[]] = [
  'env',
  ...['NODE_OPTIONS', ...OF_TESTS].flatMap((name) => ['-u', name]),
];
const STOP_LIMIT_MS = 20_000;

export class Daemon implements AsyncDisposable {
  readonly log: string;
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #alive = true;

  constructor(program: string, args: readonly string[], { netns, log, env = {} }: DaemonOptions) {
    this.log = log;
    const output = openSync(log, 'a');
    // Each program replaces itself by the next, so the process id is that of the last one.
    const enter = netns ? ['nsenter', `--net=/run/netns/${netns}`] : [];
    const settings = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    this.#child = spawn(WITHOUT_TAP[0], [...WITHOUT_TAP.slice(1), ...settings, ...enter, program, ...args], {
      stdio: ['ignore', output, output],
    });
    closeSync(output);
    this.#ended = once(this.#child, 'exit').then(() => {
      this.#alive = false;
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Null while the program runs, and when a signal killed it. */
  get exitCode(): number | null {
    return this.#child.exitCode;
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** Resolves when the program has ended. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (!this.#alive) return;
    this.#child.kill(signal);
    const limit = setTimeout(() => this.#child.kill('SIGKILL'), STOP_LIMIT_MS);
    await this.#ended;
    clearTimeout(limit);
  }

  ended(): Promise<void> {
    return this.#ended;
  }

  output(): Promise<string> {
    return readFile(this.log, 'utf8');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }
}

/** A program that stays and reads commands from its stdin: for one that takes longer to start than to do what it is told. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import type { Socket } from 'node:net';
import { withDeadline } from '../../client/deadline.ts';

/** What a program writes without being asked must not fill this process. */
const MAX_UNREAD_CHARACTERS = 4 * 1024 * 1024;

export interface ResidentProgramOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** Called with what the program writes to stdout, in chunks of any size; dropped when absent. */
  readonly onStdout?: (text: string) => void;
  /** Called once, with why the program has ended. */
  readonly onEnd?: (reason: Error) => void;
}

/** Does not keep this process from ending while nobody waits for it. A program that reads its stdin ends with this process. */
export class ResidentProgram implements Disposable {
  readonly #program: string;
  readonly #child: ChildProcessWithoutNullStreams;
  #stderr = '';
  #waiting: { readonly end: string; readonly settle: PromiseWithResolvers<string> } | undefined;
  #ended: Error | undefined;
  readonly #onEnd: ResidentProgramOptions['onEnd'];

  constructor(program: string, args: readonly string[], { env, onStdout, onEnd }: ResidentProgramOptions = {}) {
    this.#program = program;
    this.#onEnd = onEnd;
    this.#child = spawn(program, args, { stdio: 'pipe', ...(env && { env }) });
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => onStdout?.(text));
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => this.#read(text));
    this.#child.on('error', (error) => this.#fail(error));
    this.#child.on('exit', (code, signal) => this.#fail(new Error(`${program} ended with ${signal ?? code}`)));
    // What becomes of the program says more.
    this.#child.stdin.on('error', () => undefined);
    this.#keepAlive(false);
  }

  get hasEnded(): boolean {
    return this.#ended !== undefined;
  }

  /**
   * Writes the text; resolves with what the program writes to stderr until `end` occurs in it. One call at a time. Rejects when the
   * program ends, and with DeadlineError; it is killed then, as nobody knows what it has done.
   */
  async exchange(text: string, end: string, limitMs: number, signal: AbortSignal): Promise<string> {
    if (this.#ended) throw this.#ended;
    const settle = Promise.withResolvers<string>();
    this.#stderr = '';
    this.#waiting = { end, settle };
    this.#keepAlive(true);
    try {
      return await withDeadline({ what: this.#program, limitMs, signal }, () => {
        this.#child.stdin.write(text);
        return settle.promise;
      });
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    } finally {
      this.#waiting = undefined;
      this.#keepAlive(false);
    }
  }

  [Symbol.dispose](): void {
    this.#end(new Error(`${this.#program} has been stopped`));
  }

  #read(text: string): void {
    this.#stderr += text;
    const { end, settle } = this.#waiting ?? {};
    if (settle && end !== undefined && this.#stderr.includes(end)) settle.resolve(this.#stderr);
    else if (this.#stderr.length > MAX_UNREAD_CHARACTERS) this.#fail(new Error(`${this.#program} writes without end`));
  }

  #fail(error: Error): void {
    this.#waiting?.settle.reject(error);
    this.#end(error);
  }

  #end(reason: Error): void {
    this.#child.kill('SIGKILL');
    if (this.#ended) return;
    this.#ended = reason;
    this.#onEnd?.(reason);
  }

  #keepAlive(isWanted: boolean): void {
    const { stdin, stdout, stderr } = this.#child;
    for (const handle of [this.#child, ...([stdin, stdout, stderr] as unknown as Socket[])])
      if (isWanted) handle.ref();
      else handle.unref();
  }
}

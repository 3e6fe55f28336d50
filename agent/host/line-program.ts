/** A program that runs beside this process for a while, and is talked to in lines. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { DeadlineError, withDeadline, type TimeLimit } from '../../client/deadline.ts';
import { ProgramError } from './run.ts';

/** A longer line is no line of a program that is meant to be read. */
const MAX_LINE_CHARACTERS = 1024 * 1024;
/** Of what it says of itself when it ends. */
const MAX_STDERR_CHARACTERS = 8 * 1024;
const NO_LINE = 'ended before it was expected to';

/** Gets SIGTERM when it is disposed of, and its stdin ends with this process: a program that heeds both is never left behind. */
export class LineProgram implements Disposable {
  readonly #program: string;
  readonly #args: readonly string[];
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #ended = Promise.withResolvers<never>();
  #stderr = '';
  #unread = '';

  /**
   * @param onLine called with each line of stdout, without its end
   * @param onStderr called with what comes from stderr, in chunks of any size
   */
  constructor(
    program: string,
    args: readonly string[],
    onLine: (line: string) => void,
    onStderr?: (text: string) => void,
  ) {
    this.#program = program;
    this.#args = args;
    // Nobody may be waiting.
    this.#ended.promise.catch(() => undefined);
    this.#child = spawn(program, args, { stdio: 'pipe' });
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => this.#read(text, onLine));
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (this.#stderr.length < MAX_STDERR_CHARACTERS) this.#stderr += text;
      onStderr?.(text);
    });
    this.#child.on('error', (error) => this.#fail(null, error.message, error));
    this.#child.on('close', (code, signal) => this.#fail(code, signal ? `killed by ${signal}` : NO_LINE));
    // What becomes of the program says more.
    this.#child.stdin.on('error', () => undefined);
  }

  write(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  /** Settles as `awaited` does; rejects with ProgramError when the program ends before, or when the limit is over. */
  async during<T>(awaited: Promise<T>, limit: TimeLimit): Promise<T> {
    try {
      return await withDeadline({ what: this.#program, ...limit }, () => Promise.race([awaited, this.#ended.promise]));
    } catch (error) {
      if (!(error instanceof DeadlineError)) throw error;
      throw new ProgramError(this.#program, this.#args, null, `said nothing for ${limit.limitMs} ms`, this.#stderr);
    }
  }

  [Symbol.dispose](): void {
    this.#child.stdin.end();
    this.#child.kill('SIGTERM');
  }

  #read(text: string, onLine: (line: string) => void): void {
    const lines = (this.#unread + text).split('\n');
    this.#unread = lines.pop() ?? '';
    for (const line of lines) onLine(line);
    if (this.#unread.length <= MAX_LINE_CHARACTERS) return;
    this.#unread = '';
    this.#fail(null, 'writes a line without end');
    this.#child.kill('SIGKILL');
  }

  #fail(code: number | null, how: string, cause?: Error): void {
    this.#ended.reject(
      new ProgramError(this.#program, this.#args, code, how, this.#stderr, cause === undefined ? undefined : { cause }),
    );
  }
}

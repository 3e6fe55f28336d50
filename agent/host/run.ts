/** Runs a program on the host: an argument list, never a shell. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { DeadlineError, withDeadline } from '../../client/deadline.ts';
import { report, since, wordsOf } from '../recorder/report.ts';
import { Excerpt, excerptOf } from './excerpt.ts';

export interface RunOptions {
  /** Written to the program's stdin. */
  readonly input?: string | Buffer;
  /** The program is killed after this many milliseconds. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly env?: NodeJS.ProcessEnv;
  /** Called with the output as it arrives, in chunks of any size; it is not collected then. */
  readonly onStdout?: (text: string) => void;
  /** The program is killed when it writes more characters than this to stdout, unless `onStdout` takes them. */
  readonly maxStdout?: number;
}

export interface RunResult {
  readonly stdout: string;
  /** Of a longer one, the beginning and the end. */
  readonly stderr: string;
}

/** The rules of tens of thousands of Services are some ten millions of characters. */
const MAX_STDOUT = 256 * 1024 * 1024;
/** Of what a program says is wrong, from its beginning and from its end: to be read by this process. */
const STDERR_PART = 16 * 1024;
/** And by people, in logs and events. */
const MESSAGE_PART = 1024;

/** A program that did not exit with 0; `cause` is why it was not started. The message includes its stderr, shortened. */
export class ProgramError extends Error {
  override readonly name = 'ProgramError';
  readonly exitCode: number | null;
  readonly stderr: string;
  /** Whether it was killed, at its time limit or by the kernel for want of memory: it may have asked too much at once. */
  readonly wasKilled: boolean;
  constructor(
    program: string,
    args: readonly string[],
    exitCode: number | null,
    how: string,
    stderr: string,
    { wasKilled = false, ...options }: ErrorOptions & { wasKilled?: boolean } = {},
  ) {
    const said = excerptOf(stderr.trim(), MESSAGE_PART);
    super(`${[program, ...args].join(' ')}: ${how}${said && `: ${said}`}`, options);
    this.exitCode = exitCode;
    this.wasKilled = wasKilled;
    this.stderr = stderr;
  }
}

/** Whether the program could not be run because the host does not have it. */
export const isProgramMissing = (error: unknown): boolean =>
  error instanceof ProgramError && (error.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';

const DEFAULT_TIMEOUT_MS = 30_000;
/** A killed program that is parked in the kernel (a hung mount) never exits; after this long it is abandoned. */
const LEFT_BEHIND_AFTER_MS = 1_000;

/**
 * Resolves when the program exits with 0; rejects with a ProgramError otherwise (also when it cannot be started), and with the
 * signal's reason. Whatever the program does, even in the kernel, the wait ends at its limit.
 */
export async function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const startedAt = performance.now();
  const told = { kind: 'program', args: [program, ...args] } as const;
  try {
    const result = await runWithin(program, args, options);
    report({ ...told, exit: 0, ms: since(startedAt) });
    return result;
  } catch (error) {
    // Its own words come after its arguments, which are told already.
    const { exitCode, stderr, message } =
      error instanceof ProgramError ? error : { exitCode: null, stderr: '', message: wordsOf(error) };
    const words = stderr.trim() || message.slice(message.indexOf(': ') + 1);
    report({ ...told, exit: exitCode, ms: since(startedAt), error: excerptOf(words, MESSAGE_PART) });
    throw error;
  }
}

async function runWithin(program: string, args: readonly string[], options: RunOptions): Promise<RunResult> {
  const { timeoutMs = DEFAULT_TIMEOUT_MS, signal, env } = options;
  let child: ChildProcessWithoutNullStreams | undefined;
  const limitMs = timeoutMs + LEFT_BEHIND_AFTER_MS;
  try {
    return await withDeadline({ what: program, limitMs, signal }, () => {
      child = spawn(program, args, { stdio: 'pipe', env, timeout: timeoutMs, killSignal: 'SIGKILL' });
      return ended(child, program, args, { ...options, timeoutMs });
    });
  } catch (error) {
    if (child && !(error instanceof ProgramError)) leaveBehind(child);
    if (!(error instanceof DeadlineError)) throw error;
    throw new ProgramError(program, args, null, `did not exit after SIGKILL (limit ${timeoutMs} ms)`, '');
  }
}

function leaveBehind(child: ChildProcessWithoutNullStreams): void {
  child.kill('SIGKILL');
  for (const stream of child.stdio) stream?.destroy();
  child.unref();
}

function ended(
  child: ChildProcessWithoutNullStreams,
  program: string,
  args: readonly string[],
  { input, timeoutMs, onStdout, maxStdout = MAX_STDOUT }: RunOptions,
): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    let stdout = '';
    const stderr = new Excerpt(STDERR_PART);
    const fail = (code: number | null, how: string, options?: ConstructorParameters<typeof ProgramError>[5]): void =>
      reject(new ProgramError(program, args, code, how, String(stderr), options));
    const collect = (text: string): void => {
      if (stdout.length + text.length <= maxStdout) stdout += text;
      else {
        fail(null, `wrote more than ${maxStdout} characters to stdout`);
        leaveBehind(child);
      }
    };
    child.stdout.setEncoding('utf8').on('data', onStdout ?? collect);
    child.stderr.setEncoding('utf8').on('data', (text: string) => stderr.add(text));
    child.on('error', (error) => fail(null, error.message, { cause: error }));
    child.on('close', (code, killedBy) => {
      if (code === 0) resolve({ stdout, stderr: String(stderr) });
      else if (killedBy) fail(code, `killed by ${killedBy} (limit ${timeoutMs} ms)`, { wasKilled: true });
      else fail(code, `exit code ${code}`);
    });
    // For a program that exits without reading its input the exit code counts, not the broken pipe.
    child.stdin.on('error', (error: NodeJS.ErrnoException) => error.code !== 'EPIPE' && reject(error));
    child.stdin.end(input);
  });
}

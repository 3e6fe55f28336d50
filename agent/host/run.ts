/** Runs a program on the host: an argument list, never a shell. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { DeadlineError, withDeadline } from '../../client/deadline.ts';

export interface RunOptions {
  /** Written to the program's stdin. */
  readonly input?: string | Buffer;
  /** The program is killed after this many milliseconds. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly env?: NodeJS.ProcessEnv;
  /** Called with the output as it arrives, in chunks of any size; it is not collected then. */
  readonly onStdout?: (text: string) => void;
}

export interface RunResult {
  readonly stdout: string;
  readonly stderr: string;
}

/** A program that did not exit with 0; `cause` is why it was not started. The message includes its stderr. */
export class ProgramError extends Error {
  override readonly name = 'ProgramError';
  readonly exitCode: number | null;
  readonly stderr: string;
  constructor(
    program: string,
    args: readonly string[],
    exitCode: number | null,
    how: string,
    stderr: string,
    options?: ErrorOptions,
  ) {
    super(`${[program, ...args].join(' ')}: ${how}${stderr.trim() && `: ${stderr.trim()}`}`, options);
    this.exitCode = exitCode;
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
  { input, timeoutMs, onStdout }: RunOptions,
): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', onStdout ?? ((text: string) => (stdout += text)));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.on('error', (error) =>
      reject(new ProgramError(program, args, null, error.message, stderr, { cause: error })),
    );
    child.on('close', (code, killedBy) => {
      if (code === 0) return resolve({ stdout, stderr });
      const how = killedBy ? `killed by ${killedBy} (limit ${timeoutMs} ms)` : `exit code ${code}`;
      reject(new ProgramError(program, args, code, how, stderr));
    });
    // For a program that exits without reading its input the exit code counts, not the broken pipe.
    child.stdin.on('error', (error: NodeJS.ErrnoException) => error.code !== 'EPIPE' && reject(error));
    child.stdin.end(input);
  });
}

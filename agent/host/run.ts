/** Runs a program on the host: an argument list, never a shell. */
import { spawn } from 'node:child_process';

export interface RunOptions {
  /** Given to the program on stdin. */
  readonly input?: string | Buffer;
  /** The program is killed after this many milliseconds. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly env?: NodeJS.ProcessEnv;
  /** Told of the output as it comes, in pieces of any size; it is not collected then. */
  readonly onStdout?: (text: string) => void;
}

export interface RunResult {
  readonly stdout: string;
  readonly stderr: string;
}

/** A program that did not end with 0. The message holds its own words. */
export class ProgramError extends Error {
  override readonly name = 'ProgramError';
  readonly exitCode: number | null;
  readonly stderr: string;
  constructor(program: string, args: readonly string[], exitCode: number | null, how: string, stderr: string) {
    super(`${[program, ...args].join(' ')}: ${how}${stderr.trim() && `: ${stderr.trim()}`}`);
    this.exitCode = exitCode;
    this.stderr = stderr;
  }
}

const DEFAULT_TIMEOUT_MS = 30_000;
/** A killed program that is parked in the kernel (a hung mount) never ends; after this long it is left behind. */
const LEFT_BEHIND_AFTER_MS = 1_000;

/** Resolves when the program ends with 0; rejects with a ProgramError otherwise (also when it cannot be started). */
export function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const { input, timeoutMs = DEFAULT_TIMEOUT_MS, signal, env, onStdout } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      signal,
      env,
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', onStdout ?? ((text: string) => (stdout += text)));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const leaveBehind = setTimeout(() => {
      for (const stream of child.stdio) stream?.destroy();
      child.unref();
      reject(new ProgramError(program, args, null, `does not end, even when killed (limit ${timeoutMs} ms)`, stderr));
    }, timeoutMs + LEFT_BEHIND_AFTER_MS);
    child.on('error', (error) => {
      clearTimeout(leaveBehind);
      reject(new ProgramError(program, args, null, error.message, stderr));
    });
    child.on('close', (code, killedBy) => {
      clearTimeout(leaveBehind);
      if (code === 0) resolve({ stdout, stderr });
      else
        reject(
          new ProgramError(
            program,
            args,
            code,
            killedBy ? `ended by ${killedBy} (limit ${timeoutMs} ms)` : `exit code ${code}`,
            stderr,
          ),
        );
    });
    // A program that ends without reading its input is judged by its exit code, not by the broken pipe.
    child.stdin.on('error', (error: NodeJS.ErrnoException) => error.code !== 'EPIPE' && reject(error));
    child.stdin.end(input);
  });
}

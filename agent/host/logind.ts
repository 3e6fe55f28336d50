/**
 * systemd-logind, by the programs of systemd: a lock that delays a shutdown, and the news of one. Node.js cannot be handed the file
 * descriptor that is the lock (docs/decisions/0031-notify-by-systemd-notify.md).
 * https://www.freedesktop.org/software/systemd/man/latest/org.freedesktop.login1.html, https://systemd.io/INHIBITOR_LOCKS/
 */
import { mkdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { writeFileAtomically } from '../../daemon/atomic-file.ts';
import { MAX_TIMER_MS } from '../../client/deadline.ts';
import { hasCode } from './files.ts';
import { LineProgram } from './line-program.ts';
import { run } from './run.ts';

/** Written as the kubelet writes its own; `kedge reset` removes it. */
export const LOGIND_SETTINGS = '/etc/systemd/logind.conf.d/99-kedge.conf';
const FILE_MODE = 0o644;
const NAME = 'org.freedesktop.login1';
const OBJECT = '/org/freedesktop/login1';
const MANAGER = 'org.freedesktop.login1.Manager';
const MATCH = `type='signal',path='${OBJECT}',interface='${MANAGER}',member='PrepareForShutdown'`;
const LIMIT_MS = 30_000;
/** The monitor is there when it says so. */
const MONITORS = 'Monitoring bus message stream.';

/** How long logind lets locks delay a shutdown, in microseconds. Throws ProgramError where there is no logind. */
async function longestDelayUs(signal: AbortSignal): Promise<number> {
  const args = ['--system', 'get-property', NAME, OBJECT, MANAGER, 'InhibitDelayMaxUSec'];
  const { stdout } = await run('busctl', args, { timeoutMs: LIMIT_MS, signal });
  return Number(/^t (\d+)\s*$/.exec(stdout)?.[1] ?? 0);
}

/** Whether a shutdown has begun. Throws ProgramError where there is no logind. */
export async function isShuttingDown(signal: AbortSignal): Promise<boolean> {
  const args = ['--system', 'get-property', NAME, OBJECT, MANAGER, 'PreparingForShutdown'];
  const { stdout } = await run('busctl', args, { timeoutMs: LIMIT_MS, signal });
  return stdout.trim() === 'b true';
}

/** Has logind wait for so long at least; resolves with how long it does, in seconds. Throws ProgramError, and errors of the file system. */
export async function allowDelay(seconds: number, signal: AbortSignal): Promise<number> {
  const wanted = `# As the settings of the agent of this host say: shutdown-grace-period-seconds.\n[Login]\nInhibitDelayMaxSec=${seconds}\n`;
  const isLongEnough = (await longestDelayUs(signal)) >= seconds * 1e6;
  const written = await readFile(LOGIND_SETTINGS, 'utf8').catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  });
  if (!isLongEnough || (written !== undefined && written !== wanted)) {
    await mkdir(path.dirname(LOGIND_SETTINGS), { recursive: true });
    await writeFileAtomically(LOGIND_SETTINGS, wanted, FILE_MODE);
    await rereadSettings(signal);
  }
  return (await longestDelayUs(signal)) / 1e6;
}

/** Takes back what `allowDelay` has written. */
export async function forgetDelay(signal: AbortSignal): Promise<void> {
  try {
    await rm(LOGIND_SETTINGS);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return;
    throw error;
  }
  await rereadSettings(signal);
}

async function rereadSettings(signal: AbortSignal): Promise<void> {
  const args = ['kill', '--kill-who=main', '--signal=HUP', 'systemd-logind.service'];
  await run('systemctl', args, { timeoutMs: LIMIT_MS, signal });
}

/** A shutdown waits until it is disposed of, or until this process ends in whatever way. */
export class ShutdownLock implements AsyncDisposable {
  readonly #program: LineProgram;

  private constructor(program: LineProgram) {
    this.#program = program;
  }

  /** Resolves when logind has given the lock. Throws ProgramError. */
  static async take(signal: AbortSignal): Promise<ShutdownLock> {
    const taken = Promise.withResolvers<void>();
    const why = 'the pods of this node are terminated';
    // It runs what follows when it has the lock: `cat` ends with its input.
    const lock = ['--what=shutdown', '--mode=delay', '--who=kedge', `--why=${why}`, 'cat'];
    const program = new LineProgram('systemd-inhibit', lock, () => taken.resolve());
    program.write('taken');
    try {
      await program.during(taken.promise, { limitMs: LIMIT_MS, signal });
    } catch (error) {
      program[Symbol.dispose]();
      throw error;
    }
    return new ShutdownLock(program);
  }

  /** Rejects when it is lost, or when the signal is aborted. */
  async held(signal: AbortSignal): Promise<never> {
    return this.#program.during(new Promise<never>(() => undefined), { limitMs: MAX_TIMER_MS, signal });
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#program[Symbol.dispose]();
    return Promise.resolve();
  }
}

/**
 * Calls back when a shutdown begins (true) or has been called off (false). Rejects with ProgramError when the bus is gone, or when the
 * signal is aborted. @param onReady called when no news can be missed any longer
 */
export async function followShutdown(
  tell: (isComing: boolean) => void,
  onReady: () => void,
  signal: AbortSignal,
): Promise<never> {
  // It would not notice that this process is gone until there is news.
  const monitor = ['--pdeathsig', 'TERM', 'busctl', '--system', '--json=short', 'monitor', '--match', MATCH];
  const onLine = (line: string): void => {
    const isComing = readSignal(line);
    if (isComing !== undefined) tell(isComing);
  };
  using program = new LineProgram('setpriv', monitor, onLine, (text) => {
    if (text.includes(MONITORS)) onReady();
  });
  return await program.during(new Promise<never>(() => undefined), { limitMs: MAX_TIMER_MS, signal });
}

/** Undefined for a message of another kind. Only logind has the name that the message is from: the bus sees to that. */
export function readSignal(line: string): boolean | undefined {
  let message: unknown;
  try {
    message = JSON.parse(line);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  const { type, member, interface: of, payload } = message as Record<string, unknown>;
  if (type !== 'signal' || member !== 'PrepareForShutdown' || of !== MANAGER) return undefined;
  const [isComing] = (payload as { readonly data?: readonly unknown[] } | undefined)?.data ?? [];
  return typeof isComing === 'boolean' ? isComing : undefined;
}

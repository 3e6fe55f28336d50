/**
 * What a directory of the node's own disk holds, by du(1). Whoever writes there may nest directories deeper than any path is long, make
 * millions of files, or remove and replace them meanwhile: du walks by open directories and follows no link.
 */
import { Semaphore } from '../../client/semaphore.ts';
import { ProgramError, run } from './run.ts';

export interface DirectoryUsage {
  /** On disk; a file with several links once. */
  readonly bytes: number;
  /** The directory's own among them. */
  readonly inodes: number;
}

/** For some ten million files: one directory must not take the place of others for longer. */
const LIMIT_MS = 20_000;
/** Programs of all callers that run at the same time, so that those of a hundred pods do not start at once. */
const AT_ONCE = 8;
/** What has gone or cannot be read while du walks is not counted; it says so, and the sum of the others. */
const INCOMPLETE = 1;

export class DirectoryMeter {
  readonly #turns = new Semaphore(AT_ONCE);

  /** Other file systems in it are not counted. Undefined when there is no such directory; throws ProgramError when it takes too long. */
  async usageOf(directory: string, signal: AbortSignal): Promise<DirectoryUsage | undefined> {
    const total = (option: string): Promise<number | undefined> =>
      this.#turns.run(signal, () => totalOf(option, directory, signal));
    const [bytes, inodes] = await Promise.all([total('--block-size=1'), total('--inodes')]);
    return bytes === undefined || inodes === undefined ? undefined : { bytes, inodes };
  }
}

async function totalOf(option: string, directory: string, signal: AbortSignal): Promise<number | undefined> {
  let said = '';
  const onStdout = (text: string): void => void (said += text);
  const args = ['--summarize', '--one-file-system', option, '--', directory];
  try {
    await run('du', args, { signal, timeoutMs: LIMIT_MS, onStdout });
  } catch (error) {
    if (!(error instanceof ProgramError) || error.exitCode !== INCOMPLETE) throw error;
  }
  const [, digits] = /^(\d+)\t/.exec(said) ?? [];
  return digits === undefined ? undefined : Number(digits);
}

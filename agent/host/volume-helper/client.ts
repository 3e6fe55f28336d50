import { run } from '../run.ts';
import type { VolumeHelper, VolumeResponse } from './requests.ts';

/** A helper that takes longer is blocked by a file system that does not respond. */
const HELPER_TIMEOUT_MS = 20_000;

/**
 * Sends requests to a helper process of their own. `command` is the program and the arguments that lead to `runVolumeHelper`.
 * Rejects with a ProgramError when the helper does not respond in time; the responses are in the order of the requests.
 */
export const volumeHelper =
  (command: readonly string[], timeoutMs = HELPER_TIMEOUT_MS): VolumeHelper =>
  async (requests, signal) => {
    if (requests.length === 0) return [];
    const [program = process.execPath, ...args] = command;
    const { stdout } = await run(program, args, { input: JSON.stringify(requests), timeoutMs, signal });
    return JSON.parse(stdout) as VolumeResponse[];
  };

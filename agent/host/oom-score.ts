/** How far processes of this host can be protected from the OOM killer. */
import { readFile, writeFile } from 'node:fs/promises';
import { hasCode } from './files.ts';

/**
 * The lowest oom_score_adj that can be given to a process here, found by trying: without CAP_SYS_RESOURCE it cannot go
 * below the current value, and the runtime would fail to start protected containers.
 */
export async function lowestOomScoreAdj(file = '/proc/self/oom_score_adj'): Promise<number> {
  const current = Number(await readFile(file, 'utf8'));
  try {
    await writeFile(file, '-1000');
    await writeFile(file, String(current));
    return -1000;
  } catch (error) {
    if (!hasCode(error, 'EACCES')) throw error;
    return current;
  }
}

/** Identifies processes by id and start time, so that a reused process id is not mistaken for the original process. */
import { readFile } from 'node:fs/promises';

/** Fields of `stat` in proc(5) are numbered from 1: the state is the third, the start time the 22nd. */
const START_TIME = 22 - 3;

const describe = async (pid: string | number): Promise<string> => {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // What comes before is the name, which may contain anything.
  return `${pid} ${stat.slice(stat.lastIndexOf(') ') + 2).split(' ')[START_TIME]}`;
};

export const thisProcess = (): Promise<string> => describe(process.pid);

/** Whether the process with this identification still runs. */
export async function isRunning(described: string): Promise<boolean> {
  try {
    return (await describe(described.split(' ')[0] ?? '')) === described;
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes(String((error as NodeJS.ErrnoException).code))) return false;
    throw error;
  }
}

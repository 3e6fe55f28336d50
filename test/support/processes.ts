/** Which process something belongs to, told so that a later process with the same id is not taken for it. */
import { readFile } from 'node:fs/promises';

/** As proc(5) counts the fields of `stat`: the state is the third, the start time the 22nd. */
const START_TIME = 22 - 3;

const describe = async (pid: string | number): Promise<string> => {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // What comes before is the name, which may hold anything.
  return `${pid} ${stat.slice(stat.lastIndexOf(') ') + 2).split(' ')[START_TIME]}`;
};

export const thisProcess = (): Promise<string> => describe(process.pid);

/** Whether the process that called itself so is still there. */
export async function isRunning(described: string): Promise<boolean> {
  try {
    return (await describe(described.split(' ')[0] ?? '')) === described;
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes(String((error as NodeJS.ErrnoException).code))) return false;
    throw error;
  }
}

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import t from 'tap';
import { eventually } from '../../support/wait.ts';

async function residentBytes(pid: number): Promise<number> {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kilobytes) * 1024;
}

t.test('memory freed after a burst is returned to the kernel once the process is idle', async (t) => {
  const env = { ...process.env, NODE_OPTIONS: '' };
  const child = fork(path.join(import.meta.dirname, 'burst.ts'), { env });
  try {
    const [{ resident }] = (await once(child, 'message')) as [{ resident: number }];
    const most = resident - 120e6;
    await eventually('the memory to be returned', async () => (await residentBytes(child.pid ?? 0)) < most);
    child.send('kept');
    t.same(await once(child, 'message').then(([answer]: { kept: number }[]) => answer), { kept: 400 });
  } finally {
    child.disconnect();
    await once(child, 'exit');
  }
});

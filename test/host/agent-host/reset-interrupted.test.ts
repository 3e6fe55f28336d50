import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo, Socket } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { test } from 'tap';

/** A port that the kernel has just assigned is free for a moment. */
async function freePort(): Promise<string> {
  await using server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  return String((server.address() as AddressInfo).port);
}

const COMMAND = path.resolve(import.meta.dirname, '../../../cli/main.ts');

test('a reset that is interrupted fails, so that a script does not go on', async (t) => {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'kedge-reset-'));
  t.teardown(() => rm(directory, { recursive: true }));
  const socket = path.join(directory, 'containerd.sock');
  // A container runtime that does not answer: nothing is removed.
  await using runtime = createServer().listen(socket);
  await once(runtime, 'listening');
  const own = ['--data-dir', directory, '--container-log-dir', directory, '--pod-log-dir', directory];
  const without = ['--service-proxy', 'false', '--host-routes', 'false', '--bridge-name', 'kedge-no-link'];
  const settings = [
    '--containerd-socket',
    socket,
    '--bind-address',
    '127.0.0.1',
    '--port',
    await freePort(),
    ...own,
    ...without,
  ];
  const child = spawn(process.execPath, [COMMAND, 'reset', ...settings], { stdio: ['ignore', 'pipe', 'inherit'] });
  let log = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (log += text));
  const exited = once(child, 'exit');
  const asked = once(runtime, 'connection');
  const [connection] = (await Promise.race([asked, exited])) as [Socket | number | null];
  if (!(connection instanceof Socket)) throw new Error(`the reset has ended: ${log}`);
  connection.resume();
  child.kill('SIGTERM');
  const [code] = (await exited) as [number | null];
  t.equal(code, 1);
  t.match(log, '"msg":"stopping"');
});

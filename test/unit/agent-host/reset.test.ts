import { lstat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { test } from 'tap';
import { defaultAgentConfig } from '../../../agent/config.ts';
import { HostError } from '../../../agent/host/host-error.ts';
import { resetHost } from '../../../agent/reset.ts';

test('reset removes nothing when the container runtime does not answer', async (t) => {
  const directory = t.testdir();
  const link = join(directory, 'dangling.log');
  await symlink(join(directory, 'removed-pod', '0.log'), link);
  const socket = '/nonexistent/containerd.sock';
  const config = {
    ...defaultAgentConfig,
    containerdSocket: socket,
    containerLogDir: directory,
    dataDir: join(directory, 'data'),
    bridgeName: 'kedge-no-link',
    serviceProxy: false,
  };
  const reason = await resetHost(config, new AbortController().signal, pino({ level: 'silent' })).catch(
    (error: unknown) => error,
  );
  t.type(reason, HostError);
  t.match((reason as Error).message, /nothing has been removed/);
  t.match((reason as Error).message, socket);
  t.ok((await lstat(link)).isSymbolicLink(), 'the symlink of a container log is still there');
});

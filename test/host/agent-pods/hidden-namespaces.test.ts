/**
 * Network namespaces of pods that are hidden below a second mount: in a mount namespace of the test's own, where /run/netns is
 * nobody else's.
 */
import { spawnSync } from 'node:child_process';
import { access, mkdir, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import t from 'tap';
import { CriClient } from '../../../agent/cri/client.ts';
import { CriError } from '../../../agent/cri/rpc-error.ts';
import { removeSandbox, stopSandbox } from '../../../agent/cri/remove.ts';
import { removeMountedFile } from '../../../agent/host/mounted-file.ts';
import { readMounts } from '../../../agent/host/mounts.ts';
import { run } from '../../../agent/host/run.ts';
import { startContainerd } from '../../support/containerd.ts';

const INSIDE = 'KEDGE_TEST_MOUNT_NAMESPACE';
if (!process.env[INSIDE]) {
  const { status } = spawnSync('unshare', ['--mount', process.execPath, ...process.argv.slice(1)], {
    stdio: 'inherit',
    env: { ...process.env, [INSIDE]: '1' },
  });
  process.exit(status ?? 1);
}

const NETNS = '/run/netns';
const program = path.join(import.meta.dirname, '../../../cli/main.ts');
const free = (file: string) => removeMountedFile(file, [process.execPath, program, 'remove-mounted-file']);
const isThere = (file: string) =>
  access(file).then(
    () => true,
    () => false,
  );
const mountedOn = async (file: string) => (await readMounts()).filter(({ mountPoint }) => mountPoint === file).length;

t.before(async () => {
  await run('mount', ['-t', 'tmpfs', 'tmpfs', '/run']);
  await mkdir(NETNS);
});

/** What the first `ip netns add` of a host does. */
const mountOver = () => run('mount', ['--rbind', NETNS, NETNS]);

t.test('a mount point is removed from below another mount, and nothing else is touched', async (t) => {
  const [own, other] = [`${NETNS}/cni-0a`, `${NETNS}/other`];
  for (const file of [own, other]) {
    await writeFile(file, '');
    await run('mount', ['--bind', '/proc/self/ns/net', file]);
  }
  await mountOver();
  await mountOver();
  await run('umount', [own]);
  await t.rejects(run('rm', [own]), /busy/i, 'as containerd finds it');
  const before = await mountedOn(other);
  await free(own);
  t.notOk(await isThere(own));
  t.equal(await mountedOn(own), 0);
  t.equal(await mountedOn(other), before);
  t.same(await readdir(NETNS), ['other']);
  await t.rejects(free(own), /no such file/i, 'what is not there cannot be removed');
});

t.test('a pod from before the first `ip netns add` can be stopped and removed', async (t) => {
  await using containerd = await startContainerd({ name: 'hidden', sharesNetns: true });
  const cri = new CriClient(containerd.socket);
  t.teardown(() => cri.close());
  const config = {
    metadata: { name: 'old', uid: 'old-uid', namespace: 'default', attempt: 0 },
    hostname: 'old',
    logDirectory: path.join(containerd.directory, 'logs'),
    portMappings: [],
    labels: {},
    annotations: {},
    linux: {
      cgroupParent: `/${containerd.cgroupParent}`,
      securityContext: { namespaceOptions: { network: 'POD', pid: 'CONTAINER', ipc: 'POD', targetId: '' } as const },
      sysctls: {},
    },
  };
  // Before the first `ip netns add`, which makes the directory a shared mount: unmounting then propagates below.
  await run('mount', ['--make-private', NETNS]);
  const sandboxId = await cri.runPodSandbox(config, '');
  const [name = ''] = (await readdir(NETNS)).filter((file) => file.startsWith('cni-'));
  await mountOver();
  await t.rejects(cri.stopPodSandbox(sandboxId), /device or resource busy/);
  await stopSandbox(cri, sandboxId, undefined, free);
  await removeSandbox(cri, sandboxId);
  t.same(await cri.listPodSandboxes(), []);
  t.notOk(await isThere(path.join(NETNS, name)));
  t.equal(await mountedOn(path.join(NETNS, name)), 0);
  await run('umount', ['--lazy', NETNS]);
});

t.test('what cannot be removed is named with a remedy', async (t) => {
  const busy = 'failed to remove netns: unlinkat /var/run/netns/cni-12ab: device or resource busy';
  const stuck = (message: string) => ({
    stopPodSandbox: () => Promise.reject(new CriError('StopPodSandbox', 2, message)),
  });
  const never = () => Promise.reject(new Error('not permitted'));
  await t.rejects(stopSandbox(stuck(busy), 'id', undefined, never), {
    message: `${busy}; /run/netns/cni-12ab is a mount point hidden by another mount; reboot to release it (not permitted)`,
  });
  const others = 'unlinkat /run/netns/../../etc/passwd: device or resource busy';
  await t.rejects(stopSandbox(stuck(others), 'id', undefined, free), { message: others }, 'other files are kept');
});

/** What scripts/containerd-config.sh writes, as containerd reads it. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'tap';
import { run } from '../../../agent/host/run.ts';

const SCRIPT = path.join(import.meta.dirname, '../../../scripts/containerd-config.sh');

test('network namespaces of pods are kept where `ip netns` does not mount over them', async (t) => {
  const directory = t.testdir();
  const inside = (name: string): string => path.join(directory, name);
  const { stdout } = await run(SCRIPT, ['root', 'state', 'containerd.sock', 'cni'].map(inside));
  await writeFile(inside('config.toml'), stdout);
  const { stdout: read } = await run('containerd', ['--config', inside('config.toml'), 'config', 'dump']);
  t.match(read, /^\s*netns_mounts_under_state_dir = true$/m);
});

/** What scripts/install.sh does for the host's safety, without installing anything. */
import { execFile } from 'node:child_process';
import { chmod, chown, copyFile, mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';

const run = promisify(execFile);
const SCRIPTS = path.join(import.meta.dirname, '../../../scripts');

async function folder(t: Test): Promise<string> {
  const made = await mkdtemp(path.join(os.tmpdir(), 'kedge-install-script-'));
  t.teardown(() => rm(made, { recursive: true }));
  return made;
}

t.test('a token is in the arguments of no process, and in the environment of no daemon', async (t) => {
  const made = await folder(t);
  await copyFile(path.join(SCRIPTS, 'install.sh'), path.join(made, 'install.sh'));
  // In place of what installs: it says what others see of the process.
  await writeFile(
    path.join(made, 'host.sh'),
    `tr '\\0' '\\n' </proc/$$/cmdline; echo "env:\${KEDGE_TOKEN-none}"; exit 0\n`,
  );
  const rest = ['--control-plane', '--server', 'https://a b:6443', '--ca-hash', 'sha256:00'];
  for (const args of [
    ['--token', 'abcdef.0123456789abcdef', ...rest],
    [...rest, '--token', 'abcdef.0123456789abcdef'],
  ]) {
    const { stdout } = await run('sh', [path.join(made, 'install.sh'), ...args]);
    t.strictSame(
      stdout
        .trim()
        .split('\n')
        .slice(-rest.length - 1),
      [...rest, 'env:none'],
    );
    t.notMatch(stdout, /abcdef/);
  }
});

t.test('a token without the other words of joining is refused, and creates no cluster', async (t) => {
  for (const args of [['--token', 'abcdef.0123456789abcdef'], ['--server', 'https://a:6443', '--token'], ['--token']]) {
    const refused = await run('sh', [path.join(SCRIPTS, 'install.sh'), ...args]).catch((error: Error) => error);
    t.match(refused, { stderr: /joining needs --server URL, --token TOKEN and --ca-hash HASH/ });
  }
});

t.test('what is installed is written by root alone, whatever shell it is run from', async (t) => {
  const made = await folder(t);
  const { stdout } = await run('sh', ['-c', 'umask 000; here=$1; . "$1/host.sh"; umask', 'sh', SCRIPTS]);
  t.equal(stdout.trim(), '0022');
  const from = path.join(made, 'dist');
  await mkdir(path.join(from, 'bin'), { recursive: true });
  const program = path.join(from, 'bin/node');
  await writeFile(program, 'x');
  await chmod(program, 0o6777);
  await chmod(path.join(from, 'bin'), 0o777);
  const isRoot = process.getuid?.() === 0;
  if (isRoot) for (const file of [from, path.join(from, 'bin'), program]) await chown(file, 1000, 1000);
  const copy = ['here=$1; . "$1/host.sh"; copy_files "$2" "$3"', 'sh', SCRIPTS, from, path.join(made, 'to')];
  await run('sh', ['-c', ...copy]);
  for (const name of ['.', ...(await readdir(path.join(made, 'to'), { recursive: true }))]) {
    const { mode, uid } = await stat(path.join(made, 'to', name));
    t.equal(mode & 0o6022, 0, name);
    t.equal(uid, process.getuid?.(), name);
  }
  t.equal((await stat(path.join(made, 'to/bin/node'))).mode & 0o777, 0o755, 'and can be run');
});

t.test('what an operator has written before is neither a cluster nor a node', async (t) => {
  const made = await folder(t);
  const [server, agent] = [path.join(made, 'server.yaml'), path.join(made, 'agent.yaml')];
  const standing = async (): Promise<string> => {
    const script =
      'here=$1; . "$1/host.sh"; config=$2 data=$2; for is in is_node has_joined has_cluster; do ! $is || echo "$is"; done';
    return (await run('sh', ['-euc', script, 'sh', SCRIPTS, made])).stdout.trim().replaceAll('\n', ' ');
  };
  t.equal(await standing(), '');
  await writeFile(agent, 'node-labels: [zone=a]\n');
  await writeFile(server, `cluster-cidr: 10.1.0.0/16\ndata-dir: ${made}/server\n`);
  t.equal(await standing(), '');
  await mkdir(path.join(made, 'server/pki'), { recursive: true });
  await writeFile(path.join(made, 'server/pki/ca.crt'), '');
  t.equal(await standing(), 'has_cluster');
  await writeFile(agent, 'server: https://10.0.0.1:6443\n');
  t.equal(await standing(), 'is_node has_cluster');
  await rm(server);
  t.equal(await standing(), 'is_node has_joined');
});

t.test('a name that no Node can have is refused', async (t) => {
  for (const name of ['UPPER', 'a b', '-a', 'a.', 'a\nserver: x']) {
    const refused = await run('sh', [path.join(SCRIPTS, 'install.sh'), '--node-name', name]).catch(
      (error: Error) => error,
    );
    t.match(refused, { stderr: /--node-name has lower-case letters/ }, name);
  }
});

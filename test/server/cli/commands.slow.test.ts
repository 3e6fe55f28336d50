/** The `kedge` command as a process: failures end with one sentence on stderr and exit code 1, or 2 for wrong usage. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod } from 'node:fs/promises';
import { createServer } from 'node:net';
import { text } from 'node:stream/consumers';
import path from 'node:path';
import t, { type Test } from 'tap';
import { WITHOUT_TAP } from '../../support/daemon.ts';

const PROGRAM = path.join(import.meta.dirname, '../../../cli/main.ts');
const NOBODY = 65_534;

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function kedge(args: readonly string[], env: NodeJS.ProcessEnv = {}, user?: number): Promise<Outcome> {
  const [program, ...without] = WITHOUT_TAP;
  const node = [process.execPath, '--disable-warning=ExperimentalWarning'];
  const child = spawn(program, [...without, ...node, PROGRAM, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], ...env },
    cwd: '/',
    ...(user !== undefined && { uid: user, gid: user }),
  });
  const [closed, stdout, stderr] = await Promise.all([once(child, 'close'), text(child.stdout), text(child.stderr)]);
  return { code: Number(closed[0]), stdout, stderr };
}

/** Fails unless the command ends with one sentence, which a daemon that has started logs. */
const refused = (t: Test, message: RegExp, ...run: Parameters<typeof kedge>): Promise<void> =>
  ends(t, 1, message, ...run);

const misused = (t: Test, message: RegExp, ...args: string[]): Promise<void> => ends(t, 2, message, args);

async function ends(t: Test, exit: number, message: RegExp, ...run: Parameters<typeof kedge>): Promise<void> {
  const { code, stdout, stderr } = await kedge(...run);
  const lines = `${stdout}${stderr}`.trim().split('\n');
  const [line = ''] = lines;
  const what = run[0].join(' ');
  t.equal(code, exit, what);
  t.equal(lines.length, 1, `${what}: ${lines.join('\n')}`);
  t.match(line.startsWith('{') ? (JSON.parse(line) as { msg: string }).msg : line, message, what);
}

t.setTimeout(6 * 60_000);

t.test('invalid arguments, values and files are rejected with one sentence', async (t) => {
  const folder = t.testdir({ 'broken.yaml': 'a: [1\nb: "x\n  y: }', kubeconfig: 'a: [' });
  const at = (name: string): string => path.join(folder, name);
  await misused(t, /^kedge: --roles must list some of/, 'server', '--roles', 'foo');
  await misused(t, /^kedge: --log-level must be one of/, 'server', '--log-level', 'foo');
  await misused(t, /^kedge: unknown option '--prot=1'; did you mean --port\?$/, 'server', '--prot=1');
  await misused(t, /^kedge: missing required argument 'pod'; kedge logs --help says what there is$/, 'logs');
  await refused(t, /^kedge: KEDGE_PORT must be a number, not "x"$/, ['server'], { KEDGE_PORT: 'x' });
  await refused(t, /^kedge: \S+broken\.yaml is not valid YAML: /, ['server', '--config', at('broken.yaml')]);
  await refused(t, /^kedge: failed to read configuration file \S+none: no such file/, ['server'], {
    KEDGE_CONFIG: at('none'),
  });
  await refused(t, /^kedge: server is not set: give --server, KEDGE_SERVER/, ['agent', '--data-dir', folder]);
  await misused(t, /^kedge: --node-name must be a name/, 'join', '--server', 'https://x', '--node-name', 'Bad_Name');
  await refused(t, /^kedge: kubeconfig \S+kubeconfig: is not valid YAML: /, [
    'token',
    'list',
    '--kubeconfig',
    at('kubeconfig'),
  ]);
  await refused(t, /^kedge: kubeconfig \S+: is not valid YAML/, ['token', 'list'], {
    KUBECONFIG: `${at('no')}:${at('kubeconfig')}`,
  });
  await refused(t, /^kedge: kubeconfig: \S+none does not exist/, ['kubeconfig', '--kubeconfig', at('none')]);
  await misused(t, /^kedge: --server must be like https/, 'kubeconfig', '--server', 'here');
  await refused(t, /^kedge: \S+ca\.crt is missing/, ['kubeconfig', '--server', 'https://x', '--data-dir', folder]);
});

t.test(
  'wrong usage has exit code 2, or 1 where 2 is what a command has found, and help that was asked for 0',
  async (t) => {
    const group = await kedge(['token']);
    t.match(group, { code: 2, stdout: '', stderr: /^Usage: kedge token/ });
    await misused(t, /^kedge: unknown command 'creat'; did you mean create\?$/, 'token', 'creat');
    await refused(t, /^kedge: unknown option '--bogus'; kedge doctor --help says what there is$/, [
      'doctor',
      '--bogus',
    ]);
    await refused(t, /^kedge: --output must be text or json, not "x"$/, ['ingress', 'check', '-o', 'x', '/none']);
    for (const args of [['help'], ['--help'], ['help', 'token'], ['token', '--help']])
      t.match(await kedge(args), { code: 0, stdout: /^Usage: kedge /, stderr: '' }, args.join(' '));
    t.match(await kedge(['--version']), { code: 0, stdout: (await kedge(['version'])).stdout });
  },
);

t.test('a server that cannot start on this host says why', async (t) => {
  const folder = t.testdir({ file: '' });
  const at = (name: string): string => path.join(folder, name);
  const server = (...args: string[]): string[] => [
    ...['server', '--bind-address', '127.0.0.1', '--advertise-address', '192.0.2.1', '--port', '0'],
    ...['--data-dir', at('data'), '--admin-kubeconfig', at('admin'), ...args],
  ];
  const listener = createServer().listen(0, '127.0.0.1');
  t.teardown(() => listener.close());
  await once(listener, 'listening');
  const { port } = listener.address() as { port: number };
  await refused(
    t,
    new RegExp(`^cannot listen on 127\\.0\\.0\\.1:${port}: address already in use`),
    server('--port', String(port)),
  );
  await refused(
    t,
    /^cannot listen on 192\.0\.2\.9: the address is not assigned/,
    server('--bind-address', '192.0.2.9'),
  );
  await refused(t, /^token-auth-file: \S+none: no such file/, server('--token-auth-file', at('none')));
  await refused(t, /^data-dir: \S+file\S*: a part of the path is not a directory/, server('--data-dir', at('file')));
});

t.test('commands that need root say so', async (t) => {
  const user = process.getuid?.() === 0 ? NOBODY : undefined;
  await refused(t, /^kedge: kedge agent .*: run it as root \(sudo kedge agent\)$/, ['agent'], {}, user);
  await refused(t, /^kedge: kedge reset .*: run it as root \(sudo kedge reset\)$/, ['reset'], {}, user);
  const folder = t.testdir({ closed: {} });
  await chmod(path.join(folder, 'closed'), 0o555);
  const data = ['--data-dir', path.join(folder, 'closed/data')];
  await refused(t, /^data-dir: .*: permission denied \(mkdir\); run this as root/, ['server', ...data], {}, user);
});

t.test('a misspelled variable is a warning only', async (t) => {
  const { stderr } = await kedge(['server', '--roles', 'foo'], { KEDGE_CLUSTR_CIDR: '10.0.0.0/8' });
  t.match(stderr, /^kedge: ignoring unknown setting KEDGE_CLUSTR_CIDR; .* KEDGE_CLUSTER_CIDR\?\nkedge: --roles must/);
});

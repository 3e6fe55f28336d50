/** Transactions by way of an nft(8) that stays, in a real kernel. */
import { chmod, writeFile } from 'node:fs/promises';
import path from 'node:path';
import t, { type Test } from 'tap';
import { run } from '../../../agent/host/run.ts';
import { NftSession } from '../../../agent/network/netfilter/nft-session.ts';
import { Nft } from '../../../agent/network/netfilter/nft.ts';
import { enterNamespace } from './pod-namespaces.ts';

enterNamespace();

const LIMIT_MS = 10_000;
const MAKE = 'add table ip kedge-test; add set ip kedge-test s { type ipv4_addr; comment "made for ! and #"; }';
const table = async (): Promise<string> => (await run('nft', ['list', 'ruleset'])).stdout;
const programs = async (): Promise<string[]> =>
  (await run('pgrep', ['-P', String(process.pid), '-x', 'nft']).catch(() => ({ stdout: '' }))).stdout
    .split('\n')
    .filter(Boolean);

t.afterEach(() => run('nft', ['flush', 'ruleset']));

/** Aborted at the end of the test. */
function signalOf(t: Test): AbortSignal {
  const stop = new AbortController();
  t.teardown(() => stop.abort());
  return stop.signal;
}
/** What a call rejects with. */
const errorOf = (call: Promise<unknown>): Promise<unknown> => call.catch((error: unknown) => error);

/** An nft(8) in front of the host's: `script` is what it does before. */
async function nftBefore(t: Test, script: string): Promise<void> {
  const { stdout } = await run('sh', ['-c', 'command -v nft']);
  const file = path.join(t.testdir(), 'nft');
  await writeFile(file, `#!/bin/sh\n${script}\nexec ${stdout.trim()} "$@"\n`);
  await chmod(file, 0o755);
  const before = process.env['PATH'];
  process.env['PATH'] = `${path.dirname(file)}:${before}`;
  t.teardown(() => void (process.env['PATH'] = before));
}

t.test('each line is one transaction, and errors are those of the line', async (t) => {
  const session = new NftSession(LIMIT_MS, signalOf(t));
  t.equal(await session.run(MAKE), true);
  const lines = ['add element ip kedge-test s { 192.0.2.1 }', 'add element ip kedge-test none { 192.0.2.2 }'];
  const stderr = /^Error: No such file or directory\nadd element/;
  t.match(await errorOf(session.run(lines.join('; '))), { exitCode: 1, stderr });
  t.notMatch(await table(), '192.0.2.1', 'all of it or nothing');
  t.match(await errorOf(session.run('no command')), { exitCode: 1, stderr: /^Error: syntax error/ });
  t.equal(await session.run('add rule ip kedge-test none drop').catch(() => 'rejected'), 'rejected');
  const calls = [1, 2, 3].map((last) => session.run(`add element ip kedge-test s { 192.0.2.${last} }`));
  t.strictSame(await Promise.all(calls), [true, true, true], 'calls that overlap');
  t.match(await table(), /192\.0\.2\.1, 192\.0\.2\.2,\s+192\.0\.2\.3/);
});

t.test('hundreds of lines, an ended program, and the end of the session', async (t) => {
  const stop = new AbortController();
  const session = new NftSession(LIMIT_MS, stop.signal);
  await session.run(MAKE);
  const [first = ''] = await programs();
  for (let index = 0; index < 250; index++) await session.run(`add element ip kedge-test s { 192.0.2.${index} }`);
  const [second = '', ...others] = await programs();
  t.strictSame(others, [], 'one program at a time');
  t.not(second, first, 'it is replaced now and then');
  process.kill(Number(second), 'SIGKILL');
  const again = async (): Promise<boolean> => session.run('add element ip kedge-test s { 192.0.2.255 }');
  // Either it is seen before, or the caller is told that nobody knows.
  t.equal(await again().catch((error: { exitCode: unknown }) => error.exitCode === null && again()), true);
  stop.abort();
  await t.rejects(session.run('list tables'));
  t.strictSame(await programs(), []);
});

t.test('a program that hangs is stopped, and the next line gets another', async (t) => {
  const session = new NftSession(300, signalOf(t));
  await session.run(MAKE);
  const [pid = ''] = await programs();
  process.kill(Number(pid), 'SIGSTOP');
  t.match(await errorOf(session.run('add element ip kedge-test s { 192.0.2.1 }')), { exitCode: null });
  t.equal(await session.run('add element ip kedge-test s { 192.0.2.2 }'), true);
});

for (const [title, script] of [
  ['no interactive mode', '[ "$1" != -i ] || { echo "Error: interactive CLI not supported" >&2; exit 1; }'],
  ['an interactive mode that talks', '[ "$1" != -i ] || echo "welcome to another nft" >&2'],
] as const) {
  t.test(`an nft(8) with ${title} is started for each transaction`, async (t) => {
    await nftBefore(t, script);
    t.equal(await new NftSession(LIMIT_MS, signalOf(t)).run(MAKE), false);
    const nft = new Nft(signalOf(t));
    await nft.applyCommands(MAKE.split('; add').map((line, index) => (index === 0 ? line : `add${line}`)));
    t.match(await table(), 'set s');
    t.strictSame(await programs(), []);
  });
}

t.test('long transactions are made, and of long errors the beginning is kept', async (t) => {
  const nft = new Nft(signalOf(t));
  await nft.applyCommands(['add table ip kedge-test', 'add set ip kedge-test s { type ipv4_addr; }']);
  const elements = Array.from({ length: 5_000 }, (_, index) => `10.0.${index >> 8}.${index & 255}`);
  await nft.applyCommands([`add element ip kedge-test s { ${elements.join(', ')} }`]);
  t.match(await table(), '10.0.19.135');
  for (const count of [500, 5_000]) {
    const command = `add element ip kedge-test none { ${elements.slice(0, count).join(', ')} }`;
    const error = await nft.applyCommands([command]).catch((caught: Error) => caught);
    t.match(error, { exitCode: 1, message: /No such file or directory/ });
    t.ok((error as Error).message.length < 2_000);
  }
});

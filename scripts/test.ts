/**
 * Runs the tests with tap: first those that keep to themselves, two files at a time, then those that use the whole host, one
 * after the other. The last line is `N passed, N failed`.
 */
import { spawn } from 'node:child_process';
import { glob, mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { pathWithKubectl } from '../test/support/debian-kubectl.ts';

/** Tests that measure time or need all of the host's processors. */
const ALONE = /^test\/e2e\//;

interface Totals {
  readonly passed: number;
  readonly failed: number;
}

/** tap's own last words: `# { total: 3, pass: 1, fail: 2 }`. */
function totalsOf(tapOutput: string, exitCode: number | null): Totals {
  const summary = /^# \{ total: .*\}$/m.exec(tapOutput.slice(tapOutput.lastIndexOf('\n# {')))?.[0] ?? '';
  const count = (name: string): number => Number(new RegExp(`${name}: (\\d+)`).exec(summary)?.[1] ?? 0);
  const failed = count('fail');
  return { passed: count('pass'), failed: exitCode !== 0 && failed === 0 ? 1 : failed };
}

/** Output goes to ours; throws when tap cannot be started. */
async function tap(files: readonly string[], jobs: number, folder: string, searchPath: string): Promise<Totals> {
  if (files.length === 0) return { passed: 0, failed: 0 };
  const output = path.join(folder, `${jobs}.tap`);
  const args = ['run', '--reporter=terse', `--jobs=${jobs}`, '--timeout=900', `--output-file=${output}`, ...files];
  // Where CI is set, tap's reporter would keep to itself what has failed.
  const child = spawn('tap', args, {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, PATH: searchPath, CI: undefined, KEDGE_TEST_ACCOUNTS: folder },
  });
  const code = await new Promise<number | null>((resolve, reject) =>
    child.once('error', reject).once('close', resolve),
  );
  return totalsOf(await readFile(output, 'utf8'), code);
}

process.chdir(path.resolve(import.meta.dirname, '..'));
const named = process.argv.slice(2);
const files = named.length ? named : (await Array.fromAsync(glob('test/**/*.test.ts'))).sort();
const searchPath = await pathWithKubectl(process.env.PATH ?? '');
const folder = await mkdtemp(path.join(os.tmpdir(), 'kedge-test-'));
try {
  const together = await tap(
    files.filter((file) => !ALONE.test(file)),
    2,
    folder,
    searchPath,
  );
  const alone = await tap(
    files.filter((file) => ALONE.test(file)),
    1,
    folder,
    searchPath,
  );
  // What clusters of tests that have failed were at.
  for await (const account of glob(path.join(folder, '*.txt')))
    console.log(`\n${account}\n${await readFile(account, 'utf8')}`);
  const [passed, failed] = [together.passed + alone.passed, together.failed + alone.failed];
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed || passed === 0 ? 1 : 0;
} finally {
  await rm(folder, { recursive: true });
}

/**
 * Runs test files and prints one line per file, every failure in full, and finally `N passed, N failed`. Files that need no
 * root share one process per job, which loads what they import once; slow files and those of the host have one each.
 * `test/` is sorted by what a test needs; CONTRIBUTING.md describes the folders.
 *
 * Usage: test.ts [--rootless] [--watch] [FILE|FOLDER...]
 *   --rootless  by default run only tests that need no root, without slow ones (npm test)
 *   --watch     keep running, and rerun the tests affected by a change
 */
import { access, constants, glob, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { pathWithKubectl } from '../test/support/debian-kubectl.ts';
import { openTestPki, SHARED_PKI } from '../test/support/test-pki.ts';
import { affectedTests, changes, sourceRooms } from './affected-tests.ts';
import { runAlone, TestProcess } from './test-process.ts';

/** Run in this order: the longest files are those of servers. */
const ROOTLESS = ['test/server/', 'test/unit/'];
/** Groups of folders, run in this order, two files at a time. Tests of the host start a containerd each. */
const TOGETHER = [ROOTLESS, ['test/host/']];
/** Run one at a time: a whole cluster uses two processors, and those that fail parts of one measure how long that lasts. */
const ALONE = ['test/e2e/', 'test/faults/'];
/** One more than there are processors, since files also wait; `npm test` measures no times. */
const ROOTLESS_JOBS = os.availableParallelism() + 1;
/** Suffix of tests that take more than five seconds of CPU time. */
const SLOW = '.slow.test.ts';

/** Node.js's compile cache: it saves a third of the time of a small test. */
const COMPILE_CACHE = '.tap/compile-cache';

interface Totals {
  passed: number;
  failed: number;
  /** What has failed, once more at the end: the output of a whole run is long. */
  readonly failures: string[];
}

/** Whether it needs no root and little time; such files share processes. */
const isQuick = (file: string): boolean => ROOTLESS.some((folder) => file.startsWith(folder)) && !file.endsWith(SLOW);

/** The file with the name of each test of it that has failed. */
function firstLines(file: string, failures: string): readonly string[] {
  const names = [...failures.matchAll(/^not ok: (.{0,200})/gm)].map(([, name]) => `${file}: ${name}`);
  return names.length ? names : [file];
}

/** Prints one line per file as it ends, and its failures. */
async function runAll(files: readonly string[], jobs: number, env: NodeJS.ProcessEnv, totals: Totals): Promise<void> {
  const queue = files.values();
  const end = async (tests: TestProcess): Promise<void> => {
    const failure = await tests.end();
    if (failure === undefined) return;
    totals.failed++;
    totals.failures.push(`the process of ${tests.files.join(' ')}`);
    console.log(`FAIL the process of ${tests.files.join(' ')}\n\n${failure}\n`);
  };
  const work = async (): Promise<void> => {
    let shared: TestProcess | undefined;
    for (const file of queue) {
      const start = performance.now();
      if (isQuick(file)) shared ??= new TestProcess(env);
      const { passed, failed, failures } = await (isQuick(file) && shared ? shared.run(file) : runAlone(file, env));
      const seconds = ((performance.now() - start) / 1000).toFixed(1);
      totals.passed += passed;
      totals.failed += failed;
      console.log(`${failed ? 'FAIL' : 'ok  '} ${file}: ${passed} passed, ${failed} failed, ${seconds} s`);
      if (failed) {
        console.log(`\n${failures}\n`);
        totals.failures.push(...firstLines(file, failures));
      }
      if (shared?.hasClosed) shared = undefined;
    }
    if (shared) await end(shared);
  };
  await Promise.all(Array.from({ length: jobs }, work));
}

async function run(files: readonly string[], searchPath: string, isRootless: boolean): Promise<Totals> {
  const accounts = await mkdtemp(path.join(os.tmpdir(), 'kedge-test-'));
  const pki = path.join(accounts, 'pki');
  const env = {
    ...process.env,
    PATH: searchPath,
    NODE_COMPILE_CACHE: path.resolve(COMPILE_CACHE),
    KEDGE_TEST_ACCOUNTS: accounts,
    [SHARED_PKI]: pki,
  };
  const totals: Totals = { passed: 0, failed: 0, failures: [] };
  const below = (folders: readonly string[]): string[] =>
    folders.flatMap((folder) => files.filter((file) => file.startsWith(folder)));
  try {
    await openTestPki(pki);
    for (const folders of TOGETHER) await runAll(below(folders), isRootless ? ROOTLESS_JOBS : 2, env, totals);
    await runAll(below(ALONE), 1, env, totals);
    // Diagnostics of clusters whose test has failed.
    for await (const account of glob(path.join(accounts, '*.txt')))
      console.log(`\n${account}\n${await readFile(account, 'utf8')}`);
  } finally {
    await rm(accounts, { recursive: true });
  }
  for (const failure of totals.failures) console.log(`FAIL ${failure}`);
  console.log(`${totals.passed} passed, ${totals.failed} failed`);
  return totals;
}

/** The test files given by name or folder; by default all, or those that need no root. */
async function chosen(named: readonly string[], isRootless: boolean): Promise<string[]> {
  const files: string[] = [];
  for (const name of named.length ? named : ['test']) {
    if ((await stat(name)).isFile()) files.push(path.normalize(name));
    else for await (const file of glob(`${path.normalize(name)}/**/*.test.ts`)) files.push(file);
  }
  return (isRootless && named.length === 0 ? files.filter(isQuick) : files).sort();
}

/** A PATH with the programs of node_modules, which run with this Node.js, and a kubectl that is new enough. */
async function searchPathOfTests(isRootless: boolean): Promise<string> {
  const own = [path.dirname(process.execPath), process.env['PATH'] ?? ''].join(path.delimiter);
  try {
    return await pathWithKubectl(own);
  } catch (error) {
    if (!isRootless) throw error;
    console.log(`kubectl is missing, and tests that run it will fail: ${(error as Error).message}`);
    return own;
  }
}

/** Throws when root has run tests before: tap creates test folders in `.tap`. */
async function requireTapFolder(): Promise<void> {
  for (const folder of ['.tap', '.tap/fixtures']) {
    await access(folder, constants.W_OK).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return;
      throw new Error(`${folder} belongs to another user: run sudo chown -R "$USER" .tap`, { cause: error });
    });
  }
}

process.chdir(path.resolve(import.meta.dirname, '..'));
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rootless: { type: 'boolean', default: false }, watch: { type: 'boolean', default: false } },
});
await requireTapFolder();
const files = await chosen(positionals, values.rootless);
const searchPath = await searchPathOfTests(values.rootless);
const { passed, failed } = await run(files, searchPath, values.rootless);
process.exitCode = failed || passed === 0 ? 1 : 0;
if (values.watch) {
  for await (const changed of changes(await sourceRooms())) {
    const affected = await affectedTests(await chosen(positionals, values.rootless), changed);
    if (affected.length) await run(affected, searchPath, values.rootless);
  }
}

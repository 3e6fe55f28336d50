import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import t, { type Test } from 'tap';
import { readTap, type TestResult } from '../../../scripts/tap-output.ts';

/** Runs a test file as the runner does, in a directory where packages are found. */
async function resultOf(t: Test, code: string): Promise<TestResult> {
  const file = path.join(t.testdir({}), 'x.test.mjs');
  await writeFile(file, `import t from 'tap';\n${code}`);
  return new Promise((resolve) => {
    execFile(process.execPath, [file], { env: { ...process.env, TAP_CHILD_ID: '' } }, (error, stdout, stderr) =>
      resolve(readTap(stdout + stderr, error ? `ended by exit code ${error.code}` : undefined)),
    );
  });
}

t.test('a passing file is two numbers, whatever it prints', async (t) => {
  const code =
    "t.test('outer', async (t) => { console.log('said'); t.ok(1); t.test('inner', async (t) => t.ok(1)); });";
  t.same(await resultOf(t, code), { passed: 2, failed: 0, failures: '' });
});

t.test('a failure is printed once, with its enclosing tests and its diff', async (t) => {
  const code = `
    t.test('outer', async (t) => {
      t.test('inner', async (t) => { t.ok(1); t.same({ a: 1 }, { a: 2 }, 'is it?'); });
      t.test('sound', async (t) => t.ok(1));
    });`;
  const { passed, failed, failures } = await resultOf(t, code);
  t.same({ passed, failed }, { passed: 2, failed: 1 });
  t.match(failures, /^not ok: outer > inner > is it\?\n {2}diff: \|/);
  t.match(failures, /-.*"a": 2,\n.*\+.*"a": 1,/);
  t.equal(failures.match(/^not ok/gm)?.length, 1);
  t.notMatch(failures, /not ok: .*sound/);
});

t.test('exceptions within and outside of tests are printed', async (t) => {
  const inside = await resultOf(t, "t.test('outer', async () => { throw new Error('broken'); });");
  t.equal(inside.failed, 1);
  t.match(inside.failures, /^not ok: outer > broken\n/);
  const beside = await resultOf(t, "t.pass(); console.error('last words'); process.exit(3);");
  t.match(beside, { passed: 1, failed: 1, failures: /last words[^]*ended by exit code 3/ });
  const never = await resultOf(t, 'syntax error');
  t.match(never, { passed: 0, failed: 1, failures: /SyntaxError[^]*ended by exit code 1/ });
});

import path from 'node:path';
import t, { type Test } from 'tap';
import { TestProcess } from '../../../scripts/test-process.ts';

/** Paths of test files with these contents; they lie where the packages are found. */
function filesOf(t: Test, ...contents: string[]): string[] {
  const files = contents.map((content, index) => [`${index}.test.mjs`, `import t from 'tap';\n${content}`] as const);
  const directory = t.testdir({ ...Object.fromEntries(files), 'shared.mjs': 'export const seen = [];' });
  return files.map(([name]) => path.join(directory, name));
}

t.test('files share a process and its modules, and each has its own results', async (t) => {
  const files = filesOf(
    t,
    "import { seen } from './shared.mjs'; t.teardown(() => seen.push('end')); t.test('a', async (t) => { seen.push('a'); t.ok(1); });",
    "t.test('b', async (t) => { t.ok(1); t.equal(1, 2, 'is it?'); t.setTimeout(1); await new Promise(() => setTimeout(() => {}, 60_000)); });",
    "import { seen } from './shared.mjs'; t.test('c', async (t) => t.same(seen, ['a', 'end'])); t.pass(); t.pass();",
  );
  const tests = new TestProcess(process.env);
  const results = [];
  for (const file of files) results.push(await tests.run(file));
  t.match(results, [
    { passed: 1, failed: 0, failures: '' },
    { passed: 1, failed: 2, failures: /^not ok: b > is it\?\n[^]*not ok: b > timeout!/ },
    { passed: 3, failed: 0, failures: '' },
  ]);
  t.notMatch(results[1]?.failures, 'pragma');
  t.same(tests.files, files);
  t.notOk(tests.hasClosed);
  t.equal(await tests.end(), undefined);
});

t.test('what ends the process is told with the file that ran', async (t) => {
  const [sound = '', leaving = '', beside = '', stuck = ''] = filesOf(
    t,
    't.pass();',
    "t.pass(); console.error('last words'); process.exit(3);",
    "throw new Error('broken');",
    "t.test('stuck', () => new Promise(() => {}));",
  );
  for (const [file, failures] of [
    [leaving, /last words[^]*ended by exit code 3/],
    [beside, /broken[^]*ended by exit code 1/],
    [stuck, /not ok: stuck[^]*ended by exit code 1/],
  ] as const) {
    const tests = new TestProcess(process.env);
    t.match(await tests.run(sound), { passed: 1, failed: 0 });
    t.match(await tests.run(file), { passed: file === leaving ? 1 : 0, failed: 1, failures });
    t.ok(tests.hasClosed);
    t.equal(await tests.end(), undefined, 'which has been told');
  }
});

t.test('the end of a process is told when no test has told it', async (t) => {
  const [sound = '', late = ''] = filesOf(
    t,
    't.pass();',
    "t.pass(); process.on('disconnect', () => { console.error('late'); process.exit(2); });",
  );
  const tests = new TestProcess(process.env);
  t.match(await tests.run(late), { passed: 1, failed: 0 });
  t.match(await tests.end(), /late\n[^]*ended by exit code 2$/);
  const good = new TestProcess(process.env);
  await good.run(sound);
  t.equal(await good.end(), undefined);
});

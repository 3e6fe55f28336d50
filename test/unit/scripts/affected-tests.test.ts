import path from 'node:path';
import t from 'tap';
import { affectedTests } from '../../../scripts/affected-tests.ts';

t.test('a change affects the tests that import or start the file, directly or not, and no others', async (t) => {
  const folder = path.relative(
    process.cwd(),
    t.testdir({
      'a.test.ts': "import { a } from './lib/a.ts';",
      'b.test.ts': "const program = path.join(import.meta.dirname, './lib/b.ts');",
      'c.test.ts': "import { c } from './lib/gone.ts';",
      lib: {
        'a.ts': "export { deep as a } from '../deep.ts';\nimport './b.ts';",
        'b.ts': "import type { A } from './a.ts';",
      },
      'deep.ts': 'export const deep = 1;',
    }),
  );
  const tests = ['a.test.ts', 'b.test.ts', 'c.test.ts'].map((name) => path.join(folder, name));
  const affectedBy = async (...changed: string[]): Promise<string[]> => {
    const found = await affectedTests(tests, new Set(changed.map((name) => path.join(folder, name))));
    return found.map((file) => path.basename(file));
  };
  t.same(await affectedBy('deep.ts'), ['a.test.ts', 'b.test.ts'], 'also through a cycle');
  t.same(await affectedBy('c.test.ts'), ['c.test.ts']);
  t.same(await affectedBy('lib/gone.ts'), ['c.test.ts']);
  t.same(await affectedBy('other.ts'), []);
});

/** The JSON paths of printer columns. */
import t from 'tap';
import { parseJsonPath, valuesAt } from '../../../api/machinery/json-path.ts';

const OBJECT = {
  spec: { name: 'n', 'a.b': 1, 'a-b': 2, list: [1, 2, 3, 4], 'it"s': 5, empty: null },
  status: {
    ready: true,
    conditions: [
      { type: 'Ready', status: 'True', age: 3, tag: 'x)y' },
      { type: 'Warning', status: 'False', age: 7 },
      { type: 'Synced', status: 'True' },
    ],
  },
};

for (const [path, found] of [
  ['.spec.name', ['n']],
  ['.spec.nope.name', []],
  ['.spec.empty', []],
  ['.spec.a\\.b', [1]],
  [".spec['a.b']", [1]],
  ['.spec["a.b"]', [1]],
  ['.spec.a-b', [2]],
  ['.spec.it"s', [5]],
  ['.spec.list[0]', [1]],
  ['.spec.list[-1]', [4]],
  ['.spec.list[9]', []],
  ['.spec.list[1:3]', [2, 3]],
  ['.spec.list[-2:]', [3, 4]],
  ['.spec.list[:2]', [1, 2]],
  ['.spec.list[::2]', [1, 3]],
  ['.spec.list[::0]', []],
  ['.spec.list[0,2]', [1, 3]],
  ['.spec.list[*]', [1, 2, 3, 4]],
  ['.status.conditions[?(@.type=="Ready")].status', ['True']],
  [".status.conditions[?(@.type=='Ready')].status", ['True']],
  ['.status.conditions[?(@.type == "Ready")].status', ['True']],
  ['.status.conditions[?(@.type!="Ready")].type', ['Warning', 'Synced']],
  ['.status.conditions[?(@.age>3)].type', ['Warning']],
  ['.status.conditions[?(@.age<=3)].type', ['Ready']],
  ['.status.conditions[?(@.age)].type', ['Ready', 'Warning']],
  ['.status.conditions[?(@.tag=="x)y")].type', ['Ready']],
  ['.status.conditions[?(@.type=="Ready")].status "!"', ['!']],
  ['.spec.name}/{.status.ready', ['n']],
  ['..status', [OBJECT.status, 'True', 'False', 'True']],
  ['.status..type', ['Ready', 'Warning', 'Synced']],
  ['.spec.name other', []],
  ['.constructor', []],
  ['.spec.__proto__', []],
] as const)
  t.test(`${path} is found`, async (t) => {
    const steps = parseJsonPath(path);
    t.strictSame(steps && valuesAt(OBJECT, steps), found);
  });

for (const path of ['', '.spec[', '.spec[x]', '.a | .b', '.a[?(@.b', '.a[?(@.b)', '.a....b', '.a "b', '.a[1:2:3:4]'])
  t.test(`${JSON.stringify(path)} is no path`, async (t) => t.equal(parseJsonPath(path), undefined));

t.test('hostile paths are bounded', async (t) => {
  t.equal(parseJsonPath('.a[?(@'.repeat(10_000) + ')]'.repeat(10_000)), undefined);
  const nested = (depth: number): string => (depth === 0 ? '@.a' : `@.a[?(${nested(depth - 1)})]`);
  t.equal(parseJsonPath(nested(50).slice(1)), undefined, 'filters in filters');
  const wide = { list: Array.from({ length: 300 }, () => ({ list: Array.from({ length: 30 }, () => ({ a: 1 })) })) };
  const steps = parseJsonPath('..*..*..*..*..*') ?? [];
  t.strictSame(valuesAt(wide, steps), [], 'what visits too much finds nothing');
});

import { RuleTester } from 'eslint';
import t from 'tap';
import tseslint from 'typescript-eslint';
import ownKeys from '../../../eslint/own-keys.js';

RuleTester.describe = (_name: string, cases: () => void) => cases();
RuleTester.it = (name: string, check: () => void) => void t.test(name, async () => check());

const tester = new RuleTester({
  languageOptions: {
    parser: tseslint.parser,
    parserOptions: {
      projectService: { allowDefaultProject: ['*.ts'] },
      tsconfigRootDir: new URL('../../..', import.meta.url).pathname,
    },
  },
});

const GIVEN = `
  declare const key: string;
  declare const labels: Record<string, string>;
  declare const wanted: 'cpu' | 'memory';
  declare const list: string[];
  declare const at: number;
  declare const table: ReadonlyMap<string, string>;
  const constants = { cpu: 1, memory: 2 } as const;
`;

const valid: readonly (readonly [name: string, code: string])[] = [
  ['a key that is a literal', 'labels.app; labels["app"] = "web";'],
  ['a key that is a union of literals', 'constants[wanted];'],
  ['an index of a list', 'list[at]; list[0] = "";'],
  ['a Map', 'table.get(key);'],
  ['a key enumerated off the same object', 'for (const name in labels) labels[name] = labels[name] + "!";'],
  ['a key of Object.keys of the same object', 'for (const name of Object.keys(labels)) void labels[name];'],
  [
    'a key of the type that is looked into',
    'function f<T, K extends keyof T>(object: T, name: K) { return object[name]; }',
  ],
  ['deleting, which concerns own properties only', 'delete labels[key];'],
  ['a computed key of an object literal, which becomes its own', 'void { [key]: 1 };'],
  ['assigning from an object with known fields', 'Object.assign({}, constants);'],
];

const invalid: readonly (readonly [name: string, code: string, messageId: string])[] = [
  ['reading with any string', 'labels[key];', 'read'],
  ['reading with an optional chain', 'declare const maybe: Record<string, string> | undefined; maybe?.[key];', 'read'],
  ['reading with a string that is asserted to be a key', 'constants[key as keyof typeof constants];', 'read'],
  ['reading with a string among literals', 'declare const mixed: "a" | (string & {}); labels[mixed];', 'read'],
  ['reading with a key of unknown type', 'declare const some: any; labels[some];', 'read'],
  ['reading with a generic string', 'function f<K extends string>(name: K) { return labels[name]; }', 'read'],
  [
    'reading with a key enumerated off another object',
    'declare const other: Record<string, string>; for (const name in other) labels[name];',
    'read',
  ],
  ['destructuring with any string', 'const { [key]: value } = labels; void value;', 'read'],
  ['writing with any string', 'labels[key] = "";', 'write'],
  ['asking with "in"', 'key in labels;', 'in'],
  ['assigning whatever keys there are', 'Object.assign({}, labels);', 'assign'],
];

tester.run('own-keys', ownKeys, {
  valid: valid.map(([name, code]) => ({ name: `allows ${name}`, code: GIVEN + code })),
  invalid: invalid.map(([name, code, messageId]) => ({
    name: `refuses ${name}`,
    code: GIVEN + code,
    errors: [{ messageId }],
  })),
});

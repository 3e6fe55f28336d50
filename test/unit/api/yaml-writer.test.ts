import t from 'tap';
import { parse } from 'yaml';
import { parseYaml } from '../../../api/machinery/yaml.ts';
import { writeYaml } from '../../../api/machinery/yaml-writer.ts';

t.test('written YAML reads back the same as YAML 1.1 and 1.2', async (t) => {
  const strings = [
    ...[
      '',
      'a',
      'yes',
      'No',
      'y',
      'on',
      'true',
      'null',
      '~',
      '1',
      '0755',
      '1e3',
      '1:30',
      '2026-01-01',
      '.inf',
      '-',
      '- a',
    ],
    ...[
      'nginx:1.25',
      'a: b',
      'a:',
      'a #b',
      '#',
      '!x',
      '&a',
      '*a',
      '%',
      '@',
      '`',
      '"',
      "'",
      '{}',
      '[]',
      '|',
      '>',
      '?',
      ' a',
      'a ',
    ],
    ...[
      'a\nb',
      'a\n',
      '\t',
      'é',
      '\u0085',
      '\u2028',
      '\u0000',
      '\ufeff',
      '\u{1f600}',
      '<<',
      '=',
      'a b c',
      'key/name',
      '__proto__',
    ],
  ];
  const values = [
    ...[null, true, 0, -1.5, 1e21, [], {}, 'x', [[]], [{}], [[1, [2]], 3], [{ a: [1, { b: [] }], c: {} }]],
    { b: strings, a: Object.fromEntries(strings.map((text) => [text, text])), c: [strings, { d: [strings] }] },
  ];
  for (const value of values) {
    const text = writeYaml(value);
    t.strictSame(parseYaml(text).value, JSON.parse(JSON.stringify(value)), text.slice(0, 40));
    t.strictSame(parse(text), value);
  }
  t.equal(writeYaml({ kind: 'Pod', items: [{ b: 1, a: 'x' }] }), 'items:\n- a: x\n  b: 1\nkind: Pod\n');
});

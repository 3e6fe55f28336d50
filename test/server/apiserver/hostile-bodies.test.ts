import t from 'tap';
import { Warnings } from '../../../control-plane/apiserver/http/warnings.ts';
import { CONFIG_MAPS, PODS, configMap, TestServer, type Answer } from './server.ts';

const YAML = 'application/yaml';
const DRY = '?dryRun=All';

t.test(
  'bodies that nest, expand or copy without bound are rejected with a Status, and the server stays up',
  async (t) => {
    await using server = await TestServer.start();
    await server.call('POST', CONFIG_MAPS, { body: configMap('a') });
    const deep = '{"a":'.repeat(50_000) + '1' + '}'.repeat(50_000);
    const bomb = ['a: &a [x,x,x,x,x,x,x,x,x]'];
    for (const [index, name] of [...'bcdefgh'].entries()) {
      const before = `*${'abcdefg'[index]}`;
      bomb.push(`${name}: &${name} [${Array<string>(9).fill(before).join(',')}]`);
    }
    const copies = Array.from({ length: 1000 }, (_, i) => ({ op: 'copy', from: '/data', path: `/data/k${i}` }));
    const many = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{"containers":[${'{},'.repeat(60_000)}{}]}}`;
    const cases: [method: string, path: string, type: string, body: unknown, code: number, message: RegExp][] = [
      ['POST', CONFIG_MAPS, '', deep, 400, /^couldn't get version\/kind; json parse error: exceeded max depth$/],
      ['PATCH', `${CONFIG_MAPS}/a`, 'application/merge-patch+json', deep, 400, /exceeded max depth/],
      ['PATCH', `${CONFIG_MAPS}/a`, 'application/strategic-merge-patch+json', deep, 400, /exceeded max depth/],
      [
        'POST',
        CONFIG_MAPS,
        YAML,
        `a: ${'['.repeat(20_000)}`,
        400,
        /^error converting YAML to JSON: yaml: exceeded max depth/,
      ],
      ['POST', CONFIG_MAPS, YAML, bomb.join('\n'), 400, /yaml: document contains excessive aliasing$/],
      ['POST', CONFIG_MAPS, YAML, `a:\n${'- b: 1\n'.repeat(100_000)}`, 413, /^YAML of more than 150000 tokens/],
      ['POST', PODS, 'application/json', many, 413, /^Request entity too large: limit is 50000 objects$/],
      [
        'PATCH',
        `${CONFIG_MAPS}/a`,
        'application/json-patch+json',
        copies,
        422,
        /^the server rejected our request due to an error in our request$/,
      ],
    ];
    for (const [method, path, type, body, code, message] of cases) {
      const answer = await server.call(method, path, { body, type });
      t.match(answer.body, { kind: 'Status', code, message }, message.source);
    }
    t.equal((await server.call('GET', `${CONFIG_MAPS}/a`)).status, 200);
  },
);

t.test('YAML with many aliases of small values is accepted', async (t) => {
  await using server = await TestServer.start();
  const variables = Array.from({ length: 200 }, (_, index) => `    - {name: V${index}, value: *i}\n`).join('');
  const body = `apiVersion: v1\nkind: Pod\nmetadata: {name: many}\nspec:\n  containers:\n  - name: c\n    image: &i a/b:1.0\n    env:\n${variables}`;
  t.equal((await server.call('POST', PODS + DRY, { type: YAML, body })).status, 201);
});

const warningsOf = ({ headers }: Answer): string[] => [
  ...String(headers.warning)
    .matchAll(/299 - "((?:[^"\\]|\\.)*)"/g)
    .map(([, text]) => text ?? ''),
];

t.test('the number of reported unknown and duplicate fields is limited', async (t) => {
  await using server = await TestServer.start();
  const json = (fields: string) => `{"metadata":{"name":"a"},${fields}}`;
  const list = (text: (index: number) => string) => Array.from({ length: 20_000 }, (_, i) => text(i)).join(',');
  const bodies: [type: string, body: string][] = [
    ['application/json', json(list((i) => `"unknownFieldOfSomeLength${i}":1`))],
    ['application/json', json(`"data":{${list((i) => `"a${i}":"","a${i}":""`)}}`)],
    ['application/json', json(`"data":{${list(() => '"a":""')}}`)],
    [YAML, `metadata: {name: a}\ndata:\n${'  a: b\n'.repeat(15_000)}`],
  ];
  for (const [type, body] of bodies) {
    const warned = await server.call('POST', CONFIG_MAPS + DRY, { type, body });
    t.equal(warned.status, 201);
    const warnings = warningsOf(warned);
    const length = warnings.reduce((sum, text) => sum + text.replaceAll('\\', '').length, 0);
    t.ok(warnings.length > 0 && warnings.length <= 100, `${warnings.length} warnings`);
    t.ok(length <= 4096 + 256, `${length} characters`);
    const strict = await server.call('POST', `${CONFIG_MAPS}${DRY}&fieldValidation=Strict`, { type, body });
    t.equal(strict.status, 400);
    t.ok(strict.text.length < 16_384, `${strict.text.length} characters`);
  }
});

t.test('warnings are truncated when they are too long in total, and then dropped', async (t) => {
  const few = new Warnings();
  for (const text of ['one', '', 'two "quoted"', 'one']) few.add(text);
  t.strictSame(few.headers(), ['299 - "one"', '299 - "two \\"quoted\\""']);
  const long = new Warnings();
  long.add('a'.repeat(4000));
  t.equal(long.headers()[0]?.length, 4000 + '299 - ""'.length);
  for (let index = 0; index < 1000; index++) long.add(`${index} ${'é'.repeat(300)}`);
  const headers = long.headers();
  t.equal(headers.length, 16, 'sixteen times 256 characters are 4096');
  t.ok(headers.every((header) => header.length <= 256 + '299 - ""'.length));
});

t.test('unpaired surrogates become U+FFFD in values and keys, pairs are kept', async (t) => {
  await using server = await TestServer.start();
  const body = '{"metadata":{"name":"a","annotations":{"k":"\\ud800x\\ud83d\\ude00\\\\ud800"}},"data":{"k":"\\udc00"}}';
  t.equal((await server.call('POST', CONFIG_MAPS, { body, type: 'application/json' })).status, 201);
  const { text, body: list } = await server.call('GET', CONFIG_MAPS);
  t.notMatch(text, /[^\\]\\ud/, 'responses have no escapes that only JavaScript can read');
  t.match(list.items?.[0], {
    metadata: { annotations: { k: '\ufffdx\u{1f600}\\ud800' } },
    data: { k: '\ufffd' },
  });
  const patch = '{"metadata":{"labels":null,"annotations":{"\\uDFFF":"\\uD800\\u0041"}}}';
  const patched = await server.call('PATCH', `${CONFIG_MAPS}/a`, { body: patch, type: 'application/merge-patch+json' });
  t.match(patched.body, { code: 422, message: /metadata.annotations: Invalid value: "\ufffd"/ });
  const yaml = 'metadata: {name: b, annotations: {k: "\\ud800"}}';
  t.match((await server.call('POST', CONFIG_MAPS, { body: yaml, type: YAML })).body, { code: 400 });
});

t.test('objects are limited to 1.5 MiB, however they grow', async (t) => {
  await using server = await TestServer.start();
  await server.call('POST', PODS, {
    body: { metadata: { name: 'a' }, spec: { containers: [{ name: 'a', image: 'b' }] } },
  });
  const grow = (key: string) =>
    server.call('PATCH', `${PODS}/a/status`, {
      type: 'application/merge-patch+json',
      body: { status: { [key]: 'x'.repeat(1_000_000) } },
    });
  t.equal((await grow('message')).status, 200);
  t.match((await grow('reason')).body, { code: 413, reason: 'RequestEntityTooLarge' });
});

/** Bodies: JSON, YAML and protobuf that is broken, deep, long or means something else than it seems. */
import { badRequest, invalid, status, type HostileRequest } from '../table.ts';

const CONFIG_MAPS = '/api/v1/namespaces/team/configmaps';
const POST = `POST ${CONFIG_MAPS}?dryRun=All`;
const STRICT = `${POST}&fieldValidation=Strict`;
const MiB = 2 ** 20;
const NO_KIND = /^couldn't get version\/kind; json parse error: /;
const unparsable = (name: string, body: string) =>
  ({ name, request: POST, body, expect: badRequest(NO_KIND) }) as const;
const cannot = (why: string | RegExp) =>
  badRequest(typeof why === 'string' ? `ConfigMap in version "v1" cannot be handled as a ConfigMap: ${why}` : why);
/** `n` objects, one in the other. */
const nested = (n: number, open: string, close: string): string => `${open.repeat(n)}1${close.repeat(n)}`;

export const JSON_BODIES = [
  unparsable('nothing', ''),
  unparsable('blanks', ' \n\t'),
  unparsable('half an object', '{"metadata":'),
  unparsable('two objects', '{}{}'),
  unparsable('a number', '5'),
  unparsable('a string', '"constructor"'),
  unparsable('a list', '[]'),
  unparsable('a list of objects', '[{"metadata":{"name":"a"}}]'),
  unparsable('a comment', '{/* */}'),
  unparsable('NaN', '{"metadata":{"name":NaN}}'),
  unparsable('an apostrophe', "{'metadata':{}}"),
  unparsable('a comma at the end', '{"metadata":{},}'),
  unparsable('a NUL byte', '{"metadata":{}}\u0000'),
  { name: 'null', request: POST, body: 'null', expect: { code: 422, reason: 'Invalid' } },
  {
    name: 'bytes that are no UTF-8',
    request: POST,
    body: Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]),
    expect: { code: 422 },
  },
  { name: 'a byte order mark', request: POST, body: '\ufeff{"metadata":{"name":"a"}}', expect: badRequest(NO_KIND) },
  { name: 'an array 3 MiB deep', request: POST, body: () => '['.repeat(3 * MiB - 10), expect: badRequest() },
  { name: 'an object 3 MiB deep', request: POST, body: () => nested(500_000, '{"a":', '}'), expect: badRequest() },
  {
    name: 'an array of arrays in a field that is a string',
    request: POST,
    body: () => `{"metadata":{"name":${nested(500_000, '[', ']')}}}`,
    expect: badRequest(),
  },
  {
    name: 'an object that is deep where nobody looks',
    request: POST,
    body: () => `{"metadata":{"name":"a"},"constructor":${nested(500_000, '{"a":', '}')}}`,
    expect: badRequest(),
  },
  {
    name: 'nesting within the limit',
    request: POST,
    body: () => `{"metadata":{"name":"deep"},"x":${nested(900, '[', ']')}}`,
    expect: { code: 201 },
  },
  {
    name: '3 MiB and a byte',
    request: POST,
    body: () => `{"metadata":{"name":"a"},"data":{"a":"${'x'.repeat(3 * MiB)}"}}`,
    expect: status(413, 'RequestEntityTooLarge', 'Request entity too large: limit is 3145728'),
  },
  {
    name: 'a ConfigMap of more than a mebibyte',
    request: POST,
    body: () => `{"metadata":{"name":"a"},"data":{"a":"${'x'.repeat(MiB + 1)}"}}`,
    expect: invalid(/: Too long: may not be more than 1048576 bytes$/),
  },
  {
    name: '99,000 fields that nobody knows',
    request: POST,
    body: () => `{"metadata":{"name":"a"},${Array.from({ length: 99_000 }, (_, index) => `"f${index}":1`).join(',')}}`,
    expect: { code: 201 },
  },
  {
    name: '99,000 fields that nobody knows, strictly',
    request: STRICT,
    body: () => `{"metadata":{"name":"a"},${Array.from({ length: 99_000 }, (_, index) => `"f${index}":1`).join(',')}}`,
    expect: { code: 400, reason: 'BadRequest' },
  },
  {
    name: 'one field 100,000 times',
    request: POST,
    body: () => `{"metadata":{"name":"a"},"data":{${'"k":"v",'.repeat(99_999)}"k":"v"}}`,
    expect: { code: 201 },
  },
  {
    name: 'one field 100,000 times, strictly',
    request: STRICT,
    body: () => `{"metadata":{"name":"a"},"data":{${'"k":"v",'.repeat(99_999)}"k":"v"}}`,
    expect: { code: 400, reason: 'BadRequest' },
  },
  {
    name: 'a field twice, strictly',
    request: STRICT,
    body: '{"metadata":{"name":"a","name":"b"}}',
    expect: cannot('strict decoding error: duplicate field "metadata.name"'),
  },
  {
    name: 'a field __proto__',
    request: POST,
    body: '{"metadata":{"name":"a"},"__proto__":{"data":{"x":"y"}}}',
    expect: { code: 201, text: /^(?![^]*"x":"y")/ },
  },
  {
    name: 'a field __proto__, strictly',
    request: STRICT,
    body: '{"metadata":{"name":"a"},"__proto__":{}}',
    expect: cannot('strict decoding error: unknown field "__proto__"'),
  },
  {
    name: 'a field constructor, strictly',
    request: STRICT,
    body: '{"metadata":{"name":"a"},"constructor":{}}',
    expect: cannot('strict decoding error: unknown field "constructor"'),
  },
  {
    name: 'data called __proto__',
    request: POST,
    body: '{"metadata":{"name":"a"},"data":{"__proto__":"x"}}',
    expect: { code: 201, text: /"__proto__":"x"/ },
  },
  {
    name: 'labels called constructor and __proto__',
    request: POST,
    body: '{"metadata":{"name":"a","labels":{"constructor":"x","toString":"y"}}}',
    expect: { code: 201, text: /"constructor":"x"/ },
  },
  {
    name: 'an annotation called __proto__ is no name',
    request: POST,
    body: '{"metadata":{"name":"a","annotations":{"__proto__":"x"}}}',
    expect: invalid(
      /^ConfigMap "a" is invalid: metadata\.annotations: Invalid value: "__proto__": name part must consist of/,
    ),
  },
  {
    name: 'a number for a name',
    request: POST,
    body: '{"metadata":{"name":5}}',
    expect: cannot('json: cannot unmarshal number into Go struct field ObjectMeta.metadata.name of type string'),
  },
  {
    name: 'an object for a name',
    request: POST,
    body: '{"metadata":{"name":{}}}',
    expect: cannot('json: cannot unmarshal object into Go struct field ObjectMeta.metadata.name of type string'),
  },
  {
    name: 'a list for the metadata',
    request: POST,
    body: '{"metadata":[]}',
    expect: cannot(
      /^ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal array into Go struct field ConfigMap.metadata of type v1.ObjectMeta$/,
    ),
  },
  {
    name: 'a string for labels',
    request: POST,
    body: '{"metadata":{"name":"a","labels":"x"}}',
    expect: cannot(
      'json: cannot unmarshal string into Go struct field ObjectMeta.metadata.labels of type map[string]string',
    ),
  },
  {
    name: 'a lone surrogate in data',
    request: POST,
    body: '{"metadata":{"name":"a"},"data":{"a":"\\ud800"}}',
    expect: { code: 201, text: /"a":"\ufffd"/ },
  },
  {
    name: 'a date that is none',
    request: POST,
    body: '{"metadata":{"name":"a","deletionTimestamp":"constructor"}}',
    expect: { code: 400, reason: 'BadRequest' },
  },
  {
    name: 'another kind',
    request: POST,
    body: '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{"containers":[{"name":"c","image":"i"}]}}',
    expect: badRequest(/cannot be handled as a ConfigMap/),
  },
  {
    name: 'a kind constructor',
    request: POST,
    body: '{"apiVersion":"v1","kind":"constructor","metadata":{"name":"a"}}',
    expect: { code: 400, reason: 'BadRequest' },
  },
  {
    name: 'a version __proto__',
    request: POST,
    body: '{"apiVersion":"__proto__","kind":"ConfigMap","metadata":{"name":"a"}}',
    expect: { code: 400, reason: 'BadRequest' },
  },
  {
    name: 'a version of three parts',
    request: POST,
    body: '{"apiVersion":"a/b/c","kind":"ConfigMap","metadata":{"name":"a"}}',
    expect: { code: 400, reason: 'BadRequest' },
  },
  {
    name: 'the version of another group',
    request: POST,
    body: '{"apiVersion":"apps/v1","kind":"ConfigMap","metadata":{"name":"a"}}',
    expect: { code: 400, reason: 'BadRequest' },
  },
  {
    name: 'a type that nobody reads',
    request: POST,
    type: 'text/plain',
    body: '{}',
    expect: status(
      415,
      'UnsupportedMediaType',
      /^the body of the request was in an unknown format - accepted media types include: application\/json, application\/yaml, application\/vnd\.kubernetes\.protobuf/,
    ),
  },
  {
    name: 'a form',
    request: POST,
    type: 'application/x-www-form-urlencoded',
    body: 'a=b',
    expect: { code: 415, reason: 'UnsupportedMediaType' },
  },
  {
    name: 'a type called __proto__',
    request: POST,
    type: '__proto__',
    body: '{}',
    expect: { code: 415, reason: 'UnsupportedMediaType' },
  },
  {
    name: 'a number past 64 bits',
    request: 'POST /apis/apps/v1/namespaces/team/deployments?dryRun=All',
    body: '{"metadata":{"name":"a"},"spec":{"replicas":1e400}}',
    expect: { code: 400, reason: 'BadRequest' },
  },
  {
    name: 'half a replica',
    request: 'POST /apis/apps/v1/namespaces/team/deployments?dryRun=All',
    body: '{"metadata":{"name":"a"},"spec":{"replicas":0.5}}',
    expect: { code: 400, reason: 'BadRequest' },
  },
] as const satisfies readonly HostileRequest[];

const yaml = (name: string, body: string | (() => string), expect: HostileRequest['expect'], request = POST) =>
  ({ name, request, type: 'application/yaml', body, expect }) as const;
/** Reading YAML costs more than reading JSON, and is bounded by what there is to read. */
const tooLong = (name: string, body: () => string) =>
  ({
    ...yaml(name, body, status(413, 'RequestEntityTooLarge', /^YAML of more than \d+ tokens is not read/)),
    differs: 'YAML is bounded by its tokens, too, where upstream bounds its bytes alone',
  }) as const;
const HEAD = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n';
/** Each alias names ten of the one before. */
const bomb = (levels: number): string =>
  `${HEAD}data:\n  a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n${Array.from({ length: levels }, (_, index) => `  a${index + 1}: &a${index + 1} [${`*a${index},`.repeat(9)}*a${index}]\n`).join('')}`;

export const YAML_BODIES = [
  yaml('a bomb of aliases', () => bomb(9), badRequest()),
  yaml(
    '2,000 aliases of a long text',
    () =>
      `${HEAD}x: &x "${'x'.repeat(1_000_000)}"\ndata:\n${Array.from({ length: 2_000 }, (_, index) => `  k${index}: *x\n`).join('')}`,
    { code: 413, reason: 'RequestEntityTooLarge' },
  ),
  yaml(
    'a long key, repeated by 100 aliases',
    () => `${HEAD}x: &x "${'x'.repeat(1_000_000)}"\ndata:\n${'  ? *x\n  : v\n'.repeat(100)}`,
    { code: 413, reason: 'RequestEntityTooLarge' },
  ),
  yaml('an alias of nothing', `${HEAD}data: {a: *nobody}`, badRequest()),
  yaml('an alias of itself', `${HEAD}data: &a {b: *a}`, badRequest()),
  yaml(
    '200 honest aliases',
    () => `${HEAD}data:\n  first: &i value\n${Array.from({ length: 200 }, (_, index) => `  k${index}: *i\n`).join('')}`,
    { code: 201 },
  ),
  yaml('10,000 repeated keys', () => `${HEAD}data:\n${'  k: v\n'.repeat(10_000)}`, { code: 201 }),
  yaml(
    '10,000 repeated keys, strictly',
    () => `${HEAD}data:\n${'  k: v\n'.repeat(10_000)}`,
    { code: 400, reason: 'BadRequest' },
    STRICT,
  ),
  tooLong('50,000 repeated keys', () => `${HEAD}data:\n${'  k: v\n'.repeat(50_000)}`),
  yaml('a key of two kinds that is the same', `${HEAD}data:\n  1: a\n  "1": b\n`, { code: 201 }),
  yaml('100,000 opening brackets', () => '['.repeat(100_000), badRequest()),
  yaml('100,000 opening braces', () => '{a: '.repeat(100_000), badRequest()),
  yaml('a sequence of 50,000 levels', () => '- '.repeat(50_000), badRequest()),
  yaml(
    'indentation of 2,000 levels',
    () => Array.from({ length: 2_000 }, (_, index) => `${' '.repeat(index)}a:\n`).join(''),
    badRequest(),
  ),
  yaml('a tag of JavaScript is a string', `${HEAD}data: {a: !!js/function "function () {}"}`, { code: 201 }),
  yaml('a tag of Python', `!!python/object/apply:os.system ["id"]`, badRequest()),
  yaml('a tab', 'metadata:\n\tname: a', badRequest()),
  yaml('two documents', `${HEAD}---\n${HEAD}`, { code: 201 }),
  yaml('a merge of everything', `${HEAD}x: &x {data: {a: b}}\n<<: *x\n`, { code: 201, text: /"a":"b"/ }),
  yaml('a merge of a string', `${HEAD}<<: constructor\n`, badRequest()),
  yaml('a key __proto__', `${HEAD}data: {__proto__: x}`, { code: 201, text: /"__proto__":"x"/ }),
  yaml('a key that is an object', `${HEAD}? {a: b}\n: c\n`, badRequest()),
  yaml('a key that is null', `${HEAD}data: {~: x}`, badRequest()),
  {
    ...yaml('a number past all numbers', `${HEAD}data: {a: ${'9'.repeat(400)}}`, badRequest(/unsupported value/)),
    differs: 'a number that is none in JSON is refused, where upstream keeps its digits as a string',
  },
  yaml('a character that is none', `${HEAD}data: {a: "\ufffe"}`, badRequest()),
  yaml('a control character', `${HEAD}data: {a: "\u0007"}`, badRequest()),
  yaml(
    '3 MiB of a plain scalar',
    () => `${HEAD}data: {a: ${'x '.repeat(1.4 * MiB)}}`,
    invalid(/: Too long: may not be more than 1048576 bytes$/),
  ),
  yaml('3 MiB of colons', () => ':'.repeat(3 * MiB - 1), badRequest()),
  tooLong('100,000 comments', () => `${'#\n'.repeat(100_000)}${HEAD}`),
  tooLong('1,000,000 empty lines', () => `${'\n'.repeat(1_000_000)}${HEAD}`),
] as const satisfies readonly HostileRequest[];

const protobuf = (name: string, body: Buffer | (() => Buffer), expect: HostileRequest['expect'] = badRequest()) =>
  ({ name, request: POST, type: 'application/vnd.kubernetes.protobuf', body, expect }) as const;
const MAGIC = Buffer.from([0x6b, 0x38, 0x73, 0x00]);
/** A field of a protobuf message: its number, and bytes. */
const field = (number: number, content: Buffer): Buffer =>
  Buffer.concat([varint((number << 3) | 2), varint(content.length), content]);
const varint = (value: number): Buffer => {
  const bytes: number[] = [];
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
  return Buffer.from([...bytes, value]);
};
const text = (value: string): Buffer => Buffer.from(value);
/** `runtime.Unknown`: the type, and the message. */
const unknown = (apiVersion: string, kind: string, message: Buffer): Buffer =>
  Buffer.concat([
    MAGIC,
    field(1, Buffer.concat([field(1, text(apiVersion)), field(2, text(kind))])),
    field(2, message),
  ]);
const deepProtobuf = (levels: number): Buffer => {
  let inner: Buffer = Buffer.alloc(0);
  for (let level = 0; level < levels; level++) inner = field(1, inner);
  return inner;
};

export const PROTOBUF_BODIES = [
  protobuf('nothing', Buffer.alloc(0)),
  protobuf('JSON', text('{"metadata":{"name":"a"}}')),
  protobuf('the magic alone', MAGIC),
  protobuf('half the magic', MAGIC.subarray(0, 2)),
  protobuf('a length that never ends', Buffer.concat([MAGIC, Buffer.alloc(100, 0xff)])),
  protobuf('a field longer than the body', Buffer.concat([MAGIC, Buffer.from([0x0a, 0xff, 0xff, 0xff, 0x7f])])),
  protobuf('a wire type that is none', Buffer.concat([MAGIC, Buffer.from([0x0f])])),
  protobuf('a field number 0', Buffer.concat([MAGIC, Buffer.from([0x02, 0x00])])),
  protobuf('an end of a group', Buffer.concat([MAGIC, Buffer.from([0x0c])])),
  protobuf('a kind constructor', unknown('v1', 'constructor', Buffer.alloc(0))),
  protobuf('a version __proto__', unknown('__proto__', 'ConfigMap', Buffer.alloc(0))),
  protobuf('another kind', unknown('v1', 'Pod', Buffer.alloc(0))),
  protobuf('random bytes', unknown('v1', 'ConfigMap', Buffer.from('8f3ac1ffee00ffee00ffee', 'hex'))),
  protobuf('10,000 levels', () => unknown('v1', 'ConfigMap', deepProtobuf(10_000)), { code: 422, reason: 'Invalid' }),
  protobuf('a name that is no UTF-8', unknown('v1', 'ConfigMap', field(1, field(1, Buffer.from([0xff, 0xfe])))), {
    code: 422,
  }),
  protobuf(
    'data called __proto__',
    unknown(
      'v1',
      'ConfigMap',
      Buffer.concat([
        field(1, field(1, text('a'))),
        field(2, Buffer.concat([field(1, text('__proto__')), field(2, text('x'))])),
      ]),
    ),
    { code: 201, text: /"__proto__":"x"/ },
  ),
] as const satisfies readonly HostileRequest[];

/** Patches that grow, climb, or change what must not change. */
import { badRequest, invalid, notFound, status, type HostileRequest } from '../table.ts';

const TARGET = '/api/v1/namespaces/team/configmaps/settings?dryRun=All';
const POD = '/api/v1/namespaces/team/pods/web?dryRun=All';
const json = (name: string, body: unknown, expect: HostileRequest['expect'], request = `PATCH ${TARGET}`) =>
  ({ name, request, type: 'application/json-patch+json', body: body as object, expect }) as const;
const merge = (
  name: string,
  body: string | object | (() => string),
  expect: HostileRequest['expect'],
  request = `PATCH ${TARGET}`,
) => ({ name, request, type: 'application/merge-patch+json', body, expect }) as const;
const strategic = (
  name: string,
  body: string | object | (() => string),
  expect: HostileRequest['expect'],
  request = `PATCH ${POD}`,
) => ({ name, request, type: 'application/strategic-merge-patch+json', body, expect }) as const;
const REFUSED = invalid('the server rejected our request due to an error in our request');
const KiB = 1024;

const LONG_NAME = 'k'.repeat(400_000);

export const PATCHES = [
  {
    name: 'an apply with a thousand wrong fields below a long name',
    request: 'PATCH /api/v1/namespaces/team/pods/long?fieldManager=a&dryRun=All',
    type: 'application/apply-patch+yaml',
    body: () => {
      const env = Array.from({ length: 1_000 }, (_, index) => ({ name: `e${index}`, value: {} }));
      const spec = { containers: [{ name: LONG_NAME, image: 'x', env }] };
      return JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'long' }, spec });
    },
    expect: { code: 500, message: /^failed to create typed patch object .{1,1000000}$/s },
  },
  json('an object', {}, badRequest(/^json: cannot unmarshal object into Go value of type/)),
  json('operations that are null', [null], { code: 400 }),
  json('an operation constructor', [{ op: 'constructor', path: '/data/a' }], REFUSED),
  json('an operation without a path', [{ op: 'add' }], { code: 422 }),
  json('a path without a slash', [{ op: 'add', path: 'data', value: {} }], REFUSED),
  json('a path through __proto__', [{ op: 'add', path: '/__proto__/polluted', value: 'x' }], REFUSED),
  json('a path through constructor', [{ op: 'add', path: '/constructor/prototype/polluted', value: 'x' }], REFUSED),
  json('a removal of toString', [{ op: 'remove', path: '/toString' }], REFUSED),
  json('a test of __proto__', [{ op: 'test', path: '/__proto__', value: null }], { code: 200 }),
  json('a copy from constructor', [{ op: 'copy', from: '/constructor/name', path: '/data/a' }], REFUSED),
  json('a copy from what is not there', [{ op: 'copy', from: '/nothing/deeper', path: '/data/a' }], REFUSED),
  json('a removal of everything', [{ op: 'remove', path: '' }], { code: 422 }),
  json('everything replaced by a number', [{ op: 'replace', path: '', value: 5 }], { code: 422 }),
  json(
    'a path of a million steps',
    () => JSON.stringify([{ op: 'add', path: '/a'.repeat(1_000_000), value: 1 }]),
    REFUSED,
  ),
  json('an index past the end', [{ op: 'add', path: '/metadata/ownerReferences/99', value: {} }], REFUSED),
  json(
    '10,001 operations',
    () => JSON.stringify(Array.from({ length: 10_001 }, () => ({ op: 'test', path: '/data', value: 1 }))),
    status(413, 'RequestEntityTooLarge', 'The allowed maximum operations in a JSON patch is 10000, got 10001'),
  ),
  json(
    'copies that double 20 times',
    () =>
      JSON.stringify([
        { op: 'add', path: '/data/a', value: 'x'.repeat(16 * KiB) },
        ...Array.from({ length: 20 }, (_, index) => ({ op: 'copy', from: '/data', path: `/data/c${index}` })),
      ]),
    REFUSED,
  ),
  json(
    '2,000 copies of 64 KiB',
    () =>
      JSON.stringify([
        { op: 'add', path: '/data/a', value: 'x'.repeat(64 * KiB) },
        ...Array.from({ length: 2_000 }, (_, index) => ({ op: 'copy', from: '/data/a', path: `/data/c${index}` })),
      ]),
    REFUSED,
  ),
  json('a path of 100,000 parts', () => JSON.stringify([{ op: 'add', path: '/a'.repeat(100_000), value: 1 }]), REFUSED),
  json(
    'a patch of what is not there',
    [],
    notFound('configmaps "constructor" not found'),
    'PATCH /api/v1/namespaces/team/configmaps/constructor',
  ),
  merge('a list', [], { code: 400 }),
  merge('a string', '"x"', { code: 400 }),
  merge('half an object', '{"data":', badRequest()),
  merge('__proto__', '{"__proto__":{"data":{"polluted":"x"}}}', { code: 200, text: /^(?![^]*polluted)/ }),
  merge('constructor.prototype', '{"constructor":{"prototype":{"polluted":"x"}}}', {
    code: 200,
    text: /^(?![^]*polluted)/,
  }),
  merge('data called __proto__', '{"data":{"__proto__":"x"}}', { code: 200, text: /"__proto__":"x"/ }),
  merge('100,000 levels', () => `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`, badRequest()),
  merge('another name', { metadata: { name: 'other' } }, { code: 400 }),
  merge('another uid', { metadata: { uid: 'x' } }, { code: 409, reason: 'Conflict' }),
  merge(
    'an older resourceVersion',
    { metadata: { resourceVersion: '1' } },
    status(
      409,
      'Conflict',
      'Operation cannot be fulfilled on configmaps "settings": the object has been modified; please apply your changes to the latest version and try again',
    ),
  ),
  merge(
    'a resourceVersion that is no number',
    { metadata: { resourceVersion: 'constructor' } },
    { code: 422, reason: 'Invalid' },
  ),
  merge('another kind', { kind: 'Secret' }, { code: 400, reason: 'BadRequest' }),
  strategic(
    'a directive that is none',
    { $patch: 'constructor' },
    status(500, '', /^unknown patch type \[constructor\] in map /),
  ),
  strategic('a deletion of a list that is none', { '$deleteFromPrimitiveList/constructor': ['a'] }, { code: 200 }),
  strategic(
    'an order of elements that is none',
    { spec: { '$setElementOrder/containers': [{ name: 'nobody' }] } },
    { code: 200 },
  ),
  strategic(
    'a merge key that is missing',
    { spec: { containers: [{ image: 'x' }] } },
    { code: 500, text: /does not contain declared merge key: name/ },
  ),
  strategic('an element that is a string', { spec: { containers: ['main'] } }, { code: 500 }),
  strategic('__proto__', '{"__proto__":{"spec":{"hostNetwork":true}}}', {
    code: 200,
    text: /^(?![^]*"hostNetwork":true)/,
  }),
  strategic('100,000 levels', () => `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`, badRequest()),
  strategic(
    'another image of an init container that is not there',
    { spec: { initContainers: [{ name: 'x', image: 'y' }] } },
    invalid(/^Pod "web" is invalid: spec(\.initContainers)?: Forbidden: /),
  ),
  strategic(
    'another node',
    { spec: { nodeName: 'node-b' } },
    invalid(/^Pod "web" is invalid: spec: Forbidden: pod updates may not change fields other than/),
  ),
  {
    name: 'a type of patch that is none',
    request: `PATCH ${TARGET}`,
    type: 'application/json',
    body: {},
    expect: status(
      415,
      'UnsupportedMediaType',
      /^the body of the request was in an unknown format - accepted media types include: application\/json-patch\+json, application\/merge-patch\+json, application\/strategic-merge-patch\+json/,
    ),
  },
  {
    name: 'a type of patch called constructor',
    request: `PATCH ${TARGET}`,
    type: 'constructor',
    body: {},
    expect: { code: 415, reason: 'UnsupportedMediaType' },
  },
  {
    name: 'a type of patch called __proto__',
    request: `PATCH ${TARGET}`,
    type: '__proto__',
    body: {},
    expect: { code: 415, reason: 'UnsupportedMediaType' },
  },
] as const satisfies readonly HostileRequest[];

/** Patches and applies. */
import { A, CONFIG_MAPS, MERGE, named, type Row } from './row.ts';

const STRATEGIC = 'application/strategic-merge-patch+json';
const JSON_PATCH = 'application/json-patch+json';
const APPLY = 'application/apply-patch+yaml';

const patch = (type: string, body: unknown, code: number, reason: string, message: RegExp, more = ''): Row => [
  'PATCH',
  A + more,
  { body, type },
  code,
  reason,
  message,
];
const operation = (...operations: unknown[]): Row =>
  patch(JSON_PATCH, operations, 422, 'Invalid', /the server rejected our request due to an error in our request/);
const MANAGER = '?fieldManager=m';
const applied = (body: unknown, code: number, reason: string, message: RegExp, more = MANAGER): Row =>
  patch(APPLY, body, code, reason, message, more);

export const PATCHES: readonly Row[] = [
  ...['', 'application/json', 'text/plain', 'application/merge-patch+yaml', APPLY.replace('yaml', 'cbor')].map((type) =>
    patch(type, {}, 415, 'UnsupportedMediaType', /accepted media types include: application\/json-patch\+json/),
  ),
  patch(JSON_PATCH, '{}', 400, 'BadRequest', /cannot unmarshal object into Go value of type jsonpatch.Patch/),
  patch(JSON_PATCH, '[', 400, 'BadRequest', /./),
  patch(JSON_PATCH, '[1]', 400, 'BadRequest', /./),
  patch(
    JSON_PATCH,
    Array.from({ length: 10_001 }, () => ({ op: 'test', path: '' })),
    413,
    'RequestEntityTooLarge',
    /maximum operations in a JSON patch is 10000, got 10001/,
  ),
  operation({}),
  operation({ op: 'explode', path: '/data' }),
  operation({ op: 'add', path: 'data' }),
  operation({ op: 'add', path: '/x/y/z', value: 1 }),
  operation({ op: 'remove', path: '/nothing' }),
  operation({ op: 'replace', path: '/nothing/deeper', value: 1 }),
  operation({ op: 'test', path: '/data/k', value: 'other' }),
  operation({ op: 'move', path: '/data' }),
  operation({ op: 'copy', from: '/nothing/deeper', path: '/data/x' }),
  operation({ op: 'add', path: '/metadata/name/x', value: 1 }),
  operation({ op: 'remove', path: '/__proto__' }),
  patch(
    JSON_PATCH,
    [{ op: 'replace', path: '/metadata/name', value: 'b' }],
    400,
    'BadRequest',
    /does not match the name on the URL/,
  ),
  patch(JSON_PATCH, [{ op: 'replace', path: '', value: 1 }], 422, 'Invalid', /./),
  patch(JSON_PATCH, [{ op: 'replace', path: '/data', value: [] }], 422, 'Invalid', /cannot unmarshal array/),
  patch(MERGE, '[]', 400, 'BadRequest', /cannot unmarshal array into Go value of type map\[string\]interface {}/),
  patch(MERGE, '"x"', 400, 'BadRequest', /cannot unmarshal string/),
  patch(MERGE, '{', 400, 'BadRequest', /./),
  patch(MERGE, { data: [] }, 422, 'Invalid', /cannot unmarshal array/),
  patch(MERGE, { metadata: { name: 'b' } }, 400, 'BadRequest', /does not match the name on the URL/),
  patch(MERGE, { metadata: { resourceVersion: '999999' } }, 409, 'Conflict', /the object has been modified/),
  patch(MERGE, { kind: 'Pod' }, 400, 'BadRequest', /cannot be handled as a ConfigMap/),
  patch(MERGE, { apiVersion: 'v2' }, 400, 'BadRequest', /does not match the expected API version/),
  patch(MERGE, { metadata: null }, 400, 'BadRequest', /undeterminable: name must be provided/),
  patch(MERGE, { metadata: { finalizers: ['x'] } }, 422, 'Invalid', /metadata.finalizers\[0\]/),
  patch(STRATEGIC, '[]', 400, 'BadRequest', /./),
  patch(STRATEGIC, { $patch: 'explode' }, 500, '', /unknown patch type \[explode\] in map/),
  patch(STRATEGIC, { metadata: { $patch: 'explode' } }, 500, '', /./),
  patch(STRATEGIC, { data: 1 }, 422, 'Invalid', /./),
  applied({}, 400, 'BadRequest', /./),
  applied(
    { apiVersion: 'v1', kind: 'ConfigMap' },
    422,
    'Invalid',
    /fieldManager: Required value: is required for apply patch/,
    '',
  ),
  applied('a: [', 400, 'BadRequest', /error decoding YAML/),
  applied('- a', 400, 'BadRequest', /./),
  applied({ apiVersion: 'v1', kind: 'Pod', ...named('a') }, 400, 'BadRequest', /invalid object type: \/v1, Kind=Pod/),
  applied(
    { apiVersion: 'v1', kind: 'ConfigMap', ...named('b') },
    400,
    'BadRequest',
    /does not match the name on the URL/,
  ),
  applied(
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', managedFields: [{}] } },
    400,
    'BadRequest',
    /metadata.managedFields must be nil/,
  ),
  applied({ apiVersion: 'v1', kind: 'ConfigMap', ...named('a'), data: [] }, 500, '', /expected map, got \[\]/),
  applied(
    { apiVersion: 'v1', kind: 'ConfigMap', ...named('a'), junk: 1 },
    500,
    '',
    /.junk: field not declared in schema/,
  ),
  applied(
    { apiVersion: 'v1', kind: 'ConfigMap', ...named('a'), data: { k: 'other' } },
    409,
    'Conflict',
    /Apply failed with 1 conflict/,
  ),
  ['PATCH', `${CONFIG_MAPS}/missing`, { body: {}, type: MERGE }, 404, 'NotFound', /"missing" not found/],
];

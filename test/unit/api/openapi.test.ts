import t from 'tap';
import { customDefinition } from '../../../api/machinery/openapi/custom-definition.ts';
import { openApiV2, openApiV3, openApiV3Index, openApiV3Kinds } from '../../../api/machinery/openapi/documents.ts';
import { acceptsProtobuf, openApiV2Protobuf } from '../../../api/machinery/openapi/protobuf.ts';
import { kinds, bodyKinds } from '../../../api/registry.ts';

type Json = Record<string, unknown>;

const source = { builtInKinds: kinds, bodyKinds, serverVersion: 'v1.36.0' };

function referencesOf(value: unknown, found: Set<string>): void {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    if (key === '$ref' && typeof inner === 'string') found.add(inner);
    else referencesOf(inner, found);
  }
}

t.test('every reference in every document resolves to a definition', async (t) => {
  const v2 = openApiV2(source, kinds);
  const found = new Set<string>();
  referencesOf(v2, found);
  for (const reference of found) t.ok(reference.replace('#/definitions/', '') in (v2.definitions as object), reference);
  for (const [name, served] of openApiV3Kinds(kinds)) {
    const document = openApiV3(source, served) as { components: { schemas: object } };
    const references = new Set<string>();
    referencesOf(document, references);
    const missing = [...references].filter(
      (reference) => !(reference.replace('#/components/schemas/', '') in document.components.schemas),
    );
    t.strictSame(missing, [], name);
  }
  t.match(openApiV3Index([['api/v1', 'abc']]), {
    paths: { 'api/v1': { serverRelativeURL: '/openapi/v3/api/v1?hash=abc' } },
  });
});

t.test('has the merge keys and group-version-kinds that clients look for', async (t) => {
  t.match(openApiV2(source, kinds), {
    definitions: {
      'io.k8s.api.core.v1.Pod': { 'x-kubernetes-group-version-kind': [{ group: '', kind: 'Pod', version: 'v1' }] },
      'io.k8s.api.core.v1.PodSpec': {
        required: ['containers'],
        properties: {
          containers: {
            items: { $ref: '#/definitions/io.k8s.api.core.v1.Container' },
            'x-kubernetes-patch-merge-key': 'name',
            'x-kubernetes-patch-strategy': 'merge',
          },
        },
      },
    },
    paths: {
      '/apis/apps/v1/namespaces/{namespace}/deployments/{name}': {
        patch: {
          'x-kubernetes-action': 'patch',
          'x-kubernetes-group-version-kind': { group: 'apps', kind: 'Deployment', version: 'v1' },
        },
      },
    },
  });
});

t.test('a custom resource is described without what clients of version 2 do not understand', (t) => {
  const PRESERVES = { 'x-kubernetes-preserve-unknown-fields': true };
  const KINDS = { 'x-kubernetes-group-version-kind': [{ group: 'example.com', version: 'v1', kind: 'Thing' }] };
  const ofAll = { apiVersion: { type: 'string' }, kind: { type: 'string' }, metadata: { $ref: '#/definitions/Meta' } };
  const common = { description: 'a', type: 'object', properties: ofAll, ...KINDS };
  const word = { type: 'string' };
  const rows: [given: Json, in2: Json][] = [
    [
      { ...word, default: 'a' },
      { ...word, default: 'a' },
    ],
    [{ oneOf: [{ required: ['a'] }], type: 'object' }, { type: 'object' }],
    [{ type: 'object', nullable: true, properties: { a: word }, required: ['a'] }, { required: ['a'] }],
    [{ type: 'object', properties: { a: word }, ...PRESERVES }, PRESERVES],
    [{ type: 'array', ...PRESERVES }, PRESERVES],
    [
      { type: 'array', items: { ...word, not: {} } },
      { type: 'array', items: word },
    ],
    [
      { type: 'object', properties: { a: { ...word, nullable: true }, b: word }, required: ['a', 'b'] },
      { type: 'object', properties: { a: {}, b: word }, required: ['b'] },
    ],
    [
      { type: 'object', properties: { a: { ...word, nullable: true } }, required: ['a'] },
      { type: 'object', properties: { a: {} } },
    ],
    [
      { type: 'object', additionalProperties: { ...word, nullable: true }, required: ['a'] },
      { type: 'object', additionalProperties: {} },
    ],
    [{ 'x-kubernetes-int-or-string': true }, { 'x-kubernetes-int-or-string': true }],
    [
      { 'x-kubernetes-embedded-resource': true, type: 'object', ...PRESERVES },
      { 'x-kubernetes-embedded-resource': true, ...PRESERVES },
    ],
  ];
  for (const [given, in2] of rows) {
    const whole = { type: 'object', properties: { spec: given } };
    t.strictSame(
      customDefinition(whole, common, 2),
      { type: 'object', properties: { spec: in2, ...ofAll }, ...KINDS },
      JSON.stringify(given),
    );
    if (given['x-kubernetes-embedded-resource']) continue;
    t.strictSame(customDefinition(whole, common, 3), { ...whole, properties: { spec: given, ...ofAll }, ...KINDS });
  }
  t.strictSame(customDefinition({ type: 'object', ...PRESERVES, description: 'b' }, common, 2), {
    type: 'object',
    ...KINDS,
  });
  const embedded = {
    'x-kubernetes-embedded-resource': true,
    type: 'object',
    properties: { spec: word },
    required: ['kind'],
  };
  const withAll = { ...embedded, properties: { spec: word, ...ofAll }, required: ['kind', 'apiVersion'] };
  const items = { type: 'array', items: { type: 'object', additionalProperties: embedded } };
  for (const version of [2, 3] as const)
    t.strictSame(customDefinition({ type: 'object', properties: { items } }, common, version)['properties'], {
      items: { type: 'array', items: { type: 'object', additionalProperties: withAll } },
      ...ofAll,
    });
  t.end();
});

/** Parses the fields of a protobuf message: number and content. */
function fieldsOf(bytes: Buffer): { number: number; content: Buffer }[] {
  const fields: { number: number; content: Buffer }[] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes.readUInt8(at++);
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const key = varint();
    const length = varint();
    const content = (key & 7) === 2 ? bytes.subarray(at, at + length) : Buffer.alloc(0);
    if ((key & 7) === 2) at += length;
    fields.push({ number: key >> 3, content });
  }
  return fields;
}

t.test('the protobuf form of version 2 has the same definitions and paths', async (t) => {
  const document = openApiV2(source, kinds);
  const fields = fieldsOf(openApiV2Protobuf(document));
  const inside = (number: number) =>
    fieldsOf(fields.find((field) => field.number === number)?.content ?? Buffer.alloc(0));
  const nameOf = ({ content }: { content: Buffer }) =>
    fieldsOf(content)
      .find(({ number }) => number === 1)
      ?.content.toString();
  t.equal(fields.find(({ number }) => number === 1)?.content.toString(), '2.0');
  t.strictSame(inside(9).map(nameOf), Object.keys(document.definitions as object));
  t.strictSame(inside(8).map(nameOf), Object.keys(document.paths as object));
  t.ok(acceptsProtobuf('application/com.github.proto-openapi.spec.v2@v1.0+protobuf'));
  t.notOk(acceptsProtobuf('application/json'));
});

t.test(
  'fields of any JSON value refer to a definition: kubectl explain rejects schemas that say nothing',
  async (t) => {
    const empty = (value: unknown, at: string): string[] => {
      if (typeof value !== 'object' || value === null) return [];
      const entries = Object.entries(value);
      if (entries.length === 0 && /\.(?:items|additionalProperties|properties\.[^.]+)$/.test(at)) return [at];
      return entries.flatMap(([key, inner]) => empty(inner, `${at}.${key}`));
    };
    for (const [name, served] of openApiV3Kinds(kinds)) t.strictSame(empty(openApiV3(source, served), name), []);
    t.match(openApiV2(source, kinds).definitions, {
      'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps': {
        properties: {
          additionalItems: { $ref: /v1\.JSONSchemaPropsOrBool$/ },
          items: { $ref: /v1\.JSONSchemaPropsOrArray$/ },
        },
      },
      'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrBool': { type: undefined },
    });
  },
);

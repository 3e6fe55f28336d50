/** Structural schemas: random definitions, and random instances of those that are valid. */
import { customKind } from '../../api/kinds/apiextensions/custom-kind.ts';
import { customResourceDefinitions } from '../../api/kinds/apiextensions/custom-resource-definition.ts';
import { decodeObject } from '../../api/machinery/decode.ts';
import { addedFieldsText } from '../../api/machinery/fieldset/added-text.ts';
import { fieldsOf, misfits } from '../../api/machinery/fieldset/fields-of.ts';
import { FieldsError } from '../../api/machinery/fieldset/path-element.ts';
import { EMPTY } from '../../api/machinery/fieldset/field-set.ts';
import type { Kind, KubeObject } from '../../api/machinery/kind.ts';
import { own, setOwn } from '../../api/machinery/own.ts';
import { StatusError } from '../../api/machinery/status-error.ts';
import { check, only, same, type Fuzzer } from './fuzzer.ts';
import type { Random } from './random.ts';

type Json = Record<string, unknown>;
const copy = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

const FORMATS = [
  'date-time',
  'date',
  'email',
  'ipv4',
  'ipv6',
  'uuid',
  'byte',
  'int32',
  'int64',
  'hostname',
  'uri',
  'password',
  'nonsense',
];
const PATTERNS = ['^a+$', '[x-z]', '(a|b)*c', '^$', '\\d{2,5}', '(?i)x', '^(a+)+$'];

/** A schema that is valid, mostly. */
function schemaOf(random: Random, depth: number): Json {
  const schema: Json = {};
  const type =
    depth === 0
      ? random.pick(['string', 'integer', 'number', 'boolean'])
      : random.pick(['string', 'integer', 'object', 'object', 'array']);
  if (random.chance(12)) schema['x-kubernetes-int-or-string'] = true;
  else schema['type'] = type;
  if (random.chance(5)) schema['nullable'] = true;
  if (schema['type'] === 'object') objectSchema(random, schema, depth);
  if (schema['type'] === 'array') arraySchema(random, schema, depth);
  if (schema['type'] === 'string') {
    if (random.chance(3)) schema['format'] = random.pick(FORMATS);
    if (random.chance(4)) schema['pattern'] = random.pick(PATTERNS);
    if (random.chance(4)) schema['maxLength'] = random.below(5);
    if (random.chance(5)) schema['enum'] = random.times(4, () => random.scalar());
  }
  if (schema['type'] === 'integer' || schema['type'] === 'number') {
    if (random.chance(3)) schema['minimum'] = random.below(3) - 1;
    if (random.chance(4)) schema['multipleOf'] = random.pick([1, 2, 0.1, 0]);
    if (random.chance(4)) schema['exclusiveMaximum'] = true;
  }
  if (random.chance(6)) schema['default'] = random.chance(2) ? valueOf(random, schema) : random.json(2);
  if (random.chance(8))
    schema[random.pick(['allOf', 'anyOf', 'oneOf'])] = random.times(3, () => ({
      minimum: random.below(3),
      required: ['a'],
    }));
  if (random.chance(10)) schema['not'] = { enum: [random.scalar()] };
  // What no schema may have.
  if (random.chance(60))
    setOwn(schema, random.pick(['$ref', 'items', 'properties', 'type', 'required', 'definitions']), random.json(2));
  return schema;
}

function objectSchema(random: Random, schema: Json, depth: number): void {
  if (random.chance(4)) schema['additionalProperties'] = random.chance(3) ? true : schemaOf(random, depth - 1);
  else {
    const properties: Json = {};
    for (const key of random.times(4, () => random.key())) setOwn(properties, key, schemaOf(random, depth - 1));
    schema['properties'] = properties;
  }
  if (random.chance(4)) schema['required'] = random.times(3, () => random.key());
  if (random.chance(5)) schema['x-kubernetes-preserve-unknown-fields'] = true;
  if (random.chance(8)) schema['x-kubernetes-embedded-resource'] = true;
  if (random.chance(8)) schema['x-kubernetes-map-type'] = random.pick(['atomic', 'granular']);
  if (random.chance(5)) schema['maxProperties'] = random.below(4);
}

function arraySchema(random: Random, schema: Json, depth: number): void {
  schema['items'] = schemaOf(random, depth - 1);
  if (random.chance(4)) schema['x-kubernetes-list-type'] = 'set';
  else if (random.chance(3)) {
    schema['x-kubernetes-list-type'] = 'map';
    schema['x-kubernetes-list-map-keys'] = ['name'];
    schema['items'] = {
      type: 'object',
      required: ['name'],
      properties: { name: { type: 'string' }, a: schemaOf(random, 0) },
    };
  }
  if (random.chance(4)) schema['maxItems'] = random.below(3);
  if (random.chance(6)) schema['uniqueItems'] = random.chance(3);
}

/** A value that fits, mostly. */
function valueOf(random: Random, schema: Json | undefined): unknown {
  if (!schema || random.chance(12)) return random.json(3);
  switch (schema['type']) {
    case 'object': {
      const value: Json = random.chance(6) ? random.object(2) : {};
      for (const [name, property] of Object.entries((schema['properties'] ?? {}) as Json))
        if (!random.chance(4)) setOwn(value, name, valueOf(random, property as Json));
      const others = schema['additionalProperties'];
      if (typeof others === 'object') setOwn(value, random.key(), valueOf(random, others as Json));
      return value;
    }
    case 'array':
      return random.times(4, () => valueOf(random, schema['items'] as Json));
    case 'string':
      return random.pick(['a', 'aa', 'x', '', '2026-01-01T00:00:00Z', '1.2.3.4', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaa!']);
    case 'boolean':
      return random.chance(2);
    default:
      return random.pick([0, 1, 2, 3, -1, 0.3, 2 ** 53]);
  }
}

/** The kind of a definition with this schema; undefined when it is not valid. */
function kindOf(random: Random, schema: Json): Kind | undefined {
  const definition = {
    metadata: { name: 'things.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'things', kind: 'Thing' },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          schema: { openAPIV3Schema: schema },
          subresources: random.chance(2) ? { status: {} } : {},
        },
      ],
    },
  };
  return only([StatusError], () => {
    const { object } = decodeObject(customResourceDefinitions, definition);
    customResourceDefinitions.applyDefaults(object);
    const errors = customResourceDefinitions.validate(object);
    // Their messages are made when they are read.
    for (const { message } of errors) check(typeof message === 'string', 'a message');
    const [version] = object.spec.versions;
    return errors.length === 0 && version ? customKind(object, version, undefined, false) : undefined;
  });
}

function runInstance(random: Random, kind: Kind, schema: Json): void {
  const given = valueOf(random, schema);
  const body = {
    ...(typeof given === 'object' && !Array.isArray(given) ? given : {}),
    apiVersion: 'example.com/v1',
    kind: 'Thing',
    metadata: { name: 'a' },
  };
  const before = copy(body);
  const object = only([StatusError], () => decodeObject(kind, body).object) as (KubeObject & Json) | undefined;
  check(same(body, before), 'what decoding must not change', schema, before);
  if (!object) return;
  check(same(decodeObject(kind, object).object, object), 'pruning twice', schema, body, object);
  kind.applyDefaults(object);
  const defaulted = copy(object);
  kind.applyDefaults(object);
  check(same(object, defaulted), 'defaults twice', schema, body, defaulted, object);
  check(same(decodeObject(kind, object).object, object), 'pruning after defaults', schema, body, object);
  const errors = kind.validate(object);
  for (const { message, field } of errors)
    check(typeof message === 'string' && field !== '', 'an error', schema, object);
  check(same(object, defaulted), 'what validation must not change', schema, defaulted, object);
  check(
    kind.validate(object, copy(object)).length === 0 || errors.length > 0,
    'an update that changes nothing',
    schema,
    object,
  );
  const type = kind.custom?.fields;
  if (!type) return;
  only([FieldsError], () => fieldsOf(type, object));
  only([FieldsError], () => addedFieldsText(type, {}, object, EMPTY));
  for (const problem of misfits(type, object)) check(typeof problem === 'string', 'a misfit');
  for (const column of kind.columns) column.cell(object, 0);
}

export const schemas: Fuzzer = {
  name: 'schemas',
  cases: 1200,
  run(random) {
    const schema = random.chance(20) ? random.object(4) : { ...schemaOf(random, 4), type: 'object' };
    const kind = kindOf(random, schema);
    const root = own(schema, 'properties');
    check(root === undefined || typeof root === 'object' || kind === undefined, 'properties of another type', schema);
    if (kind) for (let count = 0; count < 3; count++) runInstance(random, kind, schema);
  },
};

/**
 * Decoding and validating a request body takes time linear in its size, or the body is rejected: meanwhile no other request
 * is served.
 */
import t from 'tap';
import { kinds, bodyKinds } from '../../../api/registry.ts';
import { deployments } from '../../../api/kinds/apps/deployment.ts';
import { configMaps } from '../../../api/kinds/core/config-map.ts';
import { pods } from '../../../api/kinds/core/pod.ts';
import { validateIscsi } from '../../../api/kinds/core/volume-source-validation.ts';
import { validatePoolName } from '../../../api/kinds/resource/device-names.ts';
import { allProblems, parseBody } from '../../../api/machinery/body.ts';
import { decodeObject } from '../../../api/machinery/decode.ts';
import { parseDuration } from '../../../api/machinery/duration.ts';
import { apply } from '../../../api/machinery/fieldset/apply.ts';
import { EMPTY } from '../../../api/machinery/fieldset/field-set.ts';
import { fieldTypeOf } from '../../../api/machinery/fieldset/field-type.ts';
import { ownersOf } from '../../../api/machinery/fieldset/owners.ts';
import { updatedOwners, type Ownable } from '../../../api/machinery/fieldset/track.ts';
import { setOwn } from '../../../api/machinery/own.ts';
import { parseQuantity } from '../../../api/machinery/quantity.ts';
import { fieldTests, parseFieldSelector, parseLabelSelector, selectorFrom } from '../../../api/machinery/selectors.ts';
import { StatusError, invalidObject } from '../../../api/machinery/status-error.ts';
import type { Kind, KubeObject } from '../../../api/machinery/kind.ts';
import { validateObjectMeta, validateObjectMetaUpdate } from '../../../api/machinery/metadata.ts';
import { applyJsonPatch } from '../../../api/machinery/patch/json.ts';
import { applyMergePatch } from '../../../api/machinery/patch/merge.ts';
import { applyStrategicPatch } from '../../../api/machinery/patch/strategic.ts';
import type { Shape } from '../../../api/machinery/schema.ts';
import type { ObjectMeta } from '../../../api/types/meta/v1.gen.ts';
import { CONTEXT } from './updates.ts';
import { isStoredSubresource } from '../../../api/machinery/kind.ts';

const MAX_BODY_BYTES = 3 * 1024 * 1024;
/** Eight times the input: linear is 8, quadratic 64. Halfway leaves room for a busy machine. */
const SMALL = 2_000;
const LARGE = 8 * SMALL;
const MAX_RATIO = 32;
/** What takes less than this is not quadratic at this size, however the small case was measured. */
const SOON_MS = 150;
/** One of several attempts may find the machine idle. */
const ATTEMPTS = 4;
/** No request blocks the event loop for longer on an idle machine. */
const MAX_HOLD_MS = 1_500;

t.setTimeout(180_000);

const msOf = (run: () => void): number => {
  const start = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
};

/** Whether `run` takes about eight times as long for eight times the input. The message has the measurements. */
function grows(run: (size: number) => void): { linear: boolean; words: string } {
  let words = '';
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const small = msOf(() => run(SMALL));
    const large = msOf(() => run(LARGE));
    words = `${small.toFixed(1)} ms for ${SMALL}, ${large.toFixed(1)} ms for ${LARGE}`;
    if (large < SOON_MS || large / small < MAX_RATIO) return { linear: true, words };
  }
  return { linear: false, words };
}

const outcome = (run: () => void): string => {
  try {
    run();
    return 'taken';
  } catch (error) {
    return error instanceof StatusError ? String(error.code) : String(error);
  }
};
const times = (count: number, text: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => text(index)).join('');
const listOf = (count: number, text: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => text(index)).join(',');
const JSON_TYPE = 'application/json';
const YAML_TYPE = 'application/yaml';

const parse = (type: string, text: string) => {
  const body = parseBody(text, type, true);
  const unknown = decodeObject(configMaps, body.value).problems;
  return allProblems(body, unknown);
};

t.test('decoding takes time linear in the size of the body', async (t) => {
  const bodies: [name: string, type: string, body: (size: number) => string][] = [
    ['duplicate JSON keys', JSON_TYPE, (size) => `{"data":{${listOf(size, () => '"a":"1"')}}}`],
    ['many duplicate JSON keys', JSON_TYPE, (size) => `{"data":{${listOf(size, (i) => `"a${i}":"","a${i}":""`)}}}`],
    ['unknown JSON fields', JSON_TYPE, (size) => `{${listOf(size, (i) => `"a${i}":1`)},"a0":2}`],
    [
      'duplicate keys below a long one',
      JSON_TYPE,
      (size) => `{"${'k'.repeat(size)}":{${listOf(size, (i) => `"a${i}":1`)},"a0":2}}`,
    ],
    ['quotes and blanks', JSON_TYPE, (size) => `{"data":{"a" :"${'\\"  '.repeat(size)}"}}`],
    ['unpaired surrogates', JSON_TYPE, (size) => `{"data":{"a":"${'\\ud800'.repeat(size)}"}}`],
    ['duplicate YAML keys', YAML_TYPE, (size) => `data:\n${times(size, () => '  a: b\n')}`],
    ['many YAML keys', YAML_TYPE, (size) => `data:\n${times(size, (i) => `  a${i}: b\n`)}`],
    ['anchors and aliases', YAML_TYPE, (size) => `x:\n${times(size / 4, (i) => `- &a${i} b\n- *a${i}\n`)}`],
    ['lines of text', YAML_TYPE, (size) => `data:\n  a: >\n${times(size, () => '    b\n')}`],
    ['merged maps', YAML_TYPE, (size) => `x: &x {a: 1}\ny:\n${times(size / 4, () => '- <<: *x\n')}`],
  ];
  for (const [name, type, body] of bodies) {
    const { linear, words } = grows((size) => parse(type, body(size)));
    t.ok(linear, `${name}: ${words}`);
  }
});

t.test('applying patches takes time linear in their size', async (t) => {
  const containers = (size: number, from = 0) =>
    Array.from({ length: size }, (_, index) => ({ name: `c${index + from}`, image: 'i' }));
  const strings = (size: number) => Array.from({ length: size }, (_, index) => `a/${index}`);
  const patches: [name: string, apply: (size: number) => void][] = [
    [
      'merging lists by key',
      (size) =>
        applyStrategicPatch(
          { spec: { containers: containers(size) } },
          { spec: { containers: containers(size, size / 2) } },
          pods.schema,
        ),
    ],
    [
      'ordering lists',
      (size) =>
        applyStrategicPatch(
          { spec: { containers: containers(size) } },
          { spec: { '$setElementOrder/containers': containers(size).reverse() } },
          pods.schema,
        ),
    ],
    [
      'deleting items',
      (size) =>
        applyStrategicPatch(
          { spec: { template: { spec: { containers: containers(size) } } } },
          { spec: { template: { spec: { containers: containers(size).map((c) => ({ ...c, $patch: 'delete' })) } } } },
          deployments.schema,
        ),
    ],
    [
      'deleting from lists of strings',
      (size) =>
        applyStrategicPatch(
          { metadata: { finalizers: strings(size) } },
          { metadata: { '$deleteFromPrimitiveList/finalizers': strings(size).reverse() } },
          pods.schema,
        ),
    ],
    ['merging maps', (size) => applyMergePatch({ data: { ...strings(size) } }, { data: { ...strings(size) } })],
    [
      'adding and testing',
      (size) =>
        applyJsonPatch(
          { data: {} },
          Array.from({ length: size / 4 }, (_, i) => [
            { op: 'add', path: `/data/k${i}`, value: 'x' },
            { op: 'test', path: `/data/k${i}`, value: 'x' },
          ]).flat(),
        ),
    ],
  ];
  for (const [name, apply] of patches) {
    const { linear, words } = grows(apply);
    t.ok(linear, `${name}: ${words}`);
  }
});

t.test('JSON patches that copy, move or nest without bound are rejected quickly', async (t) => {
  const refused: [name: string, target: unknown, patch: object[]][] = [
    [
      'nested copies',
      { data: { a: 'x'.repeat(1000) } },
      Array.from({ length: 60 }, (_, i) => ({ op: 'copy', from: '/data', path: `/data/k${i}` })),
    ],
    [
      'a large value copied a thousand times',
      { data: { a: 'x'.repeat(100_000) } },
      Array.from({ length: 1000 }, (_, i) => ({ op: 'copy', from: '/data/a', path: `/data/k${i}` })),
    ],
    [
      'insertions at the start',
      { list: new Array<number>(100_000).fill(0) },
      Array.from({ length: 10_000 }, () => ({ op: 'add', path: '/list/0', value: 0 })),
    ],
    [
      'removals at the start',
      { list: new Array<number>(100_000).fill(0) },
      Array.from({ length: 10_000 }, () => ({ op: 'remove', path: '/list/0' })),
    ],
    [
      'nesting',
      { a: {} },
      Array.from({ length: 2000 }, () => [
        { op: 'move', from: '/a', path: '/b' },
        { op: 'add', path: '/a', value: {} },
        { op: 'move', from: '/b', path: '/a/a' },
      ]).flat(),
    ],
    [
      'a value copied into itself',
      { a: {} },
      Array.from({ length: 40 }, () => [
        { op: 'copy', from: '/a', path: '/a/b' },
        { op: 'copy', from: '/a', path: '/a/a' },
      ]).flat(),
    ],
  ];
  for (const [name, target, patch] of refused) {
    let result = '';
    const ms = msOf(() => (result = outcome(() => applyJsonPatch(target, patch))));
    t.equal(result, '422', name);
    t.ok(ms < MAX_HOLD_MS, `${name}: ${ms.toFixed()} ms`);
  }
  const tooMany = Array.from({ length: 10_001 }, () => ({ op: 'test', path: '', value: {} }));
  t.equal(
    outcome(() => applyJsonPatch({}, tooMany)),
    '413',
  );
  const allowed = Array.from({ length: 2_000 }, () => ({ op: 'add', path: '/list/0', value: 0 }));
  t.equal(
    outcome(() => applyJsonPatch({ list: [] }, allowed)),
    'taken',
  );
});

t.test('bodies that are too deep or expand too far are client errors', async (t) => {
  const deep = (open: string, inner: string, close: string, depth: number) =>
    open.repeat(depth) + inner + close.repeat(depth);
  const bomb = ['a: &a [x,x,x,x,x,x,x,x,x]'];
  for (const [index, name] of [...'bcdefghijk'].entries()) {
    bomb.push(`${name}: &${name} [${listOf(9, () => `*${'abcdefghijk'[index]}`)}]`);
  }
  const bodies: [type: string, text: string, code: string][] = [
    [JSON_TYPE, deep('[', '', ']', 100_000), '400'],
    [JSON_TYPE, deep('{"a":', '1', '}', 100_000), '400'],
    [JSON_TYPE, deep('[', '', ']', 1_001), '400'],
    [JSON_TYPE, deep('[', '', ']', 1_000), 'taken'],
    [YAML_TYPE, deep('[', '', ']', 20_000), '400'],
    [YAML_TYPE, deep('{a: ', '1', '}', 5_000), '400'],
    [YAML_TYPE, times(1_500, (i) => `${' '.repeat(i)}a:\n`), '400'],
    [YAML_TYPE, bomb.join('\n'), '400'],
    [YAML_TYPE, 'a: &a [*a]', '400'],
    [YAML_TYPE, 'a: *b', '400'],
    [YAML_TYPE, `a: &i image\nb: [${listOf(200, () => '*i')}]`, 'taken'],
  ];
  for (const [type, text, code] of bodies) {
    t.equal(
      outcome(() => parseBody(text, type, true)),
      code,
      text.slice(0, 30),
    );
  }
  t.throws(() => parseBody(bodies[0]?.[1] ?? '', JSON_TYPE, false), {
    message: "couldn't get version/kind; json parse error: exceeded max depth",
  });
});

t.test('three megabytes of minimal elements are decoded or rejected quickly', async (t) => {
  const fill = (part: string) => part.repeat(Math.floor(MAX_BODY_BYTES / part.length) - 100);
  const pod = (spec: string) => `{"metadata":{"name":"a"},"spec":{${spec}}}`;
  const bodies: [type: string, text: string, code: string][] = [
    [JSON_TYPE, pod(`"containers":[${fill('{},')}{}]`), '413'],
    [JSON_TYPE, pod(`"tolerations":[${fill('0,')}0]`), '413'],
    [JSON_TYPE, `{"metadata":{"name":"${fill('a.')}a"}}`, '422'],
    [JSON_TYPE, pod(`"containers":[{"resources":{"limits":{"cpu":"${fill('1')}"}}}]`), '400'],
    [YAML_TYPE, fill('- b: 1\n'), '413'],
    [YAML_TYPE, `[${fill('1,')}]`, '413'],
    [YAML_TYPE, fill('{a: '), '400'],
    [YAML_TYPE, fill('%YAML 1.1\n'), '413'],
    [YAML_TYPE, fill('"'), '413'],
    [YAML_TYPE, `{"metadata":{"name":"a","annotations":{"a":"${fill('a')}"}}}`, '422'],
  ];
  for (const [type, text, code] of bodies) {
    let result = '';
    const read = () => validateCreate(pods, parseBody(text, type, true).value);
    const ms = msOf(() => (result = outcome(read)));
    t.equal(result, code, text.slice(0, 50));
    t.ok(ms < MAX_HOLD_MS, `${text.slice(0, 50)}: ${ms.toFixed()} ms`);
  }
});

/** The steps of a create, and of an update that changes nothing. */
function validateCreate(kind: Kind, value: unknown): void {
  const { object } = decodeObject(kind, value);
  const old = structuredClone(object);
  kind.applyDefaults(object);
  kind.applyDefaults(old);
  kind.prepareForCreate(object, CONTEXT);
  kind.warnings(object);
  const meta: ObjectMeta = object.metadata ?? {};
  const errors = [
    ...validateObjectMeta(meta, kind),
    ...kind.validate(object),
    ...validateObjectMetaUpdate(meta, old.metadata ?? {}, kind),
    ...kind.validateUpdate(object, old),
    ...kind.subresources.filter(isStoredSubresource).flatMap(({ update }) => update.validate(object, old)),
  ];
  if (errors.length > 0) throw invalidObject(kind, '', errors);
}

type Path = readonly (string | number)[];

function scalarOf({ enum: words, format, type }: Shape, index: number): unknown {
  if (words) return words[0];
  switch (format) {
    case 'byte':
      return 'YQ==';
    case 'date-time':
      return '2026-01-01T00:00:00Z';
    case 'micro-time':
      return '2026-01-01T00:00:00.000000Z';
    case 'duration':
      return '1s';
    case 'quantity':
      return '1';
    case undefined:
      return type === 'boolean' ? true : type === 'string' ? `x${index}` : undefined;
    default:
      return 1 + (index % 60_000);
  }
}

const MAX_LEVELS = 12;

/** An object with every field of its schema, and one item in each list. */
function sampleOf(shape: Shape, index: number, level: number): unknown {
  if (level > MAX_LEVELS) return undefined;
  if (shape.properties) {
    const fields = Object.entries(shape.properties).map(([name, field]) => [name, sampleOf(field, index, level + 1)]);
    return Object.fromEntries(fields.filter(([, value]) => value !== undefined)) as KubeObject;
  }
  const inner = shape.items ?? shape.additionalProperties;
  if (!inner) return scalarOf(shape, index);
  const value = sampleOf(inner, index, level + 1);
  if (value === undefined) return undefined;
  return shape.items ? [value] : { [`k${index}`]: value };
}

/** Paths of the lists and maps of a schema. */
function* collectionsOf(
  shape: Shape,
  path: Path = [],
  outer: readonly (string | undefined)[] = [],
): Generator<{ path: Path; shape: Shape }> {
  // What contains itself is validated by the same code at any depth.
  const { definition } = shape;
  if (path.length > MAX_LEVELS || (definition !== undefined && outer.includes(definition))) return;
  const within = [...outer, definition];
  for (const [name, field] of Object.entries(shape.properties ?? {}))
    yield* collectionsOf(field, [...path, name], within);
  if (shape.items ?? shape.additionalProperties) yield { path, shape };
  if (shape.items) yield* collectionsOf(shape.items, [...path, 0], within);
}

function put(root: unknown, path: Path, value: unknown): void {
  let container = root as Record<string | number, unknown> | undefined;
  for (const part of path.slice(0, -1)) container = container?.[part] as typeof container;
  if (container) container[path.at(-1) ?? ''] = value;
}

const FILLINGS: Readonly<Record<string, (inner: Shape, index: number) => unknown>> = {
  'all different': (inner, index) => sampleOf(inner, index, MAX_LEVELS - 2),
  'all equal': (inner) => sampleOf(inner, 1, MAX_LEVELS - 2),
};

function bodyWith(sample: unknown, path: Path, { items, additionalProperties }: Shape, values: unknown[]): unknown {
  const body = structuredClone(sample) as KubeObject;
  const map = () => Object.fromEntries(values.map((value, index) => [`k${index}`, value]));
  put(body, path, items ? values : additionalProperties ? map() : undefined);
  delete body.apiVersion;
  delete body.kind;
  return body;
}

t.test('every list and map of every kind is validated in linear time', async (t) => {
  const large = 2_000;
  const tooSlow: string[] = [];
  let checked = 0;
  for (const kind of [...kinds, ...bodyKinds]) {
    const sample = sampleOf(kind.schema, 1, 0);
    for (const { path, shape } of collectionsOf(kind.schema)) {
      // A pod template is validated by the code for pods, and metadata is the same everywhere.
      if (path.includes('template') || (path[0] === 'metadata' && kind.kind !== 'Pod')) continue;
      for (const [fill, valueOf] of Object.entries(FILLINGS)) {
        checked++;
        const inner = shape.items ?? shape.additionalProperties ?? {};
        const run = (count: number) => {
          const values = Array.from({ length: count }, (_, index) => valueOf(inner, index));
          const body = bodyWith(sample, path, shape, values);
          return msOf(() => outcome(() => validateCreate(kind, body)));
        };
        let ratio = Infinity;
        for (let attempt = 0; attempt < ATTEMPTS && ratio >= MAX_RATIO; attempt++) {
          const ms = run(large);
          ratio = ms < SOON_MS ? 1 : ms / run(large / 8);
        }
        if (ratio >= MAX_RATIO) tooSlow.push(`${kind.kind} ${path.join('.')} (${fill}): ${ratio.toFixed()} times`);
      }
    }
  }
  t.strictSame(tooSlow, []);
  t.ok(checked > 200, `${checked} lists and maps`);
});

t.test('lists of a pod that refer to each other are validated in linear time, however long both are', async (t) => {
  const listOf = <T>(size: number, make: (index: number) => T): T[] => Array.from({ length: size }, (_, i) => make(i));
  const specs: Record<string, (size: number) => object> = {
    'claims of containers': (size) => ({
      resourceClaims: listOf(size, (i) => ({ name: `r${i}`, resourceClaimName: 'x' })),
      containers: listOf(size, (i) => ({ name: `c${i}`, image: 'i', resources: { claims: [{ name: `no${i}` }] } })),
    }),
    'variables from files in volumes': (size) => {
      const valueFrom = { fileKeyRef: { volumeName: 'no', path: 'a', key: 'A' } };
      return {
        volumes: listOf(size, (i) => ({ name: `v${i}`, emptyDir: {} })),
        containers: [{ name: 'c', image: 'i', env: listOf(size, (i) => ({ name: `A${i}`, valueFrom })) }],
      };
    },
    'mounts and devices of a container': (size) => ({
      volumes: listOf(size, (i) => ({ name: `v${i}`, emptyDir: {} })),
      containers: [
        {
          ...{ name: 'c', image: 'i' },
          volumeMounts: listOf(size, (i) => ({ name: `v${i}`, mountPath: `/${i}` })),
          volumeDevices: listOf(size, (i) => ({ name: `v${i}`, devicePath: `/${i}` })),
        },
      ],
    }),
  };
  for (const [what, specOf] of Object.entries(specs)) {
    const { linear, words } = grows(
      (size) => void outcome(() => validateCreate(pods, { metadata: { name: 'a' }, spec: specOf(size) })),
    );
    t.ok(linear, `${what}: ${words}`);
  }
});

const CONFIG_MAPS: Ownable = {
  type: fieldTypeOf(configMaps.schema),
  empty: { apiVersion: 'v1', kind: 'ConfigMap', metadata: {} },
  resets: EMPTY,
  inVersion: () => undefined,
};

const iscsi = (iqn: string) => ({ targetPortal: 'p', lun: 0, iqn });

t.test('selectors, quantities, durations and names are parsed in linear time', async (t) => {
  const texts: [name: string, read: (size: number) => void][] = [
    ['label selectors', (size) => parseLabelSelector(listOf(size, (i) => `k${i}=v`))],
    ['sets of values', (size) => parseLabelSelector(`k in (${listOf(size, (i) => `v${i}`)})`)],
    ['blanks', (size) => outcome(() => parseLabelSelector(`a${' '.repeat(size)}=${' '.repeat(size)}(`))],
    ['field selectors', (size) => parseFieldSelector(listOf(size, (i) => `k${i}!=v\\,`))],
    ['escapes', (size) => outcome(() => parseFieldSelector(`a=${'\\\\'.repeat(size)}=`))],
    ['quantities', (size) => outcome(() => parseQuantity('1'.repeat(size)))],
    ['durations', (size) => parseDuration('1h'.repeat(size))],
    ['iSCSI names', (size) => validateIscsi(iscsi('iqn.2001-01.'.repeat(size)), '', '', [])],
    ['endings of iSCSI names', (size) => validateIscsi(iscsi(`iqn${':a'.repeat(size)};`), '', '', [])],
    ['names of pools', (size) => validatePoolName('a/'.repeat(size), '', [])],
    [
      'values of many objects',
      (size) => {
        const values = Array.from({ length: size }, (_, index) => `v${index}`);
        const selector = selectorFrom({ matchExpressions: [{ key: 'k', operator: 'NotIn', values }] });
        for (let index = 0; index < size; index++) selector.matches({ k: `w${index}` });
      },
    ],
    [
      'managers of an object',
      (size) => {
        const object: { data: Record<string, string> } = { data: {} };
        for (let index = 0; index < size; index++) setOwn(object.data, `k${index}`, 'v');
        const entries = Array.from({ length: size }, (_, index) => ({
          ...{ manager: `m${index}`, operation: 'Update', apiVersion: 'v1', fieldsType: 'FieldsV1' },
          fieldsV1: { 'f:data': { [`f:k${index}`]: {} } },
        }));
        const by = { manager: 'client', operation: 'Update', apiVersion: 'v1', subresource: '' } as const;
        updatedOwners(CONFIG_MAPS, CONFIG_MAPS.empty, object, ownersOf(entries), by, '2026-01-01T00:00:00Z');
      },
    ],
    [
      'appliers of an object',
      (size) => {
        const data = Object.fromEntries(Array.from({ length: size }, (_, index) => [`k${index}`, 'v']));
        const entries = Array.from({ length: size }, (_, index) => ({
          ...{ manager: `m${index}`, operation: 'Apply', apiVersion: 'v1', fieldsType: 'FieldsV1' },
          fieldsV1: { 'f:data': { [`f:k${index}`]: {} } },
        }));
        const by = { manager: 'm0', operation: 'Apply', apiVersion: 'v1', subresource: '' } as const;
        const config = { data: { other: 'v' } };
        apply(CONFIG_MAPS, { data }, config, ownersOf(entries), by, '2026-01-01T00:00:00Z', false);
      },
    ],
    [
      'requirements for labels of many objects',
      (size) => {
        const selector = parseLabelSelector(listOf(size, (i) => `k${i} notin (v)`));
        for (let index = 0; index < size; index++) selector.matches({ k: `w${index}` });
      },
    ],
    [
      'requirements for one label of many objects',
      (size) => {
        const selector = parseLabelSelector(listOf(size, (i) => `k!=v${i}`));
        for (let index = 0; index < size; index++) selector.matches({ k: `w${index}` });
      },
    ],
    [
      'requirements for a field of many objects',
      (size) => {
        const tests = fieldTests(parseFieldSelector(listOf(size, (i) => `f!=v${i}`)));
        for (let index = 0; index < size; index++) tests.get('f')?.(`w${index}`);
      },
    ],
  ];
  for (const [name, read] of texts) {
    const { linear, words } = grows(read);
    t.ok(linear, `${name}: ${words}`);
  }
});

import { test } from 'tap';
import { planEdit, type Edit } from '../../../addons/console/model/edit.ts';
import { without, type KubeObject, type ManagedFields } from '../../../addons/console/model/object.ts';

const container = (name: string, image: string, more: object = {}) => ({ name, image, ...more });
const fields = (manager: string, fieldsV1: Record<string, unknown>, operation = 'Apply'): ManagedFields => ({
  manager,
  operation,
  fieldsV1,
});
const CONTAINER_FIELDS = { '.': {}, 'f:image': {}, 'f:name': {} };
const OTHERS = fields('kubectl', {
  'f:metadata': { 'f:labels': { '.': {}, 'f:app': {} }, 'f:finalizers': { 'v:"example.com/a"': {} } },
  'f:spec': {
    'f:replicas': {},
    'f:selector': {},
    'f:template': { 'f:spec': { 'f:containers': { 'k:{"name":"web"}': CONTAINER_FIELDS } } },
  },
});

const deployment = (
  managedFields: readonly ManagedFields[] = [OTHERS],
  spec: Record<string, unknown> = {},
  metadata: object = {},
): KubeObject => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: {
    name: 'web',
    namespace: 'default',
    uid: '1',
    resourceVersion: '7',
    labels: { app: 'web' },
    finalizers: ['example.com/a'],
    ...metadata,
    managedFields,
  },
  spec: {
    replicas: 1,
    selector: { matchLabels: { app: 'web' } },
    template: { spec: { containers: [container('web', 'a')] } },
    ...spec,
  },
  status: { replicas: 1 },
});

const applied = (edit: Edit): Record<string, unknown> => {
  if (edit.kind !== 'apply') throw new Error(`${edit.kind} ${'fields' in edit ? edit.fields.join() : ''}`);
  return without(edit.configuration, 'apiVersion', 'kind');
};
const NAMED = { name: 'web', namespace: 'default' };

test('what has not been changed is not saved, nor what the server counts', (t) => {
  t.strictSame(planEdit(deployment(), deployment()), { kind: 'unchanged' });
  t.strictSame(
    planEdit(deployment(), { ...deployment([], {}, { resourceVersion: '9', uid: '2' }), status: { replicas: 5 } }),
    { kind: 'unchanged' },
  );
  t.end();
});

test('another name, namespace, kind or version is another object', (t) => {
  for (const other of [
    { ...deployment(), kind: 'StatefulSet' },
    { ...deployment(), apiVersion: 'apps/v2' },
    deployment([OTHERS], {}, { name: 'b' }),
    deployment([OTHERS], {}, { namespace: 'b' }),
  ])
    t.equal(planEdit(deployment(), other).kind, 'other-object');
  t.end();
});

test('only what has been changed is applied', (t) => {
  t.strictSame(applied(planEdit(deployment(), deployment([OTHERS], { replicas: 3 }))), {
    metadata: NAMED,
    spec: { replicas: 3 },
  });
  t.strictSame(applied(planEdit(deployment(), deployment([], {}, { labels: { app: 'web', tier: 'x' } }))), {
    metadata: { ...NAMED, labels: { tier: 'x' } },
  });
  t.end();
});

test('an item of a list with keys is applied with its keys and what has changed of it', (t) => {
  const edited = deployment([], { template: { spec: { containers: [container('web', 'b')] } } });
  t.strictSame(applied(planEdit(deployment(), edited))['spec'], {
    template: { spec: { containers: [{ name: 'web', image: 'b' }] } },
  });
  const added = deployment([], { template: { spec: { containers: [container('side', 'c'), container('web', 'a')] } } });
  t.strictSame(applied(planEdit(deployment(), added))['spec'], {
    template: { spec: { containers: [{ name: 'side', image: 'c' }] } },
  });
  t.end();
});

test('what is atomic is applied as a whole', (t) => {
  const edited = deployment([], { selector: { matchLabels: { app: 'web', a: 'b' } } });
  t.strictSame(applied(planEdit(deployment(), edited))['spec'], { selector: { matchLabels: { app: 'web', a: 'b' } } });
  t.end();
});

test('a value is added to a set without those of others', (t) => {
  const edited = deployment([], {}, { finalizers: ['example.com/a', 'example.com/b'] });
  t.strictSame(applied(planEdit(deployment(), edited))['metadata'], { ...NAMED, finalizers: ['example.com/b'] });
  t.end();
});

test('what was applied before is applied again, and goes by not being applied', (t) => {
  const ours = fields('kedge-console', {
    'f:metadata': { 'f:annotations': { 'f:a': {}, 'f:b': {} } },
    'f:spec': { 'f:template': { 'f:spec': { 'f:containers': { 'k:{"name":"side"}': CONTAINER_FIELDS } } } },
  });
  const containers = [container('web', 'a'), container('side', 'c', { stdin: true })];
  const before = deployment(
    [OTHERS, ours],
    { template: { spec: { containers } } },
    { annotations: { a: '1', b: '2' } },
  );
  const after = deployment([], { template: { spec: { containers } } }, { annotations: { a: '1' } });
  t.strictSame(applied(planEdit(before, after)), {
    metadata: { ...NAMED, annotations: { a: '1' } },
    spec: { template: { spec: { containers: [{ name: 'side', image: 'c' }] } } },
  });
  t.end();
});

test('what others own is removed by a replacement, which says what', (t) => {
  const withoutLabel = planEdit(deployment(), deployment([], {}, { labels: {} }));
  t.strictSame(withoutLabel, { kind: 'replace', fields: ['.metadata.labels.app'] });
  const withoutContainer = planEdit(deployment(), deployment([], { template: { spec: { containers: [] } } }));
  t.strictSame(withoutContainer, { kind: 'replace', fields: ['.spec.template.spec.containers[["web"]]'] });
  t.end();
});

test('what nobody owns, and another order, is saved as a replacement', (t) => {
  const two = [container('web', 'a'), container('b', 'b')];
  const owned = fields('x', {
    'f:spec': {
      'f:template': {
        'f:spec': { 'f:containers': { 'k:{"name":"web"}': CONTAINER_FIELDS, 'k:{"name":"b"}': CONTAINER_FIELDS } },
      },
    },
  });
  const before = deployment([owned], { template: { spec: { containers: two } } });
  const after = deployment([owned], { template: { spec: { containers: two.toReversed() } } });
  t.strictSame(planEdit(before, after), { kind: 'replace', fields: [] });
  t.strictSame(planEdit(deployment([]), deployment([], {}, { labels: {} })), {
    kind: 'replace',
    fields: ['.metadata'],
  });
  t.end();
});

test('keys that objects inherit are keys as any other', (t) => {
  const labels = JSON.parse('{"app":"web","__proto__":"x","constructor":"y"}') as Record<string, string>;
  const edit = applied(planEdit(deployment(), deployment([], {}, { labels })));
  const found = (edit['metadata'] as { labels: object }).labels;
  t.strictSame(Object.entries(found), [
    ['__proto__', 'x'],
    ['constructor', 'y'],
  ]);
  t.end();
});

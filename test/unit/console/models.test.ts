import { test } from 'tap';
import { actionsOf } from '../../../addons/console/model/actions.ts';
import { dependentsOf, ownedBy, type Known } from '../../../addons/console/model/dependents.ts';
import { condensed, diffLines } from '../../../addons/console/model/diff.ts';
import { planDrain } from '../../../addons/console/model/drain-plan.ts';
import { bearerProtocol, frame, outcomeOf, resizeFrame } from '../../../addons/console/model/exec-channels.ts';
import { LineSplitter } from '../../../addons/console/model/lines.ts';
import { navigationOf } from '../../../addons/console/model/navigation.ts';
import { plainLine } from '../../../addons/console/model/plain-text.ts';
import { podSelectorOf, referencesOf } from '../../../addons/console/model/references.ts';
import { apiPath, formatRoute, parseRoute, type Route } from '../../../addons/console/model/route.ts';
import { columnsOf, filtered, quantityOf, rowsOf, sorted, toneOf } from '../../../addons/console/model/rows.ts';
import { editable, readAllYaml, readYaml, writeYaml, YamlError } from '../../../addons/console/model/yaml.ts';
import { chinese } from '../../../addons/console/text/chinese.ts';
import { english } from '../../../addons/console/text/english.ts';
import { fill } from '../../../addons/console/text/fill.ts';

test('a stream is cut into lines wherever its pieces end', (t) => {
  const lines = new LineSplitter();
  t.strictSame(lines.push('a\nb'), ['a']);
  t.strictSame(lines.push('c'), []);
  t.strictSame(lines.push('\n\nd'), ['bc', '']);
  t.equal(lines.rest, 'd');
  t.throws(() => lines.push('x'.repeat(17 * 1024 * 1024)), /does not end/);
  t.end();
});

test('a place is found again by its address, whatever is in its names', (t) => {
  const which = { group: 'x.example.com', version: 'v1', resource: 'things' };
  const routes: Route[] = [
    { page: 'overview' },
    { page: 'create' },
    { page: 'list', ...which, namespace: '', filter: '' },
    { page: 'list', group: '', version: 'v1', resource: 'pods', namespace: 'a b', filter: 'x=1&y #?/' },
    { page: 'object', ...which, namespace: '', name: 'a/b?c#d%', tab: 'summary' },
    { page: 'object', ...which, namespace: '..', name: '<img>', tab: 'logs' },
  ];
  for (const route of routes) t.strictSame(parseRoute(formatRoute(route)), route, formatRoute(route));
  for (const odd of ['', '#', '#/list', '#/object/core/v1/pods', '#/list/%/v1/pods', '#/constructor/a/b/c'])
    t.strictSame(parseRoute(odd), { page: 'overview' }, odd);
  t.equal(parseRoute('#/object/core/v1/pods/a/b/nonsense').page, 'object');
  t.end();
});

test('a name stays one segment of a path', (t) => {
  const pods = { group: '', version: 'v1', resource: 'pods' };
  t.equal(apiPath(pods), '/api/v1/pods');
  t.equal(apiPath(pods, 'a', 'b', 'log'), '/api/v1/namespaces/a/pods/b/log');
  t.equal(apiPath({ ...pods, group: 'g' }, '../x', 'a/b?c'), '/apis/g/v1/namespaces/..%2Fx/pods/a%2Fb%3Fc');
  t.end();
});

const TABLE = {
  columnDefinitions: [{ name: 'Name' }, { name: 'Memory', priority: 1 }, { name: 'Age' }],
  rows: [
    ['b', '1Gi', '2026-01-01T00:00:00Z', { app: 'x' }],
    ['a10', '900Mi', '2026-01-03T00:00:00Z', {}],
    ['a9', '2Gi', '2026-01-02T00:00:00Z', {}],
  ].map(([name, memory, creationTimestamp, labels]) => ({
    cells: [name, memory, '1d', null, { a: 1 }],
    object: { metadata: { name, namespace: 'n', uid: name, creationTimestamp, labels } },
  })) as never,
};

test('rows are ordered by names, numbers, quantities and ages, and filtered by words', (t) => {
  const rows = rowsOf(TABLE);
  const names = (by: Parameters<typeof sorted>[1]): string[] => sorted(rows, by).map(({ name }) => name);
  t.strictSame(names(undefined), ['a10', 'a9', 'b']);
  t.strictSame(names({ by: 0, descending: false }), ['a9', 'a10', 'b']);
  t.strictSame(names({ by: 1, descending: false }), ['a10', 'b', 'a9']);
  t.strictSame(names({ by: 1, descending: true }), ['a9', 'b', 'a10']);
  t.strictSame(names({ by: 'age', descending: false }), ['a10', 'a9', 'b']);
  t.strictSame(names({ by: 'namespace', descending: true }), ['a10', 'a9', 'b']);
  const shown = (filter: string): string[] => filtered(rows, filter).map(({ name }) => name);
  t.strictSame(shown('  '), ['b', 'a10', 'a9']);
  t.strictSame(shown('APP=X'), ['b']);
  t.strictSame(shown('a1 mi'), ['a10']);
  t.strictSame(shown('!gi'), ['a10']);
  t.strictSame(rows[0]?.cells, ['b', '1Gi', '1d', '', '{"a":1}']);
  t.strictSame(
    columnsOf(TABLE).map(({ isAge, priority }) => [isAge, priority]),
    [
      [false, 0],
      [false, 1],
      [true, 0],
    ],
  );
  t.strictSame(['100m', '1Ki', '3', 'x', '1.5G'].map(quantityOf), [0.1, 1024, 3, undefined, 1.5e9]);
  t.strictSame(['Running', 'CrashLoopBackOff', 'Init:0/1', 'constructor'].map(toneOf), [
    'good',
    'bad',
    'busy',
    'plain',
  ]);
  t.end();
});

test('of what containers print only the text is left', (t) => {
  t.equal(plainLine('\u001b[31mred\u001b[0m\r'), 'red');
  t.equal(plainLine('\u001b]0;title\u0007a\u001b]8;;javascript:x\u001b\\link\u001b]8;;\u001b\\'), 'alink');
  t.equal(plainLine('\u001b]0;no end'), '');
  t.equal(plainLine('a\u0000b\u202ec'), 'a\ufffdb\ufffdc');
  t.equal(plainLine('<b>\tü 中'), '<b>\tü 中');
  t.end();
});

test('the differences of texts are lines that were added and removed', (t) => {
  const kinds = (before: string, after: string): string =>
    diffLines(before, after)
      .map(({ kind, text }) => `${kind[0]}${text}`)
      .join(' ');
  t.equal(kinds('a\nb\nc', 'a\nx\nc\nd'), 'sa rb ax sc ad');
  t.equal(kinds('a', 'a'), 'sa');
  t.equal(kinds('', 'a'), 'r aa');
  const long = Array.from({ length: 3_000 }, (_, index) => `l${index}`);
  const other = long.map((line) => `${line}x`);
  t.equal(diffLines(long.join('\n'), other.join('\n')).length, 6_000, 'what is too long is shown as a whole');
  const changed = long.with(1_000, 'changed');
  t.strictSame(
    condensed(diffLines(long.join('\n'), changed.join('\n'))).map(({ kind }) => kind),
    ['gap', 'same', 'same', 'same', 'removed', 'added', 'same', 'same', 'same', 'gap'],
  );
  t.end();
});

const known = (uid: string, ...owners: string[]): Known => ({
  group: '',
  version: 'v1',
  resource: 'pods',
  kind: 'Pod',
  namespace: 'n',
  name: uid,
  uid,
  owners: owners.map((owner) => ({ apiVersion: 'v1', kind: 'X', name: owner, uid: owner })),
});

test('an object goes with the last of its owners', (t) => {
  const all = [
    known('rs', 'd'),
    known('p1', 'rs'),
    known('p2', 'rs', 'other'),
    known('q', 'p1'),
    known('free'),
    known('d', 'q'),
  ];
  t.strictSame(
    dependentsOf('d', all).map(({ uid }) => uid),
    ['rs', 'p1', 'q', 'd'],
    'a circle ends',
  );
  t.strictSame(
    ownedBy('rs', all).map(({ uid }) => uid),
    ['p1', 'p2'],
  );
  t.end();
});

test('a drain leaves the pods of DaemonSets and of the node, and warns of what is lost', (t) => {
  const pod = (name: string, owner: string | undefined, more: object = {}) => ({
    metadata: {
      name,
      namespace: 'n',
      uid: name,
      ...(owner && { ownerReferences: [{ apiVersion: 'v1', kind: owner, name: 'o', uid: 'o', controller: true }] }),
      ...(name === 'mirror' && { annotations: { 'kubernetes.io/config.mirror': 'x' } }),
    },
    ...more,
  });
  const plan = planDrain([
    pod('bare', undefined, { spec: { volumes: [{ name: 'v', emptyDir: {} }] } }),
    pod('owned', 'ReplicaSet'),
    pod('daemon', 'DaemonSet'),
    pod('finished', 'DaemonSet', { status: { phase: 'Failed' } }),
    pod('mirror', undefined),
  ]);
  t.strictSame(
    plan.leaving.map(({ name, isBare, hasEmptyDir }) => [name, isBare, hasEmptyDir]),
    [
      ['bare', true, true],
      ['owned', false, false],
      ['finished', false, false],
    ],
  );
  t.equal(plan.staying, 2);
  t.end();
});

test('a token is the name of a protocol, and messages name their channel', (t) => {
  t.equal(
    bearerProtocol('a?>~ü'),
    `base64url.bearer.authorization.k8s.io.${Buffer.from('a?>~ü').toString('base64url')}`,
  );
  t.strictSame([...frame(0, 'hi')], [0, 104, 105]);
  t.equal(Buffer.from(resizeFrame(80, 24)).toString(), '\u0004{"Width":80,"Height":24}');
  const outcome = (text: string): string => outcomeOf(new TextEncoder().encode(text));
  t.equal(outcome('{"status":"Success"}'), '');
  t.equal(outcome('{"status":"Failure","message":"exit 3"}'), 'exit 3');
  t.equal(outcome('nonsense'), 'nonsense');
  t.end();
});

test('every resource that can be watched is in one section', (t) => {
  const resource = (group: string, plural: string, verbs = ['list', 'watch']) => ({
    group,
    version: 'v1',
    resource: plural,
    kind: plural,
    verbs,
  });
  const sections = navigationOf([
    resource('', 'pods'),
    resource('apps', 'deployments'),
    resource('x.example.com', 'things'),
    resource('new.k8s.io', 'novelties'),
    resource('', 'bindings', ['create']),
    resource('', 'events'),
  ]);
  t.strictSame(
    [...sections]
      .filter(([, listed]) => listed.length > 0)
      .map(([section, listed]) => [section, ...listed.map((one) => one.resource)]),
    [
      ['workloads', 'pods', 'deployments'],
      ['custom', 'things'],
      ['other', 'novelties'],
    ],
  );
  t.end();
});

test('what an object uses, and selects, is read of its fields', (t) => {
  const template = {
    spec: {
      nodeName: 'node',
      volumes: [{ configMap: { name: 'c' } }, { projected: { sources: [{ secret: { name: 's' } }] } }, 'odd', null],
      containers: [
        { envFrom: [{ secretRef: { name: 's' } }], env: [{ valueFrom: { configMapKeyRef: { name: 'e' } } }] },
      ],
    },
  };
  const names = referencesOf({ group: 'apps', resource: 'deployments' }, { spec: { template } }).map(
    ({ resource, name }) => `${resource}/${name}`,
  );
  t.strictSame(names, ['nodes/node', 'configmaps/c', 'secrets/s', 'configmaps/e']);
  const selector = {
    matchLabels: { app: 'web' },
    matchExpressions: [
      { key: 'a', operator: 'In', values: ['x', 'y'] },
      { key: 'b', operator: 'DoesNotExist' },
    ],
  };
  t.equal(podSelectorOf({ spec: { selector } }), 'app=web,a in (x,y),!b');
  t.equal(podSelectorOf({ spec: { selector: { app: 'web' } } }), 'app=web');
  t.equal(podSelectorOf({ spec: {} }), undefined);
  t.end();
});

function isRefused(text: string): boolean {
  try {
    readYaml(text);
    return false;
  } catch (error) {
    return error instanceof YamlError;
  }
}

test('YAML is read as objects only, and says what is wrong with it', (t) => {
  t.strictSame(readAllYaml('a: 1\n---\n\n---\nb: 2\n'), [{ a: 1 }, { b: 2 }]);
  for (const odd of ['a: [', '- a', 'text', 'a: 1\na: 2', 'a: &x [1]\nb: *y']) t.ok(isRefused(odd), odd);
  const bomb = [
    'a0: &a0 [x,x,x,x,x,x,x,x,x]',
    ...Array.from({ length: 9 }, (_, index) => `a${index + 1}: &a${index + 1} [${Array(9).fill(`*a${index}`).join()}]`),
  ];
  t.ok(isRefused(bomb.join('\n')), 'aliases are bounded');
  t.throws(() => readAllYaml('a: 1\n---\n'.repeat(300)), /more than/);
  const object = {
    kind: 'A',
    metadata: { uid: 'u', name: 'n', managedFields: [] },
    apiVersion: 'v1',
    data: { x: 'y'.repeat(200) },
  };
  t.equal(
    writeYaml(editable(object)),
    `apiVersion: v1\nkind: A\nmetadata:\n  name: n\n  uid: u\ndata:\n  x: ${'y'.repeat(200)}\n`,
  );
  t.end();
});

test('an action needs what the server will ask for', (t) => {
  const actions = (group: string, resource: string, subresources: string[], object = {}) =>
    actionsOf({ group, version: 'v1', resource, subresources: new Set(subresources), verbs: ['delete'] }, object).map(
      ({ name }) => name,
    );
  t.strictSame(actions('apps', 'deployments', ['scale']), ['scale', 'restart', 'rollback', 'delete']);
  t.strictSame(actions('', 'nodes', []), ['cordon', 'drain', 'delete']);
  t.strictSame(actions('', 'nodes', [], { spec: { unschedulable: true } }), ['uncordon', 'drain', 'delete']);
  t.strictSame(actions('batch', 'cronjobs', [], { spec: { suspend: true } }), ['resume', 'delete']);
  t.strictSame(actions('x.example.com', 'deployments', []), ['delete']);
  t.end();
});

test('both languages have the same places for values, which are filled in once', (t) => {
  const places = (text: string): string[] => [...text.matchAll(/\{\w+\}/g)].map(([place]) => place).sort();
  for (const [key, text] of Object.entries(english))
    t.strictSame(places(chinese[key as keyof typeof english]), places(text), key);
  t.equal(fill('{a} {b} {constructor}', { a: '{b}', b: 2 }), '{b} 2 {constructor}');
  t.end();
});

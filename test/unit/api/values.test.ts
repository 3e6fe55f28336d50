import t from 'tap';
import { humanDuration, parseDuration } from '../../../api/machinery/duration.ts';
import { scaledValue } from '../../../api/machinery/int-or-string.ts';
import { inheritMetadata, validateObjectMeta, validateObjectMetaUpdate } from '../../../api/machinery/metadata.ts';
import {
  validateLabelName,
  validateLabelValue,
  validateQualifiedName,
  validateSubdomainName,
} from '../../../api/machinery/names.ts';
import {
  addQuantities,
  canonicalQuantity,
  compareQuantities,
  quantityMilliValue,
  quantityValue,
  roundUpToMilli,
  subtractQuantities,
} from '../../../api/machinery/quantity.ts';
import {
  fieldTests,
  formatSelector,
  parseFieldSelector,
  parseLabelSelector,
  selectorFrom,
  validateLabelSelector,
  type Labels,
} from '../../../api/machinery/selectors.ts';
import { timeOf } from '../../../api/machinery/time.ts';

t.test('a quantity is formatted with the largest exact suffix of its format', async (t) => {
  const canonical = {
    '1000m': '1',
    '0.5': '500m',
    '1500': '1500',
    '2000': '2k',
    '1e3': '1e3',
    '12E2': '1200',
    '1024Mi': '1Gi',
    '1.5Gi': '1536Mi',
    '0.5Ki': '512',
    '.25': '250m',
    '+3': '3',
    '-0.1': '-100m',
    '00': '0',
    '100000000000000000000': '9223372036854775807',
  };
  for (const [given, wanted] of Object.entries(canonical)) {
    t.equal(canonicalQuantity(given), wanted, given);
  }
  for (const wrong of ['', '.', '1.2.3', '1KiB', 'Gi', '1 Gi', '0x10', 'NaN']) {
    t.throws(() => canonicalQuantity(wrong), { name: 'QuantityError' }, wrong);
  }
  t.equal(roundUpToMilli('1n'), '1m');
});

t.test('quantities are compared and added across formats, and rounded up to integers', async (t) => {
  t.equal(compareQuantities('1Gi', '1024Mi'), 0);
  t.equal(compareQuantities('999m', '1'), -1);
  t.equal(addQuantities('1Gi', '1M'), '1074741824');
  t.equal(addQuantities('0', '1Ki'), '1Ki');
  t.equal(subtractQuantities('2', '500m'), '1500m');
  t.equal(quantityValue('1m'), 1);
  t.equal(quantityValue('1.5Gi'), 1_610_612_736);
  t.equal(quantityMilliValue('100m'), 100);
  t.equal(quantityMilliValue('2'), 2000);
  t.equal(quantityMilliValue('1u'), 1);
});

t.test("durations are parsed in Go's notation, and ages printed as kubectl does", async (t) => {
  t.equal(parseDuration('1h2m3.5s'), 3_723_500);
  t.equal(parseDuration('5 minutes'), undefined);
  const ages = [
    [5, '5s'],
    [119, '119s'],
    [125, '2m5s'],
    [660, '11m'],
    [3 * 3600 + 60, '3h1m'],
    [47 * 3600, '47h'],
    [50 * 3600, '2d2h'],
    [400 * 86_400, '400d'],
    [800 * 86_400, '2y70d'],
    [-5, '<invalid>'],
  ] as const;
  for (const [seconds, shown] of ages) t.equal(humanDuration(seconds * 1000), shown);
});

t.test('percentages are rounded up or down as requested', async (t) => {
  t.equal(scaledValue('25%', 10, 'up'), 3);
  t.equal(scaledValue('25%', 10, 'down'), 2);
  t.equal(scaledValue(7, 10, 'up'), 7);
  t.throws(() => scaledValue('x', 10, 'up'));
});

t.test('label selectors match, are rejected and are formatted as upstream', async (t) => {
  const selector = parseLabelSelector('b in (y, x),!gone, tier!=db,a==1,n>5');
  t.equal(formatSelector(selector), 'a=1,b in (x,y),!gone,n>5,tier!=db');
  t.ok(selector.matches({ a: '1', b: 'y', n: '6' }));
  t.notOk(selector.matches({ a: '1', b: 'y', n: '5' }));
  t.notOk(selector.matches({ a: '1', b: 'y', n: '6', tier: 'db' }));
  t.notOk(selector.matches({ a: '1', b: 'y', n: '6', gone: '' }));
  t.ok(parseLabelSelector('').empty);
  t.ok(parseLabelSelector('env=').matches({ env: '' }));
  t.notOk(parseLabelSelector('constructor').matches({}));
  for (const wrong of ['a=b,', 'a in b', 'a in (b', '=b', 'a=b=c', '-a', 'n>x', '!']) {
    t.throws(() => parseLabelSelector(wrong), { name: 'SelectorError' }, wrong);
  }
});

t.test('an empty selector matches everything, a missing one nothing', async (t) => {
  t.ok(selectorFrom({}).matches({ a: 'b' }));
  t.notOk(selectorFrom(undefined).matches({}));
  const expression = { key: 'a', operator: 'NotIn', values: ['x'] };
  t.ok(selectorFrom({ matchExpressions: [expression] }).matches({}));
  const errors = validateLabelSelector({ matchExpressions: [{ key: 'a', operator: 'In' }] }, 's');
  t.strictSame(
    errors.map(({ field }) => field),
    ['s.matchExpressions[0].values'],
  );
});

t.test('a selector of many requirements matches what each of them matches', async (t) => {
  const terms = [
    'k=a',
    'k==b',
    'k!=a',
    'k in (a,b)',
    'k notin (b)',
    'k',
    '!k',
    'k>1',
    'k<3',
    'constructor',
    '!toString',
  ];
  const padding = Array.from({ length: 10 }, (_, index) => `other${index}!=x`).join(',');
  const objects: (Labels | undefined)[] = [
    undefined,
    {},
    { constructor: 'x' },
    ...['', 'a', 'b', 'c', '1', '2', '3'].map((k) => ({ k })),
  ];
  for (const one of terms) {
    for (const other of terms) {
      const each = [one, other].map(parseLabelSelector);
      const together = parseLabelSelector(`${one},${padding},${other}`);
      for (const labels of objects) {
        const wanted = each.every((selector) => selector.matches(labels));
        t.equal(together.matches(labels), wanted, `${one},${other}: ${JSON.stringify(labels)}`);
      }
    }
  }
});

t.test('field selectors support =, ==, != and escapes', async (t) => {
  t.strictSame(parseFieldSelector('a=b,c!=d\\,e,f=='), [
    { field: 'a', equal: true, value: 'b' },
    { field: 'c', equal: false, value: 'd,e' },
    { field: 'f', equal: true, value: '' },
  ]);
  t.throws(() => parseFieldSelector('a'), { name: 'SelectorError' });
});

t.test('all requirements for a field have to be met', async (t) => {
  const meets = (selector: string, value: string) => fieldTests(parseFieldSelector(selector)).get('f')?.(value);
  t.ok(meets('f=a', 'a'));
  t.ok(meets('f=', ''));
  t.notOk(meets('f=a', 'b'));
  t.notOk(meets('f=a,f=b', 'a'));
  t.notOk(meets('f=a,f!=a', 'a'));
  t.ok(meets('f!=b,f!=c', 'a'));
  t.notOk(meets('f!=b,f!=c', 'c'));
});

const kind = { namespaced: true, validateName: validateSubdomainName };
const fields = (errors: readonly { type: string; field: string }[]) =>
  errors.map(({ type, field }) => `${type} ${field}`);

t.test('metadata is validated on create', async (t) => {
  const meta = {
    name: 'Upper',
    namespace: 'a.b',
    labels: { 'a b': 'ok', fine: 'x'.repeat(64) },
    annotations: { 'Fine/Key': 'x', big: 'x'.repeat(300_000) },
    finalizers: ['no slash?'],
    ownerReferences: [
      { apiVersion: 'v1', kind: 'A', name: 'a', uid: '1', controller: true },
      { apiVersion: 'apps/', kind: '', name: 'b', uid: '', controller: true },
    ],
  };
  t.strictSame(fields(validateObjectMeta(meta, kind)), [
    'FieldValueInvalid metadata.name',
    'FieldValueInvalid metadata.namespace',
    'FieldValueInvalid metadata.labels',
    'FieldValueInvalid metadata.labels',
    'FieldValueTooLong metadata.annotations',
    'FieldValueInvalid metadata.ownerReferences.apiVersion',
    'FieldValueInvalid metadata.ownerReferences.kind',
    'FieldValueInvalid metadata.ownerReferences.uid',
    'FieldValueInvalid metadata.ownerReferences',
    'FieldValueInvalid metadata.finalizers',
    // Neither a qualified name nor one that Kubernetes defines.
    'FieldValueInvalid metadata.finalizers[0]',
  ]);
  t.strictSame(fields(validateObjectMeta({ namespace: 'n' }, kind)), ['FieldValueRequired metadata.name']);
  t.strictSame(validateObjectMeta({ name: 'a-', generateName: 'a-', namespace: 'n' }, kind).length, 1);
});

t.test('an update keeps system fields and rejects changed identity', async (t) => {
  const old = { name: 'a', namespace: 'n', uid: 'u', creationTimestamp: '2026-01-01T00:00:00Z', resourceVersion: '5' };
  const same = { name: 'a', namespace: 'n', resourceVersion: '5' };
  inheritMetadata(same, old);
  t.strictSame(validateObjectMetaUpdate(same, old, { validateName: () => [] }), []);
  const other = { ...old, uid: 'v', resourceVersion: '' };
  t.strictSame(fields(validateObjectMetaUpdate(other, old, { validateName: () => [] })), [
    'FieldValueInvalid metadata.resourceVersion',
    'FieldValueInvalid metadata.uid',
  ]);
  const dying = { ...old, deletionTimestamp: '2026-01-02T00:00:00Z' };
  t.strictSame(fields(validateObjectMetaUpdate({ ...dying, finalizers: ['a/b'] }, dying, { validateName: () => [] })), [
    'FieldValueForbidden metadata.finalizers',
  ]);
});

t.test('a generateName may end in a dash', async (t) => {
  t.strictSame(validateSubdomainName('web-', true), []);
  t.equal(validateSubdomainName('web-', false).length, 1);
  t.strictSame(validateLabelName('a.b'), ['must not contain dots']);
});

t.test('times have second precision whichever was formatted before', async (t) => {
  const second = Date.UTC(2026, 1, 3, 4, 5, 6);
  for (const ms of [second, second + 999, second]) t.equal(timeOf(ms), '2026-02-03T04:05:06Z');
  t.equal(timeOf(second - 1), '2026-02-03T04:05:05Z');
  t.equal(timeOf(second + 1000), '2026-02-03T04:05:07Z');
  t.equal(timeOf(-1), '1969-12-31T23:59:59Z');
  t.throws(() => timeOf(NaN), RangeError);
});

t.test('what is too long in a label is told in bytes', async (t) => {
  const long = 'a'.repeat(254);
  t.strictSame(validateLabelValue(long), ['must be no more than 63 bytes']);
  t.strictSame(validateQualifiedName(`${long}/${long}`), [
    'prefix part must be no more than 253 bytes',
    'name part must be no more than 63 bytes',
  ]);
  t.strictSame(validateLabelName(long), ['must be no more than 63 characters']);
});

/** Kinds served in several versions: conversion in both directions. */
import t from 'tap';
import { events as coreEvents } from '../../../api/kinds/core/event.ts';
import { events, fromCoreEvent, toCoreEvent } from '../../../api/kinds/events/event.ts';
import { decodeObject } from '../../../api/machinery/decode.ts';
import { own } from '../../../api/machinery/own.ts';
import { kinds } from '../../../api/registry.ts';

const TIME = '2026-01-02T03:04:05Z';
const MICRO = '2026-01-02T03:04:05.000006Z';
const POD = {
  kind: 'Pod',
  namespace: 'n',
  name: 'p',
  uid: 'u',
  apiVersion: 'v1',
  resourceVersion: '7',
  fieldPath: 'f',
};

/** The field in core/v1, the field in events.k8s.io/v1, and a value. */
const ROWS: readonly (readonly [core: string, grouped: string, value: unknown])[] = [
  ['metadata', 'metadata', { name: 'e', namespace: 'n', labels: { a: 'b' } }],
  ['involvedObject', 'regarding', POD],
  ['reason', 'reason', 'R'],
  ['message', 'note', 'm'],
  ['source', 'deprecatedSource', { component: 'c', host: 'h' }],
  ['firstTimestamp', 'deprecatedFirstTimestamp', TIME],
  ['lastTimestamp', 'deprecatedLastTimestamp', TIME],
  ['count', 'deprecatedCount', 3],
  ['type', 'type', 'Warning'],
  ['eventTime', 'eventTime', MICRO],
  ['series', 'series', { count: 2, lastObservedTime: MICRO }],
  ['action', 'action', 'A'],
  ['related', 'related', { kind: 'Node', name: 'n1' }],
  ['reportingComponent', 'reportingController', 'example.com/c'],
  ['reportingInstance', 'reportingInstance', 'c-0'],
];

const asCore = (fields: object) => decodeObject(coreEvents, fields).object;
const asGrouped = (fields: object) => decodeObject(events, fields).object;
/** As served: complete, without undefined fields. */
const stored = (event: Parameters<typeof toCoreEvent>[0]) =>
  asCore(JSON.parse(JSON.stringify(toCoreEvent(event))) as object);
const served = (event: Parameters<typeof fromCoreEvent>[0]) =>
  asGrouped(JSON.parse(JSON.stringify(fromCoreEvent(event))) as object);

t.test('every field of an event converts in both directions', async (t) => {
  for (const [core, grouped, value] of ROWS) {
    const [one, other] = [asCore({ [core]: value }), asGrouped({ [grouped]: value })];
    t.strictSame(served(one), other, `${core} -> ${grouped}`);
    t.strictSame(stored(other), one, `${grouped} -> ${core}`);
  }
  const names = (column: 0 | 1) => ['apiVersion', 'kind', ...ROWS.map((row) => row[column])].sort();
  t.strictSame(names(0), Object.keys(coreEvents.schema.properties ?? {}).sort());
  t.strictSame(names(1), Object.keys(events.schema.properties ?? {}).sort());
});

t.test('an event survives a round trip through the other version', async (t) => {
  const whole = asCore(Object.fromEntries(ROWS.map(([core, , value]) => [core, value])));
  for (const event of [whole, asCore({})]) t.strictSame(stored(served(event)), event);
  const grouped = asGrouped(Object.fromEntries(ROWS.map(([, name, value]) => [name, value])));
  for (const event of [grouped, asGrouped({})]) t.strictSame(served(stored(event)), event);
  // A series in the core group may lack fields that the other version requires.
  t.strictSame(served(asCore({ series: {} })).series, { count: 0, lastObservedTime: null });
});

t.test('a version that is not stored names its storage version, and its field selectors', async (t) => {
  for (const kind of kinds) {
    if (!kind.storedAs) continue;
    t.ok(kinds.includes(kind.storedAs.kind));
    t.equal(kind.storedAs.kind.storedAs, undefined);
    t.strictSame(Object.keys(kind.selectableFields), Object.keys(kind.storedAs.fields));
  }
  const event = asGrouped({ regarding: POD, reportingController: 'c' });
  t.equal(own(events.selectableFields, 'regarding.name')?.(event), 'p');
  t.equal(own(events.selectableFields, 'reportingController')?.(event), 'c');
  t.equal(own(events.selectableFields, 'involvedObject.name'), undefined);
});

const EVENT = {
  metadata: { name: 'e', namespace: POD.namespace },
  eventTime: MICRO,
  regarding: POD,
  reportingController: 'example.com/c',
  reportingInstance: 'c-0',
  action: 'A',
  reason: 'R',
  note: 'm',
  type: 'Normal',
};

t.test('a new event of events.k8s.io is complete, and has nothing that is deprecated', async (t) => {
  const problems = (change: object) => events.validate(asGrouped({ ...EVENT, ...change })).map(({ field }) => field);
  const rows: [object, string[]][] = [
    [{}, []],
    [{ eventTime: null }, ['eventTime']],
    [{ type: 'Odd' }, ['type']],
    [{ series: { count: 1, lastObservedTime: MICRO } }, ['series.count']],
    [{ series: { count: 2, lastObservedTime: MICRO } }, []],
    [{ deprecatedCount: 1, deprecatedSource: { host: 'h' } }, ['count', 'source']],
    [{ deprecatedFirstTimestamp: '2026-01-02T03:04:05Z' }, ['firstTimestamp']],
    [{ reportingController: 'a/b/c' }, ['reportingController']],
    [{ reportingInstance: 'x'.repeat(129), action: 'x'.repeat(129) }, ['reportingInstance', 'action']],
    [{ reason: 'x'.repeat(128), note: 'x'.repeat(1025) }, ['message']],
  ];
  for (const [change, fields] of rows) t.strictSame(problems(change), fields, JSON.stringify(change).slice(0, 80));
});

t.test('by way of events.k8s.io only the series and the metadata of an event change', async (t) => {
  const old = asGrouped(EVENT);
  const problems = (change: object) =>
    events.validate(asGrouped({ ...EVENT, ...change }), old).map(({ field }) => field);
  t.strictSame(problems({ series: { count: 2, lastObservedTime: MICRO } }), []);
  t.strictSame(problems({ series: { count: 1 } }), ['series.count', 'series.lastObservedTime']);
  t.strictSame(problems({ metadata: { ...EVENT.metadata, labels: { a: 'b' } } }), []);
  t.strictSame(problems({ note: 'other', type: 'Warning' }), ['message', 'type']);
  t.strictSame(problems({ eventTime: '2027-01-02T03:04:05.000006Z' }), ['eventTime']);
  const before = asCore({ metadata: EVENT.metadata, involvedObject: POD, reason: 'R', count: 1, type: 'Normal' });
  const served = fromCoreEvent(before);
  t.strictSame(
    events.validate({ ...served, deprecatedCount: 2 }, served).map(({ field }) => field),
    ['count'],
  );
  t.strictSame(coreEvents.validate({ ...before, count: 2, message: 'm' }, before), [], 'core/v1 allows it');
});

t.test(
  'an event of core/v1 with a time names its reporter; without one it is in the namespace of its object',
  async (t) => {
    const problems = (namespace: string, about: string, change: object = {}) =>
      coreEvents
        .validate(asCore({ metadata: { name: 'e', namespace }, involvedObject: { namespace: about }, ...change }))
        .map(({ field }) => field);
    const reported = { eventTime: MICRO, reportingComponent: 'c', reportingInstance: 'i', action: 'A', reason: 'R' };
    t.strictSame(problems('default', ''), []);
    t.strictSame(problems('kube-system', ''), ['involvedObject.namespace']);
    t.strictSame(problems('a', 'b'), ['involvedObject.namespace']);
    t.strictSame(problems('kube-system', '', reported), []);
    t.strictSame(problems('a', 'b', reported), []);
    t.strictSame(problems('a', '', reported), ['involvedObject.namespace']);
    t.strictSame(
      [...new Set(problems('a', 'a', { eventTime: MICRO }))],
      ['reportingComponent', 'reportingInstance', 'action', 'reason'],
    );
  },
);

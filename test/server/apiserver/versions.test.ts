/** A kind in two versions, of one group (autoscaling) or of two (events): stored in one version and served in both. */
import t from 'tap';
import { defineKind } from '../../../api/machinery/define-kind.ts';
import type { KubeObject } from '../../../api/machinery/kind.ts';
import { storedAs } from '../../../api/machinery/stored-as.ts';
import { int32, list, optional, required, string, struct } from '../../../api/machinery/schema.ts';
import { events as coreEvents } from '../../../api/kinds/core/event.ts';
import { events } from '../../../api/kinds/events/event.ts';
import { namespaces } from '../../../api/kinds/core/namespace.ts';
import { ObjectMeta } from '../../../api/types/meta/v1.gen.ts';
import { take, TestServer, type Json } from './server.ts';

type ScalerV1 = KubeObject & { spec?: { target?: number } };
type Target = { name: string; value: number };
type ScalerV2 = KubeObject & { spec?: { targets?: Target[] } };

const typeFields = {
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
};
const SpecV1 = struct('example.v1.ScalerSpec', () => ({ target: optional(1, { ...int32, minimum: 0 }) }));
const SchemaV1 = struct('example.v1.Scaler', () => ({ ...typeFields, spec: optional(2, SpecV1, { always: true }) }));
const TargetSchema = struct('example.v2.Target', () => ({ name: required(1, string), value: required(2, int32) }));
const SpecV2 = struct('example.v2.ScalerSpec', () => ({ targets: optional(1, list(TargetSchema)) }));
const SchemaV2 = struct('example.v2.Scaler', () => ({ ...typeFields, spec: optional(2, SpecV2, { always: true }) }));

/** The targets that have no field in v1. */
const OTHERS = 'example.com/targets';
const names = { group: 'example.com', kind: 'Scaler', plural: 'scalers', namespaced: true } as const;

const scalersV2 = defineKind<ScalerV2>({
  ...names,
  version: 'v2',
  schema: SchemaV2,
  selectableFields: { 'spec.count': ({ spec }) => String(spec?.targets?.length ?? 0) },
});
const scalersV1 = defineKind<ScalerV1>({
  ...names,
  version: 'v1',
  schema: SchemaV1,
  storedAs: storedAs<ScalerV1, ScalerV2>(scalersV2, {
    toStored: ({ metadata, spec }) => {
      const { [OTHERS]: others = '[]', ...annotations } = metadata?.annotations ?? {};
      const cpu = spec?.target === undefined ? [] : [{ name: 'cpu', value: spec.target }];
      return {
        metadata: { ...metadata, annotations },
        spec: { targets: [...cpu, ...(JSON.parse(others) as Target[])] },
      };
    },
    fromStored: ({ metadata, spec }) => {
      const targets = spec?.targets ?? [];
      const others = targets.filter(({ name }) => name !== 'cpu');
      const annotations = { ...metadata?.annotations, ...(others.length > 0 && { [OTHERS]: JSON.stringify(others) }) };
      return {
        metadata: { ...metadata, annotations },
        spec: { target: targets.find(({ name }) => name === 'cpu')?.value },
      };
    },
    fields: { 'spec.count': 'spec.count' },
  }),
});

const at = (version: string, name = '') =>
  `/apis/example.com/${version}/namespaces/default/scalers/${name}`.replace(/\/$/, '');
const CPU = { name: 'cpu', value: 5 };
const QUEUE = { name: 'queue', value: 7 };
const merge = 'application/merge-patch+json';

t.test(
  'objects written in one version can be read, listed, patched and watched in the other without loss',
  async (t) => {
    await using server = await TestServer.start({ kinds: [namespaces, scalersV1, scalersV2] });
    const call = async (method: string, target: string, body?: object, type?: string) => {
      const answer = await server.call(method, target, { body, ...(type && { type }) });
      t.equal(answer.status, method === 'POST' ? 201 : 200, answer.text);
      return answer.body;
    };
    const first = await call('POST', at('v2'), { metadata: { name: 'a' }, spec: { targets: [CPU, QUEUE] } });
    const second = await call('POST', at('v1'), { metadata: { name: 'b' }, spec: { target: 3 } });
    t.match(second, { apiVersion: 'example.com/v1', kind: 'Scaler', spec: { target: 3 } });

    const one = await call('GET', at('v1', 'a'));
    t.match(one, {
      apiVersion: 'example.com/v1',
      metadata: {
        uid: first.metadata?.uid,
        resourceVersion: first.metadata?.resourceVersion,
        annotations: { [OTHERS]: JSON.stringify([QUEUE]) },
      },
      spec: { target: 5 },
    });
    const patched = await call('PATCH', at('v1', 'a'), { spec: { target: 6 } }, merge);
    t.match(patched, { apiVersion: 'example.com/v1', spec: { target: 6 } });
    const stored = await call('GET', at('v2', 'a'));
    t.strictSame(stored.spec, { targets: [{ ...CPU, value: 6 }, QUEUE] });
    t.equal(stored.metadata?.annotations, undefined);
    await call('PUT', at('v1', 'b'), { ...second, spec: { target: 4 } });
    t.strictSame((await call('GET', at('v2', 'b'))).spec, { targets: [{ ...CPU, value: 4 }] });
    const unchanged = await call('PATCH', at('v1', 'a'), { spec: { target: 6 } }, merge);
    t.equal(
      unchanged.metadata?.resourceVersion,
      patched.metadata?.resourceVersion,
      'an unchanged object is not written',
    );

    const listed = await call('GET', `${at('v1')}?fieldSelector=spec.count%3D1`);
    t.match(listed, { apiVersion: 'example.com/v1', kind: 'ScalerList' });
    t.strictSame(
      listed.items?.map(({ metadata, spec }) => [metadata?.name, spec]),
      [['b', { target: 4 }]],
    );
    t.strictSame((await call('GET', at('v2'))).items?.length, 2);

    const refused = await server.call('POST', at('v1'), { body: { metadata: { name: 'c' }, spec: { target: -1 } } });
    t.equal(refused.status, 422);
    t.match(refused.body.message, /spec\.target: Invalid value: -1: must be greater than or equal to 0/);

    const since = String(listed.metadata?.resourceVersion);
    const watches = ['v1', 'v2'].map((version) =>
      take(server.watch(`${at(version)}?watch=true&resourceVersion=${since}`), 2),
    );
    await call('PATCH', at('v2', 'a'), { spec: { targets: [QUEUE] } }, merge);
    await call('DELETE', at('v1', 'a'));
    const [inV1 = [], inV2 = []] = await Promise.all(watches);
    const seen = (changes: readonly { type: string; object: Json }[]) =>
      changes.map(({ type, object }) => [type, object.apiVersion, object.spec]);
    t.strictSame(seen(inV1), [
      ['MODIFIED', 'example.com/v1', {}],
      ['DELETED', 'example.com/v1', {}],
    ]);
    t.strictSame(seen(inV2), [
      ['MODIFIED', 'example.com/v2', { targets: [QUEUE] }],
      ['DELETED', 'example.com/v2', { targets: [QUEUE] }],
    ]);

    const hashes = await Promise.all(
      ['v1', 'v2'].map(async (version) => (await call('GET', `/apis/example.com/${version}`)).resources as Json[]),
    );
    t.equal(hashes[0]?.[0]?.storageVersionHash, hashes[1]?.[0]?.storageVersionHash);
  },
);

t.test('an event of events.k8s.io is complete in the core group, and vice versa', async (t) => {
  await using server = await TestServer.start({ kinds: [namespaces, coreEvents, events] });
  const path = (group: string) => `/${group}/namespaces/default/events`;
  const body = {
    metadata: { name: 'e' },
    eventTime: '2026-01-02T03:04:05.000006Z',
    regarding: { kind: 'Pod', name: 'p', namespace: 'default' },
    reportingController: 'example.com/c',
    reportingInstance: 'c-0',
    action: 'A',
    reason: 'R',
    note: 'm',
    type: 'Normal',
  };
  t.equal((await server.call('POST', path('apis/events.k8s.io/v1'), { body })).status, 201);
  const core = await server.call('GET', `${path('api/v1')}/e`);
  t.match(core.body, {
    apiVersion: 'v1',
    involvedObject: { name: 'p' },
    message: 'm',
    reportingComponent: 'example.com/c',
    source: {},
    firstTimestamp: null,
    lastTimestamp: null,
  });
  const bare = { metadata: { name: 'bare' }, involvedObject: { kind: 'Pod', name: 'p', namespace: 'default' } };
  t.equal((await server.call('POST', path('api/v1'), { body: bare })).status, 201);
  const label = { body: { metadata: { labels: { a: 'b' } } }, type: 'application/merge-patch+json' };
  t.equal((await server.call('PATCH', `${path('apis/events.k8s.io/v1')}/bare`, label)).status, 200);
  const completed = await server.call('GET', `${path('api/v1')}/bare`);
  t.match(completed.body, { reportingComponent: '', reportingInstance: '', eventTime: null, source: {} });
});

/** Server-side applies, custom resources, and a server with 20,000 objects: lists by a label, gets beside whole lists, memory. */
import { eventually } from '../test/support/wait.ts';
import { BenchServer, createNamespace, type BenchServerOptions } from './bench-server.ts';
import { ask, Connection, load, requestBytes, type Rate, type Target } from './http.ts';
import { printMemory, settledMemory } from './process-usage.ts';
import { percentile, type Report } from './report.ts';
import { COLLECTION, CONNECTIONS, createPods, NAMESPACE } from './pods.ts';
import { podBody } from './workload.ts';

const RUNS = 3;
const APPLIES = 4_000;
const CUSTOM_RESOURCES = 4_000;
const PODS = 20_000;
/** Pods are created in batches of this size. */
const BATCH = 2_000;
const SELECTED_LISTS = 200;
const GETS_BESIDE_LISTS = 1_000;
/** Whole lists at a time. */
const LISTERS = 2;
/** One pod of so many has the label. */
const SELECTS_ONE_OF = 100;
const LABEL = 'selected';

const GROUP = 'bench.example.com';
const WIDGETS = `/apis/${GROUP}/v1/namespaces/${NAMESPACE}/widgets`;

export async function measureCollections(
  report: Report,
  options: BenchServerOptions,
  running: AsyncDisposableStack,
): Promise<void> {
  const wantsMany = report.wants('listSelected', 'getBesideLists', 'server20000Memory');
  if (!wantsMany && !report.wants('applyPods', 'createCustom')) return;
  const server = running.use(await BenchServer.start(options));
  const { target, pid } = server;
  const own = [process.pid, pid];
  await createNamespace(target, NAMESPACE);

  if (report.wants('createCustom')) {
    await serveWidgets(target);
    await createWidgets(target, 0, CUSTOM_RESOURCES / 2);
    let made = CUSTOM_RESOURCES / 2;
    await report.repeat(RUNS, own, async () => {
      const { perSecond } = await createWidgets(target, made, CUSTOM_RESOURCES);
      made += CUSTOM_RESOURCES;
      return { createCustom: perSecond };
    });
    await ask(target, 'DELETE', WIDGETS);
  }
  if (report.wants('applyPods')) {
    await applyPods(target, 0);
    await report.repeat(RUNS, own, async () => ({ applyPods: (await applyPods(target, ++round)).perSecond }));
    await ask(target, 'DELETE', COLLECTION);
  }
  if (!wantsMany) return;
  for (let pods = 0; pods < PODS; pods += BATCH) await createPods(target, pods, BATCH);
  if (report.wants('server20000Memory'))
    report.add('server20000Memory', printMemory('20,000 pods', await settledMemory(pid)));
  if (report.wants('listSelected')) {
    const selects = Array.from({ length: PODS / SELECTS_ONE_OF }, (_, index) => label(target, index * SELECTS_ONE_OF));
    await load(target, CONNECTIONS, 200, selects);
    const list = requestBytes(target, 'GET', `${COLLECTION}?labelSelector=${LABEL}%3Dyes`);
    await report.repeat(RUNS, own, async () => {
      const { perSecond } = await load(target, 2, 200, new Array<Buffer>(SELECTED_LISTS).fill(list));
      return { listSelected: perSecond };
    });
  }
  if (report.wants('getBesideLists'))
    await report.repeat(RUNS, own, async () => ({ getBesideLists: await getBesideLists(target) }));
}

let round = 0;

/** The first time, an apply creates the pod; each other time it changes a label. */
function applyPods(target: Target, revision: number): Promise<Rate> {
  const requests = Array.from({ length: APPLIES }, (_, index) => {
    const name = `applied-${index % (APPLIES / 2)}`;
    return requestBytes(
      target,
      'PATCH',
      `${COLLECTION}/${name}?fieldManager=bench`,
      podBody(name, { revision: `${revision}.${index}` }),
      'application/apply-patch+yaml',
    );
  });
  return revision === 0
    ? load(target, 1, 201, requests.slice(0, APPLIES / 2))
    : load(target, CONNECTIONS, 200, requests);
}

const label = (target: Target, pod: number): Buffer =>
  requestBytes(
    target,
    'PATCH',
    `${COLLECTION}/pod-${pod}`,
    JSON.stringify({ metadata: { labels: { [LABEL]: 'yes' } } }),
    'application/merge-patch+json',
  );

/** The 99th percentile in milliseconds. */
async function getBesideLists(target: Target): Promise<number> {
  const list = requestBytes(target, 'GET', COLLECTION);
  let done = false;
  const lister = async (): Promise<void> => {
    using connection = await Connection.open(target);
    while (!done) await connection.send(list);
  };
  const listers = Array.from({ length: LISTERS }, lister);
  using connection = await Connection.open(target);
  const times: number[] = [];
  for (let index = 0; index < GETS_BESIDE_LISTS; index++) {
    const startedAt = performance.now();
    const { status } = await connection.send(requestBytes(target, 'GET', `${COLLECTION}/pod-${index}`));
    if (status !== 200) throw new Error(`get: ${status}`);
    times.push(performance.now() - startedAt);
  }
  done = true;
  await Promise.all(listers);
  return percentile(times, 99);
}

const text = { type: 'string' };
const SCHEMA = {
  type: 'object',
  properties: {
    spec: {
      type: 'object',
      required: ['color'],
      properties: {
        color: { type: 'string', enum: ['red', 'green', 'blue'] },
        size: { type: 'integer', minimum: 0, default: 1 },
        parts: {
          type: 'array',
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['name'],
          items: { type: 'object', required: ['name'], properties: { name: text, note: text } },
        },
      },
    },
  },
};

async function serveWidgets(target: Target): Promise<void> {
  await ask(target, 'POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', {
    metadata: { name: `widgets.${GROUP}` },
    spec: {
      group: GROUP,
      scope: 'Namespaced',
      names: { plural: 'widgets', kind: 'Widget' },
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: SCHEMA } }],
    },
  });
  await eventually('the custom resource to be served', () => ask<object>(target, 'GET', WIDGETS));
}

function createWidgets(target: Target, from: number, count: number): Promise<Rate> {
  const requests = Array.from({ length: count }, (_, index) =>
    requestBytes(
      target,
      'POST',
      WIDGETS,
      JSON.stringify({
        apiVersion: `${GROUP}/v1`,
        kind: 'Widget',
        metadata: { name: `widget-${from + index}`, labels: { app: 'bench' } },
        spec: { color: 'green', parts: ['a', 'b', 'c'].map((name) => ({ name, note: 'x'.repeat(100) })) },
      }),
    ),
  );
  return load(target, CONNECTIONS, 201, requests);
}

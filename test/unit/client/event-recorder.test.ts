import t from 'tap';
import { validateSubdomainName } from '../../../api/machinery/names.ts';
import { forbiddenRequest, NAMESPACE_TERMINATING, type StatusError } from '../../../api/machinery/status-error.ts';
import { ApiClient } from '../../../client/api-client.ts';
import { EventRecorder } from '../../../client/event-recorder.ts';
import { silent } from '../../support/https-server.ts';
import { WatchedCollection } from './watched-collection.ts';
import type { Event } from '../../../api/types/core/v1.gen.ts';

const pod = (name: string) => ({ apiVersion: 'v1', kind: 'Pod', namespace: 'default', name, uid: `uid-${name}` });

async function recording(run: (recorder: EventRecorder, collection: WatchedCollection) => Promise<void>) {
  await using collection = await WatchedCollection.start();
  await using client = new ApiClient(collection.clientOptions);
  const recorder = new EventRecorder({ client, component: 'kubelet', host: 'n1', logger: silent });
  await run(recorder, collection);
  await recorder.flush();
  return collection.writes.map((write) => {
    const space = write.indexOf(' ');
    return { method: write.slice(0, space), body: JSON.parse(write.slice(space + 1)) as Event };
  });
}

t.test('events have the fields of kubectl describe, and repeats increment the count', async (t) => {
  const writes = await recording(async (recorder) => {
    for (let i = 0; i < 3; i++) recorder.event(pod('a'), 'Warning', 'BackOff', 'Back-off restarting failed container');
    recorder.event(pod('a'), 'Normal', 'Pulled', 'Successfully pulled image');
  });
  t.match(writes, [
    {
      method: 'POST',
      body: {
        metadata: { namespace: 'default', name: /^a\.[0-9a-f]{16}$/ },
        involvedObject: pod('a'),
        type: 'Warning',
        reason: 'BackOff',
        message: 'Back-off restarting failed container',
        count: 1,
        source: { component: 'kubelet', host: 'n1' },
        firstTimestamp: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/,
      },
    },
    { method: 'PATCH', body: { count: 2 } },
    { method: 'PATCH', body: { count: 3 } },
    { method: 'POST', body: { reason: 'Pulled', count: 1 } },
  ]);
});

t.test("an event gets a random name when the object's name is not valid in it", async (t) => {
  const names = ['x'.repeat(253), 'x'.repeat(237), 'system:node:n1', 'Upper', 'x'.repeat(236)];
  const writes = await recording(async (recorder) => {
    for (const name of names) recorder.event(pod(name), 'Normal', 'Scheduled', 'Successfully assigned');
  });
  t.same(
    writes.map(({ body }) => body.involvedObject.name),
    names,
  );
  for (const { body } of writes) t.same(validateSubdomainName(body.metadata?.name ?? ''), []);
  t.match(writes.at(-1)?.body.metadata?.name, /^x{236}\.[0-9a-f]{16}$/, 'the longest name that fits');
});

t.test('an expired event is created again', async (t) => {
  const writes = await recording(async (recorder, collection) => {
    recorder.event(pod('a'), 'Normal', 'Pulled', 'x');
    await recorder.flush();
    collection.objects.clear();
    recorder.event(pod('a'), 'Normal', 'Pulled', 'x');
  });
  t.strictSame(
    writes.map(({ method }) => method),
    ['POST', 'PATCH', 'POST'],
  );
});

t.test('similar events are aggregated, and floods about one object are rate-limited', async (t) => {
  const writes = await recording(async (recorder) => {
    for (let i = 0; i < 100; i++) recorder.event(pod('a'), 'Warning', 'Failed', `message ${i}`);
    recorder.event(pod('b'), 'Warning', 'Failed', 'about another object');
  });
  const aboutA = writes.slice(0, -1);
  t.equal(aboutA.length, 25, 'no more than the burst');
  t.equal(aboutA.filter(({ method }) => method === 'POST').length, 10);
  t.match(aboutA.at(-1)?.body.message, '(combined from similar events): message 24');
  t.match(writes.at(-1)?.body, { message: 'about another object' });
});

t.test('a server that rejects events affects nothing else', async (t) => {
  const writes = await recording(async (recorder, collection) => {
    collection.broken = true;
    recorder.event(pod('a'), 'Normal', 'Pulled', 'lost');
    await recorder.flush();
    collection.broken = false;
    recorder.event(pod('a'), 'Normal', 'Started', 'kept');
  });
  t.match(writes, [{ body: { message: 'kept' } }]);
});

t.test('an event that goes with its namespace is no warning; one that is forbidden otherwise is', async (t) => {
  const warned: string[] = [];
  const logger = { ...silent, warn: (_: object, message: string) => void warned.push(message) };
  const rejected = (details: StatusError['status']['details']): Promise<never> =>
    Promise.reject(forbiddenRequest('no', details));
  const record = async (details: StatusError['status']['details']): Promise<void> => {
    const client = { create: () => rejected(details) } as unknown as ApiClient;
    const recorder = new EventRecorder({ client, component: 'kubelet', host: 'n1', logger });
    recorder.event(pod('a'), 'Normal', 'Killing', 'Stopping container c');
    await recorder.flush();
  };
  await record({ causes: [{ reason: NAMESPACE_TERMINATING, message: '', field: 'metadata.namespace' }] });
  t.strictSame(warned, []);
  await record({});
  t.strictSame(warned, ['api-server rejected event']);
});

t.test('events of a client that is closed are given up, not retried', async (t) => {
  await using collection = await WatchedCollection.start();
  const client = new ApiClient(collection.clientOptions);
  await client[Symbol.asyncDispose]();
  const recorder = new EventRecorder({ client, component: 'kubelet', host: 'n1', logger: silent });
  const startedAt = performance.now();
  recorder.event(pod('a'), 'Normal', 'Scheduled', 'Successfully assigned');
  await recorder.flush();
  t.ok(performance.now() - startedAt < 5_000, 'a server that is away is asked for longer');
});

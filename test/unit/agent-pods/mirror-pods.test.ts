/** Mirror pods of static pods are independent of each other. */
import { Writable } from 'node:stream';
import pino from 'pino';
import { test, type Test } from 'tap';
import { MirrorPods } from '../../../agent/pods/sources/mirror-pods.ts';
import { ApiClient } from '../../../client/api-client.ts';
import { eventually } from '../../support/wait.ts';
import { MemoryApi } from '../../support/memory-api.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

const MIRROR = 'kubernetes.io/config.mirror';

const staticPod = (name: string, uid: string, namespace = 'default'): Pod => ({
  metadata: { name, namespace, uid, annotations: { 'kubernetes.io/config.hash': uid } },
  spec: { containers: [{ name: 'main', image: 'hello' }] },
});

/** An API with one namespace, and the agent's mirror pods. */
async function start(t: Test) {
  const api = await MemoryApi.start();
  api.refuse = ({ metadata }) =>
    metadata?.namespace === 'default'
      ? undefined
      : { code: 404, message: `namespaces "${metadata?.namespace}" not found` };
  const client = new ApiClient({ server: api.url });
  const lines: string[] = [];
  const log = new Writable({
    write: (line: Buffer, _encoding, done) => {
      lines.push(line.toString());
      done();
    },
  });
  const mirrors = new MirrorPods({ client, logger: pino(log), nodeName: 'node-1', nodeUid: () => 'node-uid' });
  const stop = new AbortController();
  const running = mirrors.run(stop.signal);
  t.teardown(async () => {
    stop.abort();
    await running;
    await client[Symbol.asyncDispose]();
    await api[Symbol.asyncDispose]();
  });
  return { api, mirrors, lines };
}

test('a mirror pod rejected by the API blocks no other, is logged once and retried', async (t) => {
  const { api, mirrors, lines } = await start(t);
  mirrors.want([staticPod('first', 'u1', 'no-such-namespace'), staticPod('good', 'u2')]);
  const good = await eventually('the other mirror pod', () => api.pod('good'));
  t.match(good.metadata, { annotations: { [MIRROR]: 'u2' }, ownerReferences: [{ kind: 'Node', uid: 'node-uid' }] });
  await eventually('a second attempt', () => api.refused > 1);
  t.equal(lines.length, 1, 'said once');
  t.match(JSON.parse(lines[0] ?? ''), {
    pod: 'no-such-namespace/first',
    err: { message: /namespaces "no-such-namespace" not found/ },
  });
  api.refuse = () => undefined;
  await eventually('the rejected mirror pod', () => api.objects.has('/api/v1/namespaces/no-such-namespace/pods/first'));
});

test('stale mirror pods are deleted and recreated, despite a failing one', async (t) => {
  const { api, mirrors } = await start(t);
  const mirrorOf = (name: string, hash: string): Pod =>
    api.put('pods', { metadata: { name, annotations: { [MIRROR]: hash } }, spec: { containers: [] } });
  for (const mirror of [mirrorOf('left', 'u0'), mirrorOf('changed', 'old'), mirrorOf('same', 'u3')])
    mirrors.seen(mirror);
  const same = api.pod('same')?.metadata?.uid;
  mirrors.want([staticPod('bad', 'u1', 'no-such-namespace'), staticPod('changed', 'new'), staticPod('same', 'u3')]);
  await eventually(
    'the stale mirror pod to be recreated',
    () => api.pod('changed')?.metadata?.annotations?.[MIRROR] === 'new',
  );
  await eventually('the orphaned mirror pod to be deleted', () => api.pod('left') === undefined);
  t.equal(api.pod('same')?.metadata?.uid, same);
});

test('a deleted mirror pod is recreated', async (t) => {
  const { api, mirrors } = await start(t);
  mirrors.want([staticPod('shown', 'u1')]);
  const first = await eventually('the mirror', () => api.pod('shown'));
  mirrors.seen(first);
  api.deletePod('shown', 30);
  mirrors.seen(api.pod('shown') ?? first);
  const second = await eventually('another one', () => {
    const pod = api.pod('shown');
    return pod?.metadata?.uid !== first.metadata?.uid ? pod : undefined;
  });
  t.equal(second.metadata?.deletionTimestamp, undefined);
});

test('waits for a name that another pod of the API has', async (t) => {
  const { api, mirrors, lines } = await start(t);
  api.put('pods', { metadata: { name: 'taken' }, spec: { containers: [] } } satisfies Pod);
  mirrors.want([staticPod('taken', 'u1'), staticPod('free', 'u2')]);
  await eventually('the other mirror pod', () => api.pod('free'));
  await eventually('the report', () => lines.some((line) => line.includes('default/taken')));
  t.equal(api.pod('taken')?.metadata?.annotations, undefined);
  api.objects.delete('/api/v1/namespaces/default/pods/taken');
  await eventually('the mirror', () => api.pod('taken')?.metadata?.annotations?.[MIRROR] === 'u1');
});

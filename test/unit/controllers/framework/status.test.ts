import t from 'tap';
import { applyMergePatch } from '../../../../api/machinery/patch/merge.ts';
import { conflict, notFound } from '../../../../api/machinery/status-error.ts';
import { replicaSets, services } from '../../../../client/resources.gen.ts';
import { isSameStatus, writeStatus } from '../../../../control-plane/controllers/framework/status.ts';
import { ScriptedClient } from './scripted-client.ts';
import type { Service, ServiceStatus } from '../../../../api/types/core/v1.gen.ts';
import type { ReplicaSet, ReplicaSetStatus } from '../../../../api/types/apps/v1.gen.ts';

const signal = new AbortController().signal;
const CONFLICT = { message: /^Operation cannot be fulfilled/ };
const replicaSet = (status?: ReplicaSetStatus, metadata: ReplicaSet['metadata'] = {}): ReplicaSet => ({
  metadata: { namespace: 'default', name: 'web', uid: 'rs', resourceVersion: '7', generation: 2, ...metadata },
  ...(status && { status }),
});
const write = (client: ScriptedClient, object: ReplicaSet, status: ReplicaSetStatus) =>
  writeStatus(replicaSets, object, status, { client, signal });
const modified = () => conflict(replicaSets, 'web', 'the object has been modified');
const versions = ({ patches }: ScriptedClient) =>
  patches.map(({ patch }) => (patch as ReplicaSet).metadata?.resourceVersion);

t.test('an unchanged status is not written, and absent counts are 0', async (t) => {
  const client = new ScriptedClient();
  const next = { replicas: 2, readyReplicas: 0, conditions: [] };
  t.notOk(await write(client, replicaSet({ replicas: 2 }), next));
  t.notOk(await write(client, replicaSet(), { replicas: 0, conditions: [] }));
  t.strictSame(client.patches, []);
  t.notOk(isSameStatus({ replicas: 2 }, { replicas: 1 }));
  t.notOk(isSameStatus({ replicas: 2, readyReplicas: 1 }, { replicas: 2 }), 'a removed count');
});

t.test('a status is replaced as a whole, for the object and version that it was computed from', async (t) => {
  const client = new ScriptedClient();
  const type = 'ReplicaFailure';
  const old = { replicas: 2, readyReplicas: 1, conditions: [{ type, status: 'True' as const }] };
  const next = { replicas: 3, conditions: [], observedGeneration: 2 };
  t.ok(await write(client, replicaSet(old), next));
  const [{ patch, options }] = client.patches as [(typeof client.patches)[0]];
  t.equal(options?.subresource, 'status');
  t.match(patch, { metadata: { uid: 'rs', resourceVersion: '7' } });
  t.strictSame(applyMergePatch({ status: old }, { status: (patch as ReplicaSet).status }), { status: next });
});

t.test('removed fields are removed at any depth', async (t) => {
  const client = new ScriptedClient();
  const old: ServiceStatus = { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] }, conditions: [] };
  const service: Service = { metadata: { namespace: 'default', name: 'web' }, status: old };
  const next: ServiceStatus = { loadBalancer: {} };
  t.ok(await writeStatus(services, service, next, { client, signal }));
  const [{ patch }] = client.patches as [(typeof client.patches)[0]];
  t.strictSame(applyMergePatch(old, (patch as Service).status), next);
});

t.test('an object modified outside of spec and status gets the same status in its new version', async (t) => {
  const client = new ScriptedClient();
  client.refusals.set('web', [modified(), modified()]);
  client.stored = replicaSet({ replicas: 1 }, { resourceVersion: '9', labels: { more: 'labels' } });
  t.ok(await write(client, replicaSet({ replicas: 1 }), { replicas: 2 }));
  t.strictSame(versions(client), ['7', '9', '9']);
});

t.test('a status computed from an outdated object is not written', async (t) => {
  const changes: [what: string, ReplicaSet][] = [
    ['the spec', replicaSet({ replicas: 1 }, { resourceVersion: '9', generation: 3 })],
    ['the status', replicaSet({ replicas: 5 }, { resourceVersion: '9' })],
    ['all: another object', replicaSet({ replicas: 1 }, { resourceVersion: '9', uid: 'another' })],
  ];
  for (const [what, stored] of changes) {
    const client = new ScriptedClient();
    client.refusals.set('web', [modified()]);
    client.stored = stored;
    await t.rejects(write(client, replicaSet({ replicas: 1 }), { replicas: 2 }), CONFLICT, what);
    t.equal(client.patches.length, 1);
  }
});

t.test('repeated conflicts are thrown, and a deleted object needs no status', async (t) => {
  const client = new ScriptedClient();
  client.refusals.set('web', Array.from({ length: 9 }, modified));
  client.stored = replicaSet({ replicas: 1 });
  await t.rejects(write(client, replicaSet({ replicas: 1 }), { replicas: 2 }), CONFLICT);
  t.equal(client.patches.length, 5);
  for (const refusal of [notFound(replicaSets, 'web'), modified()]) {
    client.refusals.set('web', [refusal]);
    client.stored = undefined;
    t.notOk(await write(client, replicaSet({ replicas: 1 }), { replicas: 2 }));
  }
});

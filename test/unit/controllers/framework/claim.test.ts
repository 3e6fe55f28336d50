import t from 'tap';
import type { KubeObject } from '../../../../api/machinery/kind.ts';
import { selectorFrom } from '../../../../api/machinery/selectors.ts';
import { conflict, internalError, notFound } from '../../../../api/machinery/status-error.ts';
import { pods, replicaSets } from '../../../../client/resources.gen.ts';
import { claim, planClaim } from '../../../../control-plane/controllers/framework/claim.ts';
import type { Claimable } from '../../../../control-plane/controllers/framework/owner-references.ts';
import { ScriptedClient } from './scripted-client.ts';

const signal = new AbortController().signal;
const CONFLICT = { message: /^Operation cannot be fulfilled/ };
const owner = (more: KubeObject['metadata'] = {}): KubeObject => ({
  metadata: { namespace: 'default', name: 'web', uid: 'rs', ...more },
});
const controlledBy = (uid: string): Claimable['owners'] => [
  { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'any', uid, controller: true },
];
const candidate = (name: string, more: Partial<Claimable> = {}): Claimable => ({
  ...{ namespace: 'default', name, uid: `uid-${name}`, owners: [], deleting: false, labels: { app: 'web' } },
  ...more,
});
const stray = { labels: { app: 'other' } };
const claimAll = (
  client: ScriptedClient,
  candidates: Claimable[],
  metadata: KubeObject['metadata'] = {},
  finalizer?: string,
) =>
  claim(candidates, {
    finalizer,
    ...{ client, signal, owner: owner(metadata), ownerResource: replicaSets, resource: pods },
    selector: selectorFrom({ matchLabels: { app: 'web' } }),
    claimableOf: (item) => item,
  });
const DELETED = { deletionTimestamp: '2026-01-01T00:00:00Z' };

t.test("decisions per candidate match upstream's ControllerRefManager", async (t) => {
  const own = { owners: controlledBy('rs') };
  const plans: [what: string, Partial<Claimable>, KubeObject['metadata'], isMatch: boolean, string][] = [
    ['its own', own, {}, true, 'own'],
    ['own, does not match', own, {}, false, 'release'],
    ['own, owner being deleted', own, DELETED, true, 'own'],
    ['own, does not match, owner being deleted', own, DELETED, false, 'ignore'],
    ["another's", { owners: controlledBy('other') }, {}, true, 'ignore'],
    ['an orphan', {}, {}, true, 'adopt'],
    [
      'an owner that is no controller',
      { owners: [{ ...controlledBy('rs')[0]!, controller: false }] },
      {},
      true,
      'adopt',
    ],
    ['orphaned, does not match', {}, {}, false, 'ignore'],
    ['orphaned, being deleted', { deleting: true }, {}, true, 'ignore'],
    ['orphaned, owner being deleted', {}, DELETED, true, 'ignore'],
    ['orphaned, in another namespace', { namespace: 'other' }, {}, true, 'ignore'],
    ['orphaned, cluster-scoped owner', {}, { namespace: undefined }, true, 'adopt'],
  ];
  for (const [what, more, metadata, isMatch, wanted] of plans)
    t.equal(planClaim(candidate('pod', more), owner(metadata), isMatch), wanted, what);
});

t.test('objects are adopted and released by uid, and the owner is read once before the first adoption', async (t) => {
  const client = new ScriptedClient();
  client.stored = owner();
  const leaving = candidate('leaving', { ...stray, owners: controlledBy('rs') });
  const kept = candidate('kept', { owners: controlledBy('rs') });
  const claimed = await claimAll(client, [candidate('a'), leaving, kept, candidate('b')]);
  t.strictSame(
    claimed.map(({ name }) => name),
    ['a', 'kept', 'b'],
  );
  t.equal(client.reads, 1);
  const reference = {
    ...{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web', uid: 'rs' },
    ...{ controller: true, blockOwnerDeletion: true },
  };
  t.strictSame(
    client.patches.map(({ name, patch, options }) => ({ name, patch, type: options?.type })),
    [
      { name: 'a', patch: { metadata: { uid: 'uid-a', ownerReferences: [reference] } }, type: 'strategic' },
      {
        name: 'leaving',
        patch: { metadata: { uid: 'uid-leaving', ownerReferences: [{ $patch: 'delete', uid: 'rs' }] } },
        type: 'strategic',
      },
      { name: 'b', patch: { metadata: { uid: 'uid-b', ownerReferences: [reference] } }, type: 'strategic' },
    ],
  );
});

t.test('an adopted object gets the finalizer of its owner, and loses it when it is released', async (t) => {
  const client = new ScriptedClient();
  client.stored = owner();
  const leaving = candidate('leaving', { ...stray, owners: controlledBy('rs') });
  await claimAll(client, [candidate('a'), leaving], {}, 'example.com/tracked');
  t.match(
    client.patches.map(({ patch }) => patch),
    [
      { metadata: { finalizers: ['example.com/tracked'] } },
      { metadata: { '$deleteFromPrimitiveList/finalizers': ['example.com/tracked'] } },
    ],
  );
});

t.test('the owner is not read when there is nothing to adopt', async (t) => {
  const client = new ScriptedClient();
  await claimAll(client, [candidate('kept', { owners: controlledBy('rs') }), candidate('other', stray)]);
  t.equal(client.reads, 0);
  t.strictSame(client.patches, []);
});

t.test('an owner that is absent, replaced or being deleted adopts nothing, whatever the cache has', async (t) => {
  for (const stored of [undefined, owner({ uid: 'another' }), owner(DELETED)]) {
    const client = new ScriptedClient();
    client.stored = stored;
    await t.rejects(claimAll(client, [candidate('a'), candidate('b')]), CONFLICT);
    t.equal(client.reads, 1);
    t.strictSame(client.patches, []);
  }
});

t.test('all candidates are attempted before a failure is thrown, and absent ones are no failure', async (t) => {
  const client = new ScriptedClient();
  client.stored = owner();
  const failure = internalError('disk full');
  client.refusals.set('refused', [failure]);
  client.refusals.set('gone', [notFound(pods, 'gone')]);
  client.refusals.set('left', [notFound(pods, 'left')]);
  const left = candidate('left', { ...stray, owners: controlledBy('rs') });
  const all = [candidate('refused'), candidate('gone'), left, candidate('a')];
  await t.rejects(claimAll(client, all), failure);
  t.strictSame(
    client.patches.map(({ name }) => name),
    ['refused', 'gone', 'left', 'a'],
  );
  const claimed = await claimAll(client, [candidate('gone'), candidate('a')]);
  t.equal(claimed.length, 2);
  client.refusals.set('gone', [notFound(pods, 'gone')]);
  t.strictSame(
    (await claimAll(client, [candidate('gone'), candidate('a')])).map(({ name }) => name),
    ['a'],
  );
});

t.test('what an owner does not accept is as if it were not selected', async (t) => {
  const client = new ScriptedClient();
  client.stored = owner();
  const claimed = await claim([candidate('web-0'), candidate('web-x')], {
    ...{ client, signal, owner: owner(), ownerResource: replicaSets, resource: pods },
    selector: selectorFrom({ matchLabels: { app: 'web' } }),
    accepts: ({ name }) => name === 'web-0',
    claimableOf: (item) => item,
  });
  t.strictSame(
    claimed.map(({ name }) => name),
    ['web-0'],
  );
});

t.test('an object that was replaced by another with its name is not adopted', async (t) => {
  const client = new ScriptedClient();
  client.stored = owner();
  client.refusals.set('a', [conflict(pods, 'a', 'Precondition failed: UID in precondition')]);
  await t.rejects(claimAll(client, [candidate('a')]), CONFLICT);
});

import t from 'tap';
import { replicaSets } from '../../../../client/resources.gen.ts';
import { dependentHandlers } from '../../../../control-plane/controllers/framework/dependents.ts';
import { Expectations } from '../../../../control-plane/controllers/framework/expectations.ts';
import type { Claimable } from '../../../../control-plane/controllers/framework/owner-references.ts';

const NOW = Date.parse('2026-01-01T00:00:00Z');
const owned = (kind: string, name: string, more: Partial<Claimable> = {}): Claimable => ({
  ...{ namespace: 'default', name: 'pod', uid: 'p', deleting: false, labels: { app: 'web' } },
  owners: name ? [{ apiVersion: 'apps/v1', kind, name, uid: `uid-${name}`, controller: true }] : [],
  ...more,
});
const orphan = owned('', '');

function handlers(concerns?: () => boolean) {
  const woken: string[] = [];
  const expectations = new Expectations();
  const handlers = dependentHandlers<Claimable>({
    queue: { add: (key) => woken.push(key), addAfter: () => t.fail('nothing is delayed') },
    ...{ ownerResource: replicaSets, claimableOf: (item) => item, concerns, expectations },
    adopters: (namespace, labels) => (namespace === 'default' && labels['app'] === 'web' ? ['one', 'two'] : []),
  });
  const wokenBy = (event: () => void): string[] => {
    event();
    return woken.splice(0);
  };
  return { handlers, wokenBy, expectations };
}

t.test('an event enqueues the controlling owner, and for orphans all matching owners', async (t) => {
  const { handlers: on, wokenBy } = handlers();
  t.strictSame(
    wokenBy(() => on.onAdd?.(owned('ReplicaSet', 'web'), 'default/pod')),
    ['default/web'],
  );
  t.strictSame(
    wokenBy(() => on.onDelete?.(owned('ReplicaSet', 'web'), 'default/pod')),
    ['default/web'],
  );
  t.strictSame(
    wokenBy(() => on.onAdd?.(orphan, 'default/pod')),
    ['default/one', 'default/two'],
  );
  t.strictSame(
    wokenBy(() => on.onAdd?.(owned('DaemonSet', 'web'), 'default/pod')),
    [],
    "another kind's",
  );
  const [reference] = owned('ReplicaSet', 'web').owners;
  const foreign = owned('', '', { owners: [{ ...reference!, apiVersion: 'example.com/v1' }] });
  t.strictSame(
    wokenBy(() => on.onAdd?.(foreign, 'default/pod')),
    [],
    'the same kind in another group',
  );
});

t.test('a former owner is enqueued as well, and an irrelevant change enqueues nothing', async (t) => {
  const { handlers: on, wokenBy } = handlers(() => false);
  const [before, after] = [owned('ReplicaSet', 'before'), owned('ReplicaSet', 'after')];
  t.strictSame(
    wokenBy(() => on.onUpdate?.(before, after, 'default/pod')),
    ['default/before', 'default/after'],
  );
  t.strictSame(
    wokenBy(() => on.onUpdate?.(before, orphan, 'default/pod')),
    ['default/before', 'default/one', 'default/two'],
  );
  t.strictSame(
    wokenBy(() => on.onUpdate?.(before, before, 'default/pod')),
    [],
  );
});

t.test('creations and deletions are observed for the owner, a deletion when it starts', async (t) => {
  const { handlers: on, expectations } = handlers();
  const pod = owned('ReplicaSet', 'web');
  const isSatisfied = () => expectations.isSatisfied('uid-web', NOW);
  expectations.begin('uid-web', NOW);
  expectations.expectCreation('uid-web', 'default/pod');
  t.notOk(isSatisfied());
  on.onAdd?.(pod, 'default/pod');
  t.ok(isSatisfied());
  expectations.begin('uid-web', NOW);
  expectations.expectDeletion('uid-web', 'default/pod');
  on.onUpdate?.(pod, pod, 'default/pod');
  t.notOk(isSatisfied());
  on.onUpdate?.(pod, { ...pod, deleting: true }, 'default/pod');
  t.ok(isSatisfied());
  expectations.begin('uid-web', NOW);
  expectations.expectDeletion('uid-web', 'default/pod');
  on.onDelete?.(pod, 'default/pod');
  t.ok(isSatisfied());
});

import t from 'tap';
import { statefulSets } from '../../../client/resources.gen.ts';
import {
  newRevision,
  planRevision,
  revisionsOf,
  sortedRevisions,
  surplusRevisions,
  templateOf as templateOfRevision,
} from '../../../control-plane/controllers/workloads/history/revision.ts';
import type { ControllerRevision } from '../../../api/types/apps/v1.gen.ts';
import { revisionOf, statefulSetOf, templateOf } from './sets.ts';

t.test('a revision has the template as a patch that replaces it, with sorted keys', async (t) => {
  const set = statefulSetOf();
  const revision = newRevision(statefulSets, set, { revision: 4, hashLabel: 'hash' });
  t.equal(
    JSON.stringify(revision.data),
    '{"spec":{"template":{"$patch":"replace","metadata":{"labels":{"app":"web"}},' +
      '"spec":{"containers":[{"image":"v1","name":"c"}]}}}}',
  );
  t.match(revision, {
    metadata: {
      name: `web-${revision.metadata?.labels?.['hash']}`,
      labels: { app: 'web' },
      ownerReferences: [{ kind: 'StatefulSet', name: 'web', controller: true }],
    },
    revision: 4,
  });
  t.strictSame(templateOfRevision(revision), templateOf('v1'));
  const again = (more: object, collisionCount?: number) =>
    newRevision(
      statefulSets,
      { ...statefulSetOf(more), status: { replicas: 0, collisionCount } as never },
      { revision: 1, hashLabel: 'hash' },
    ).metadata?.name;
  t.equal(again({}), revision.metadata?.name);
  t.equal(again({}, 0), revision.metadata?.name, 'no collision yet');
  t.not(again({}, 1), revision.metadata?.name);
  t.not(again({ template: templateOf('v2') }), revision.metadata?.name);
  t.equal(again({ replicas: 7 }), revision.metadata?.name, 'only the template counts');
});

t.test('the newest revision is that of the template', async (t) => {
  const [one, two, three] = [revisionOf('v1', 1), revisionOf('v2', 2), revisionOf('v3', 3)];
  for (const [version, revisions, wanted] of [
    ['v1', [], { type: 'create', number: 1 }],
    ['v1', [one], { type: 'keep', revision: one }],
    ['v2', [one, two], { type: 'keep', revision: two }],
    ['v1', [one, two], { type: 'raise', revision: one, to: 3 }],
    ['v4', [one, two, three], { type: 'create', number: 4 }],
    ['v1', [one, { ...one, revision: 2 }], { type: 'keep', revision: { ...one, revision: 2 } }],
  ] as const) {
    t.strictSame(planRevision(statefulSetOf({ template: templateOf(version) }), revisions), wanted);
  }
});

t.test('a newer default is no other template, and data that is no template is of none', async (t) => {
  const older = revisionOf('v1');
  const today = templateOf('v1', { restartPolicy: 'Always', dnsPolicy: 'ClusterFirst' });
  t.strictSame(revisionsOf(today, [revisionOf('v2'), older]), [older]);
  t.strictSame(revisionsOf(templateOf('v1', { restartPolicy: 'Never' }), [older]), []);
  // Empty is not absent: this selects all namespaces, and its absence the pod's own.
  const anywhere = (more: object) => ({
    ...{ labelSelector: { matchLabels: { app: 'web' } }, topologyKey: 'zone' },
    ...more,
  });
  const spread = (more: object) =>
    templateOf('v1', {
      affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [anywhere(more)] } },
    });
  const there = { ...older, data: { spec: { template: spread({ namespaceSelector: {} }) } } };
  t.strictSame(revisionsOf(spread({}), [there]), []);
  t.strictSame(revisionsOf(spread({ namespaceSelector: {} }), [there]), [there]);
  for (const data of [
    undefined,
    null,
    7,
    'x',
    [],
    {},
    { spec: 1 },
    { spec: { template: [] } },
    { spec: { template: { spec: 1 } } },
  ]) {
    const odd = { ...older, data } as unknown as ControllerRevision;
    t.equal(templateOfRevision(odd), undefined, JSON.stringify(data));
    t.strictSame(revisionsOf(templateOf('v1'), [odd]), []);
  }
});

t.test('the oldest revisions go first, and none without a limit', async (t) => {
  const all = [3, 1, 2].map((number) => revisionOf(`v${number}`, number));
  const numbers = (revisions: readonly ControllerRevision[]) => revisions.map(({ revision }) => revision);
  t.strictSame(numbers(sortedRevisions(all)), [1, 2, 3]);
  t.strictSame(numbers(surplusRevisions(all, 2)), [1]);
  t.strictSame(numbers(surplusRevisions(all, 0)), [1, 2, 3]);
  t.strictSame(numbers(surplusRevisions(all)), []);
  t.strictSame(numbers(surplusRevisions(all, -1)), []);
});

import t from 'tap';
import { reconcileDeployment } from '../../../control-plane/controllers/workloads/deployment/plan.ts';
import { deadlineInMs } from '../../../control-plane/controllers/workloads/deployment/status.ts';
import { isSameTemplate, templateHash } from '../../../control-plane/controllers/workloads/deployment/revision.ts';
import type { Deployment, ReplicaSet } from '../../../api/types/apps/v1.gen.ts';

const NOW = Date.parse('2026-01-01T00:00:00Z');

interface Strategy {
  readonly replicas: number;
  readonly maxSurge?: number | string;
  readonly maxUnavailable?: number | string;
  readonly recreate?: boolean;
}

function newDeployment({ replicas, maxSurge = '25%', maxUnavailable = '25%', recreate }: Strategy): Deployment {
  return {
    metadata: { namespace: 'default', name: 'web', uid: 'd1', generation: 1 },
    spec: {
      replicas,
      progressDeadlineSeconds: 600,
      revisionHistoryLimit: 10,
      selector: { matchLabels: { app: 'web' } },
      strategy: recreate
        ? { type: 'Recreate' }
        : { type: 'RollingUpdate', rollingUpdate: { maxSurge, maxUnavailable } },
      template: templateOf('v1'),
    },
  };
}
const templateOf = (image: string) => ({
  metadata: { labels: { app: 'web' } },
  spec: { containers: [{ name: 'c', image }] },
});

/** The Deployment with the plans applied so far, and a ReplicaSet controller whose pods become available as the test says. */
class World {
  deployment: Deployment;
  replicaSets: ReplicaSet[] = [];
  /** Templates whose pods never become available. */
  readonly broken = new Set<string>();
  now = NOW;
  #made = 0;
  /** The maximum of pods and the minimum of available pods so far. */
  most = 0;
  fewest = Infinity;

  constructor(strategy: Strategy) {
    this.deployment = newDeployment(strategy);
  }

  plan() {
    return reconcileDeployment({
      deployment: this.deployment,
      replicaSets: this.replicaSets,
      podsOf: () => [],
      now: this.now,
    });
  }

  /** Plans once and applies the plan; false when there was nothing to do. */
  step(): boolean {
    const plan = this.plan();
    for (const action of plan.actions) {
      if (action.type === 'create') {
        const creationTimestamp = new Date(NOW + 1000 * this.#made++).toISOString();
        const metadata = { ...action.replicaSet.metadata, uid: `rs${this.#made}`, creationTimestamp };
        this.replicaSets.push({ ...action.replicaSet, metadata });
      } else if (action.type === 'delete') {
        this.replicaSets = this.replicaSets.filter((each) => each !== action.replicaSet);
      } else {
        const { replicaSet, annotations, replicas } = action;
        const changed = {
          ...replicaSet,
          metadata: { ...replicaSet.metadata, annotations },
          spec: { ...replicaSet.spec!, replicas },
        };
        this.replicaSets = this.replicaSets.map((each) => (each === replicaSet ? changed : each));
      }
    }
    const before = JSON.stringify(this.deployment);
    const annotations = plan.revision
      ? { 'deployment.kubernetes.io/revision': String(plan.revision) }
      : this.deployment.metadata?.annotations;
    this.deployment = {
      ...this.deployment,
      metadata: { ...this.deployment.metadata, annotations },
      status: plan.status,
    };
    return plan.actions.length > 0 || JSON.stringify(this.deployment) !== before;
  }

  /** One pod of a ReplicaSet is created or deleted. */
  advance(): boolean {
    for (const [index, replicaSet] of this.replicaSets.entries()) {
      const wanted = replicaSet.spec?.replicas ?? 0;
      const isBroken = this.broken.has(replicaSet.spec?.template?.spec?.containers[0]?.image ?? '');
      const { replicas = 0, availableReplicas = 0 } = replicaSet.status ?? { replicas: 0 };
      const status =
        replicas > wanted
          ? // Unavailable pods are deleted first.
            { replicas: replicas - 1, availableReplicas: Math.min(availableReplicas, replicas - 1) }
          : replicas < wanted
            ? { replicas: replicas + 1, availableReplicas }
            : availableReplicas < replicas && !isBroken
              ? { replicas, availableReplicas: availableReplicas + 1 }
              : undefined;
      if (!status) continue;
      this.replicaSets[index] = { ...replicaSet, status: { ...status, readyReplicas: status.availableReplicas } };
      return true;
    }
    return false;
  }

  settle(): void {
    for (let round = 0; ; round++) {
      if (round > 5000) throw new Error('it never settles');
      const acted = this.step();
      const pods = this.replicaSets.reduce((sum, { status }) => sum + (status?.replicas ?? 0), 0);
      const available = this.replicaSets.reduce((sum, { status }) => sum + (status?.availableReplicas ?? 0), 0);
      this.most = Math.max(this.most, pods);
      this.fewest = Math.min(this.fewest, available);
      if (!this.advance() && !acted) return;
    }
  }

  change(spec: Partial<NonNullable<Deployment['spec']>>): void {
    const generation = (this.deployment.metadata?.generation ?? 0) + 1;
    this.deployment = {
      ...this.deployment,
      metadata: { ...this.deployment.metadata, generation },
      spec: { ...this.deployment.spec!, ...spec },
    };
  }

  sizes(): Record<string, number> {
    const entries = this.replicaSets.map((each) => [
      each.spec?.template?.spec?.containers[0]?.image ?? '',
      each.spec?.replicas ?? 0,
    ]);
    return Object.fromEntries(entries) as Record<string, number>;
  }

  condition(type: string) {
    return this.deployment.status?.conditions?.find((each) => each.type === type);
  }
}

t.test('a rolling update never exceeds maxSurge and maxUnavailable, and always completes', async (t) => {
  const limits: [strategy: Strategy, surge: number, unavailable: number][] = [
    [{ replicas: 10, maxSurge: '25%', maxUnavailable: '25%' }, 3, 2],
    [{ replicas: 3 }, 1, 0],
    [{ replicas: 1 }, 1, 0],
    [{ replicas: 5, maxSurge: 0, maxUnavailable: 2 }, 0, 2],
    [{ replicas: 5, maxSurge: 2, maxUnavailable: 0 }, 2, 0],
    [{ replicas: 4, maxSurge: '100%', maxUnavailable: '100%' }, 4, 4],
    [{ replicas: 4, maxSurge: 0, maxUnavailable: 0 }, 0, 1],
    [{ replicas: 7, maxSurge: '30%', maxUnavailable: 1 }, 3, 1],
  ];
  for (const [strategy, surge, unavailable] of limits) {
    const world = new World(strategy);
    world.settle();
    t.strictSame(world.sizes(), { v1: strategy.replicas });
    world.most = 0;
    world.fewest = Infinity;
    world.change({ template: templateOf('v2') });
    world.settle();
    const name = JSON.stringify(strategy);
    t.strictSame(world.sizes(), { v1: 0, v2: strategy.replicas }, name);
    t.ok(world.most <= strategy.replicas + surge, `${name}: at most ${world.most} pods`);
    t.ok(world.fewest >= strategy.replicas - unavailable, `${name}: at least ${world.fewest} available`);
    t.match(world.condition('Progressing'), { status: 'True', reason: 'NewReplicaSetAvailable' });
    t.match(world.condition('Available'), { status: 'True', reason: 'MinimumReplicasAvailable' });
  }
});

t.test(
  'a rollout with pods that never become ready stops within maxUnavailable, until the progress deadline',
  async (t) => {
    const world = new World({ replicas: 4, maxSurge: 1, maxUnavailable: 1 });
    world.settle();
    world.broken.add('bad');
    world.change({ template: templateOf('bad') });
    world.settle();
    t.strictSame(world.sizes(), { v1: 3, bad: 2 });
    t.match(world.condition('Progressing'), { status: 'True', reason: 'ReplicaSetUpdated' });
    const waitMs = world.plan().againInMs ?? 0;
    t.equal(waitMs, 601_000, 'requeued for the deadline');
    world.now += waitMs;
    world.settle();
    const message = /^ReplicaSet "web-[a-z0-9]+" has timed out progressing\.$/;
    t.match(world.condition('Progressing'), { status: 'False', reason: 'ProgressDeadlineExceeded', message });
    t.equal(deadlineInMs(world.deployment, world.deployment.status!, world.now), undefined);

    world.change({ template: templateOf('v1') });
    world.settle();
    t.strictSame(world.sizes(), { v1: 4, bad: 0 }, 'a rollback completes');
  },
);

t.test('a rollback gives the old ReplicaSet the next revision and keeps the revision history', async (t) => {
  const world = new World({ replicas: 2 });
  for (const image of ['v1', 'v2', 'v1']) {
    world.change({ template: templateOf(image) });
    world.settle();
  }
  t.equal(world.replicaSets.length, 2);
  const annotationsOf = (image: string) =>
    world.replicaSets.find((each) => each.spec?.template?.spec?.containers[0]?.image === image)?.metadata?.annotations;
  t.match(annotationsOf('v1'), {
    'deployment.kubernetes.io/revision': '3',
    'deployment.kubernetes.io/revision-history': '1',
  });
  t.match(annotationsOf('v2'), { 'deployment.kubernetes.io/revision': '2' });
  t.match(world.deployment.metadata?.annotations, { 'deployment.kubernetes.io/revision': '3' });
});

t.test('64-bit revisions are incremented exactly', async (t) => {
  const world = new World({ replicas: 1 });
  world.settle();
  const [adopted] = world.replicaSets;
  world.replicaSets = [
    {
      ...adopted!,
      metadata: {
        ...adopted!.metadata,
        annotations: { ...adopted!.metadata?.annotations, 'deployment.kubernetes.io/revision': '3546343826724305832' },
      },
    },
  ];
  world.change({ template: templateOf('v2') });
  world.settle();
  t.match(world.deployment.metadata?.annotations, { 'deployment.kubernetes.io/revision': '3546343826724305833' });
});

t.test('scaling during a rollout is proportional', async (t) => {
  const world = new World({ replicas: 10, maxSurge: 3, maxUnavailable: 2 });
  world.settle();
  world.broken.add('bad');
  world.change({ template: templateOf('bad') });
  world.settle();
  t.strictSame(world.sizes(), { v1: 8, bad: 5 });
  world.change({ replicas: 15 });
  world.step();
  t.strictSame(world.sizes(), { v1: 11, bad: 7 }, '18 pods as 8 to 5');
  world.change({ replicas: 5 });
  world.settle();
  const { v1 = 0, bad = 0 } = world.sizes();
  t.ok(v1 + bad <= 8 && v1 >= 3, `${v1} old and ${bad} new pods`);
});

t.test('a paused Deployment is scaled but not rolled out, and continues when resumed', async (t) => {
  const world = new World({ replicas: 2 });
  world.settle();
  world.change({ paused: true, template: templateOf('v2') });
  world.settle();
  t.strictSame(world.sizes(), { v1: 2 });
  t.match(world.condition('Progressing'), { status: 'Unknown', reason: 'DeploymentPaused' });
  world.change({ replicas: 4 });
  world.settle();
  t.strictSame(world.sizes(), { v1: 4 });
  world.change({ paused: false });
  world.step();
  t.ok(world.condition('Progressing')?.reason !== 'DeploymentPaused');
  world.settle();
  t.strictSame(world.sizes(), { v1: 0, v2: 4 });
});

t.test('Recreate creates no new pods while old ones exist', async (t) => {
  const world = new World({ replicas: 3, recreate: true });
  world.settle();
  world.change({ template: templateOf('v2') });
  world.most = 0;
  world.settle();
  t.strictSame(world.sizes(), { v1: 0, v2: 3 });
  t.equal(world.most, 3);
});

t.test('old ReplicaSets beyond revisionHistoryLimit are deleted, lowest revisions first', async (t) => {
  const world = new World({ replicas: 1 });
  world.change({ revisionHistoryLimit: 2 });
  for (const image of ['v1', 'v2', 'v3', 'v4', 'v5']) {
    world.change({ template: templateOf(image) });
    world.settle();
  }
  t.strictSame(Object.keys(world.sizes()).sort(), ['v3', 'v4', 'v5']);
});

t.test('a complete Deployment needs no action', async (t) => {
  const world = new World({ replicas: 3 });
  world.settle();
  const { actions, revision, status, againInMs } = world.plan();
  t.strictSame(actions, []);
  t.equal(revision, undefined);
  t.equal(againInMs, undefined);
  t.strictSame(status, world.deployment.status);
});

t.test('templates are compared by content, whatever the order of keys and the hash label', async (t) => {
  const labelled = { ...templateOf('v1'), metadata: { labels: { 'pod-template-hash': 'x', app: 'web' } } };
  t.ok(isSameTemplate(templateOf('v1'), labelled));
  t.notOk(isSameTemplate(templateOf('v1'), templateOf('v2')));
  const reordered = { spec: { containers: [{ image: 'v1', name: 'c' }] }, metadata: { labels: { app: 'web' } } };
  t.equal(templateHash(templateOf('v1'), undefined), templateHash(reordered, undefined));
  t.not(templateHash(templateOf('v1'), undefined), templateHash(templateOf('v1'), 1));
  t.match(templateHash(templateOf('v1'), undefined), /^[bcdfghjklmnpqrstvwxz2456789]{5,10}$/);
});

const MAX = 2_147_483_647;
for (const [replicas, maxSurge] of [
  [MAX, '100%'],
  [MAX, 1],
  [1, MAX],
  [0, `${'9'.repeat(400)}%`],
  [10, `${'9'.repeat(400)}%`],
] as const)
  t.test(
    `${replicas} replicas and a surge of ${String(maxSurge).slice(0, 12)} make numbers that the API holds`,
    async (t) => {
      const world = new World({ replicas, maxSurge });
      world.step();
      world.change({ template: templateOf('v2') });
      // As after a rollback to a template whose ReplicaSet was left large.
      world.replicaSets = world.replicaSets.map((each) => ({ ...each, spec: { ...each.spec!, replicas: MAX } }));
      for (let round = 0; round < 3; round++) world.step();
      const { status = {} } = world.deployment;
      const counts = [
        'replicas',
        'updatedReplicas',
        'readyReplicas',
        'availableReplicas',
        'unavailableReplicas',
      ] as const;
      const sizes = world.replicaSets.map((each) => each.spec?.replicas ?? 0);
      const annotated = world.replicaSets.map((each) =>
        Number(each.metadata?.annotations?.['deployment.kubernetes.io/max-replicas']),
      );
      for (const number of [...counts.map((count) => status[count] ?? 0), ...sizes, ...annotated])
        t.ok(Number.isInteger(number) && number >= 0 && number <= MAX, String(number));
    },
  );

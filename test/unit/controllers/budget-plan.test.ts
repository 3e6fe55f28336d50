import t from 'tap';
import {
  countsScale,
  failedStatus,
  planBudget,
} from '../../../control-plane/controllers/workloads/disruption/budget-plan.ts';
import type { PodDisruptionBudget, PodDisruptionBudgetSpec } from '../../../api/types/policy/v1.gen.ts';
import { podViewOf } from './pod-view.ts';

const NOW = Date.parse('2026-01-01T00:10:00Z');
const budgetOf = (spec: PodDisruptionBudgetSpec, disruptedPods?: Record<string, string>): PodDisruptionBudget => ({
  metadata: { namespace: 'default', name: 'budget', generation: 2 },
  spec,
  status: { currentHealthy: 0, desiredHealthy: 0, expectedPods: 0, disruptionsAllowed: 0, disruptedPods },
});
const ready = (count: number) => Array.from({ length: count }, (_, index) => podViewOf(`p${index}`));

t.test('how many may be evicted', async (t) => {
  for (const [spec, healthy, expected, desired, allowed] of [
    [{ minAvailable: 2 }, 3, 3, 2, 1],
    [{ minAvailable: '50%' }, 3, 3, 2, 1],
    [{ minAvailable: '100%' }, 3, 3, 3, 0],
    [{ maxUnavailable: 1 }, 3, 3, 2, 1],
    [{ maxUnavailable: '30%' }, 4, 4, 2, 2],
    [{ maxUnavailable: 0 }, 3, 3, 3, 0],
    [{ maxUnavailable: 5 }, 3, 3, 0, 3],
    [{ maxUnavailable: 1 }, 3, 5, 4, 0],
    [{ minAvailable: 0 }, 0, 0, 0, 0],
    [{}, 3, 0, 0, 0],
  ] as const) {
    const { status } = planBudget({ budget: budgetOf(spec), pods: ready(healthy), expected, now: NOW });
    t.strictSame([status.desiredHealthy, status.disruptionsAllowed], [desired, allowed], JSON.stringify(spec));
    t.match(status.conditions, [{ type: 'DisruptionAllowed', status: allowed > 0 ? 'True' : 'False' }]);
    t.match(status, { observedGeneration: 2, currentHealthy: healthy, expectedPods: expected });
  }
  t.strictSame([{ minAvailable: 1 }, { minAvailable: '1%' }, { maxUnavailable: 1 }].map(countsScale), [
    false,
    true,
    true,
  ]);
});

t.test('evicted pods do not count until they are gone, or late', async (t) => {
  const pods = [
    podViewOf('evicted'),
    podViewOf('late'),
    podViewOf('going', { deleting: true }),
    podViewOf('sick', { ready: false }),
  ];
  const budget = budgetOf(
    { minAvailable: 1 },
    {
      evicted: '2026-01-01T00:09:00Z',
      late: '2026-01-01T00:07:00Z',
      going: '2026-01-01T00:09:00Z',
      gone: '2026-01-01T00:09:00Z',
    },
  );
  const { status, notDeleted, againInMs } = planBudget({ budget, pods, expected: 4, now: NOW });
  t.strictSame(status.disruptedPods, { evicted: '2026-01-01T00:09:00Z' });
  t.equal(status.currentHealthy, 1, 'the late one');
  t.strictSame(
    notDeleted.map(({ name }) => name),
    ['late'],
  );
  t.equal(againInMs, 60_000);
});

t.test('an unknown scale allows nothing, and the condition keeps the time of its last change', async (t) => {
  const first = failedStatus(budgetOf({ maxUnavailable: 1 }), 'why', NOW);
  t.match(first, { disruptionsAllowed: 0, conditions: [{ status: 'False', reason: 'SyncFailed', message: 'why' }] });
  const later = failedStatus({ ...budgetOf({}), status: first }, 'why', NOW + 60_000);
  t.strictSame(later, first);
});

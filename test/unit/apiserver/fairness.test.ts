/** Fair queuing, the division of seats among priority levels, and which requests a FlowSchema is about. */
import t from 'tap';
import type { PolicyRulesWithSubjects, Subject } from '../../../api/types/flowcontrol/v1.gen.ts';
import { allocate, limitsOf, type Demand } from '../../../control-plane/apiserver/fairness/concurrency.ts';
import { FlowQueues, type FlowQueue, type Waiting } from '../../../control-plane/apiserver/fairness/flow-queues.ts';
import { matchesRequest, rulesFor } from '../../../control-plane/apiserver/fairness/flow-rules.ts';
import { RetryAfter } from '../../../control-plane/apiserver/fairness/retry-after.ts';
import { SeatDemand } from '../../../control-plane/apiserver/fairness/seat-demand.ts';
import { dealHand, hashOfFlow } from '../../../control-plane/apiserver/fairness/shuffle-sharding.ts';
import { parseRequestInfo } from '../../../control-plane/apiserver/http/request-info.ts';

const SETTINGS = { queues: 64, handSize: 6, queueLengthLimit: 50 };
const any = () => true;

/** Dispatches the next request, which then takes the given time. Returns its flow. */
function serveNext(queues: FlowQueues<Waiting>, seconds = 0.003): string {
  const next = queues.next(any);
  if (!next) return '';
  queues.dispatch(next.queue);
  queues.finished(next.queue, next.request.seats, seconds);
  return next.request.user;
}

const add = (queues: FlowQueues<Waiting>, user: string, seats = 1): FlowQueue<Waiting> | undefined =>
  queues.add(hashOfFlow('s', user), { user, seats });

t.test('flows that wait take turns by virtual time, however many requests each has', async (t) => {
  const queues = new FlowQueues<Waiting>(SETTINGS);
  for (let index = 0; index < 40; index++) add(queues, 'flood', 10);
  const first = serveNext(queues);
  for (let index = 0; index < 8; index++) add(queues, 'small');
  const order = [first, ...Array.from({ length: 10 }, () => serveNext(queues))];
  t.ok(order.indexOf('small') <= 2, `a request of a new flow is among the next: ${order.join(' ')}`);
  t.ok(order.filter((flow) => flow === 'small').length >= 7, 'ten seats weigh as much as ten requests');
  t.equal(queues.length, 40 + 8 - order.length);
});

t.test('what requests have really taken is charged to their queue', async (t) => {
  const queues = new FlowQueues<Waiting>({ ...SETTINGS, handSize: 1 });
  for (let index = 0; index < 20; index++) {
    queues.add(1n, { user: 'slow', seats: 1 });
    queues.add(40n, { user: 'fast', seats: 1 });
  }
  const served = { slow: 0, fast: 0 };
  for (let index = 0; index < 20; index++) {
    const next = queues.next(any);
    if (!next) break;
    const flow = next.request.user === 'slow' ? 'slow' : 'fast';
    served[flow]++;
    queues.dispatch(next.queue);
    queues.finished(next.queue, 1, flow === 'slow' ? 0.03 : 0.003);
  }
  t.ok(served.fast > 5 * served.slow, JSON.stringify(served));
});

t.test('a full queue takes no more; others do, and who leaves makes room', async (t) => {
  const queues = new FlowQueues<Waiting>({ queues: 8, handSize: 1, queueLengthLimit: 2 });
  const request = { user: 'a', seats: 1 };
  const queue = queues.add(3n, request);
  t.ok(queue && queues.add(3n, { user: 'a', seats: 1 }));
  t.equal(queues.add(3n, { user: 'a', seats: 1 }), undefined);
  t.ok(queues.add(4n, { user: 'b', seats: 1 }));
  if (queue) queues.remove(queue, request);
  t.ok(queues.add(3n, { user: 'a', seats: 1 }));
  t.equal(queues.length, 3);
  const onlyB = queues.next(({ user }) => user === 'b');
  t.equal(onlyB?.request.user, 'b', 'who may not start is passed over');
});

t.test('hands have different queues, and spread flows', async (t) => {
  const used = new Set<number>();
  for (let index = 0; index < 200; index++) {
    const hand = dealHand(hashOfFlow('schema', `user-${index}`), 64, 6);
    t.equal(new Set(hand).size, 6);
    t.ok(hand.every((queue) => queue >= 0 && queue < 64));
    for (const queue of hand) used.add(queue);
  }
  t.equal(used.size, 64);
  t.strictSame(dealHand(0n, 5, 5), [0, 1, 2, 3, 4]);
  t.strictSame(dealHand(5n * 4n * 3n * 2n - 1n, 5, 5), [4, 3, 2, 1, 0]);
});

t.test('seats by shares', async (t) => {
  const limits = limitsOf({ shares: 30, lendablePercent: 33, borrowingLimitPercent: undefined }, 245, 600);
  t.strictSame(limits, { nominal: 74, lower: 50, upper: 674 });
  const bounded = limitsOf({ shares: 40, lendablePercent: 0, borrowingLimitPercent: 50 }, 245, 600);
  t.strictSame(bounded, { nominal: 98, lower: 98, upper: 147 });
});

t.test('levels borrow what others do not need', async (t) => {
  const level = (nominal: number, lower: number, wanted: number, upper = 1000): Demand => ({
    isExempt: false,
    limits: { nominal, lower, upper },
    highWatermark: wanted,
    smoothed: wanted,
  });
  const exempt: Demand = { isExempt: true, limits: { nominal: 0, lower: 0, upper: 0 }, highWatermark: 10, smoothed: 0 };
  const rows: [demands: Demand[], seats: number[]][] = [
    [
      [level(50, 20, 0), level(50, 20, 0)],
      [50, 50],
    ],
    [
      [level(50, 20, 0), level(50, 20, 200)],
      [20, 80],
    ],
    [
      [level(50, 20, 0), level(50, 20, 200, 60)],
      [40, 60],
    ],
    [
      [level(50, 50, 0), level(50, 20, 200)],
      [50, 50],
    ],
    [
      [level(50, 20, 100), level(50, 20, 300)],
      [50, 50],
    ],
    [
      [exempt, level(50, 20, 0), level(50, 20, 0)],
      [10, 50, 50],
    ],
    [
      [{ ...exempt, highWatermark: 70 }, level(50, 20, 50), level(50, 20, 50)],
      [70, 20, 20],
    ],
    [
      [{ ...exempt, highWatermark: 30 }, level(50, 20, 50), level(50, 20, 50)],
      [30, 35, 35],
    ],
  ];
  for (const [demands, seats] of rows) t.strictSame(allocate(demands).seats, seats);
});

t.test('demand is averaged over time, and decays', async (t) => {
  const demand = new SeatDemand(0);
  demand.set(10, 5000);
  demand.endPeriod(10_000, 1);
  t.match(demand, { highWatermark: 10, average: 5, deviation: 5, smoothed: 10 });
  demand.set(0, 10_000);
  demand.endPeriod(20_000, 1);
  t.match(demand, { highWatermark: 10, average: 0, deviation: 0 });
  t.ok(Math.abs(demand.smoothed - 9.77) < 0.001);
  demand.endPeriod(320_000, 30);
  t.equal(demand.highWatermark, 0);
  t.ok(demand.smoothed > 4.5 && demand.smoothed < 5.2, 'its half-life is five minutes');
});

t.test('clients are told to wait for longer while many are rejected', async (t) => {
  const retryAfter = new RetryAfter();
  const reject = (second: number, requests: number): number => {
    let seconds = 0;
    for (let index = 0; index < requests; index++) seconds = retryAfter.rejected(second * 1000);
    return seconds;
  };
  t.equal(reject(100, 10), 1);
  t.equal(reject(101, 10), 2);
  t.equal(reject(102, 10), 2);
  t.equal(reject(103, 10), 4);
  for (let second = 104; second < 160; second++) reject(second, 200);
  t.equal(reject(160, 1), 32, 'and no longer than that');
  for (let second = 300; second < 400; second += 2) reject(second, 1);
  t.equal(reject(400, 1), 1);
});

const RULE: PolicyRulesWithSubjects = {
  subjects: [{ kind: 'User', user: { name: '*' } }],
  resourceRules: [
    { verbs: ['get', 'list'], apiGroups: [''], resources: ['pods', 'pods/log'], namespaces: ['apps'] },
    { verbs: ['*'], apiGroups: ['apps'], resources: ['*'], namespaces: ['*'] },
    { verbs: ['*'], apiGroups: [''], resources: ['nodes'], clusterScope: true },
  ],
  nonResourceRules: [{ verbs: ['get'], nonResourceURLs: ['/healthz', '/docs/*'] }],
};

t.test('which requests a rule is about', async (t) => {
  const rows: [method: string, target: string, matches: boolean][] = [
    ['GET', '/api/v1/namespaces/apps/pods', true],
    ['GET', '/api/v1/namespaces/apps/pods/p/log', true],
    ['GET', '/api/v1/namespaces/apps/pods/p/status', false],
    ['POST', '/api/v1/namespaces/apps/pods', false],
    ['GET', '/api/v1/namespaces/other/pods', false],
    ['GET', '/api/v1/pods', false],
    ['DELETE', '/apis/apps/v1/namespaces/x/deployments/d', true],
    ['GET', '/apis/apps/v1/deployments', false],
    ['PUT', '/api/v1/nodes/n', true],
    ['GET', '/healthz', true],
    ['GET', '/healthz/ping', true],
    ['GET', '/healthzz', false],
    ['POST', '/healthz', false],
    ['GET', '/docs/a/b', true],
    ['GET', '/docs', false],
  ];
  for (const [method, target, matches] of rows)
    t.equal(matchesRequest([RULE], parseRequestInfo(method, target)), matches, `${method} ${target}`);
});

t.test('which users a rule is about', async (t) => {
  const account = (name: string, namespace = 'a'): Subject => ({
    kind: 'ServiceAccount',
    serviceAccount: { name, namespace },
  });
  const rows: [subject: Subject, user: string, matches: boolean][] = [
    [{ kind: 'User', user: { name: '*' } }, 'x', true],
    [{ kind: 'User', user: { name: 'x' } }, 'x', true],
    [{ kind: 'User', user: { name: 'y' } }, 'x', false],
    [{ kind: 'User' }, 'x', false],
    [{ kind: 'Group', group: { name: '*' } }, 'x', true],
    [{ kind: 'Group', group: { name: 'g' } }, 'x', true],
    [{ kind: 'Group', group: { name: 'h' } }, 'x', false],
    [account('*'), 'system:serviceaccount:a:b', true],
    [account('b'), 'system:serviceaccount:a:b', true],
    [account('c'), 'system:serviceaccount:a:b', false],
    [account('*'), 'system:serviceaccount:aa:b', false],
    [account('*', 'aa'), 'system:serviceaccount:a:b', false],
  ];
  for (const [subject, name, matches] of rows) {
    const found = rulesFor([{ ...RULE, subjects: [subject] }], { name, groups: ['g'] });
    t.equal(found.length, matches ? 1 : 0, JSON.stringify(subject));
  }
});

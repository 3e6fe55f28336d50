/**
 * A model of how a Job counts its pods: however often its controllers are killed, between any two of their writes, and though two of
 * them run at once, each pod that ends while the Job tracks it is counted exactly once.
 */
import { randomInt } from 'node:crypto';
import { pino } from 'pino';
import t from 'tap';
import { JOB_TRACKING_FINALIZER } from '../../../api/domain/job-tracking.ts';
import { isConflict, isNotFound } from '../../../api/machinery/status-error.ts';
import { ApiClient } from '../../../client/api-client.ts';
import { ConnectionError } from '../../../client/connection-error.ts';
import { Informer } from '../../../client/informer.ts';
import { jobs, pods } from '../../../client/resources.gen.ts';
import { runDescriptors } from '../../../control-plane/controllers/framework/runner.ts';
import { jobController } from '../../../control-plane/controllers/workloads/job/job.ts';
import { eventually } from '../../support/wait.ts';
import { TestServer } from '../apiserver/server.ts';
import type { JobSpec } from '../../../api/types/batch/v1.gen.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

const logger = pino({ level: process.env['LOG_LEVEL'] ?? 'silent' });
const COMPLETIONS = 20;
const WRITES: ReadonlySet<PropertyKey> = new Set(['create', 'patch', 'delete']);

t.setTimeout(5 * 60_000);
const server = await TestServer.start();
t.teardown(() => server[Symbol.asyncDispose]());
const client = clientOf();
t.teardown(() => client[Symbol.asyncDispose]());

function clientOf(): ApiClient {
  return new ApiClient({ server: server.url(''), ca: server.ca, token: 'admin/system:masters' });
}

/** Runs the controller again and again; each time it is killed right before or after one of its next writes. */
async function haunt(signal: AbortSignal): Promise<number> {
  let lives = 0;
  for (; !signal.aborted; lives++) {
    const death = new AbortController();
    // More than the pods that are released at once: a death aborts the requests in flight.
    let writes = randomInt(1, 3 * COMPLETIONS);
    const mortal = new Proxy(client, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== 'function') return value;
        const method = value.bind(target) as (...args: unknown[]) => Promise<unknown>;
        if (!WRITES.has(name)) return method;
        return async (...args: unknown[]) => {
          const isLast = --writes <= 0;
          if (isLast && randomInt(2) === 0) death.abort(new Error('killed before a write'));
          if (death.signal.aborted) throw new ConnectionError('killed', undefined);
          const answer = await method(...args);
          if (isLast) death.abort(new Error('killed after a write'));
          return answer;
        };
      },
    });
    await runDescriptors([jobController], { client: mortal, logger, signal: AbortSignal.any([signal, death.signal]) });
  }
  return lives;
}

/** What the agents of all nodes have seen: pods that ended while they were tracked. */
interface Ends {
  readonly succeeded: Set<string>;
  readonly failed: Set<string>;
}

/** Ends each pod as soon as it appears, one in four with a failure, and notes those that are to be counted. */
function playAgents(ends: Ends, jobName: string, errors: unknown[]): { run: (signal: AbortSignal) => Promise<void> } {
  const informer = new Informer<Pod>({ client, logger, resource: pods, labelSelector: `job-name=${jobName}` });
  async function end({ metadata, status }: Pod): Promise<void> {
    const { name = '', uid = '', deletionTimestamp } = metadata ?? {};
    if (deletionTimestamp) {
      await client.delete(pods, 'default', name, { uid, gracePeriodSeconds: 0 });
      return;
    }
    if (status?.phase === 'Succeeded' || status?.phase === 'Failed') return;
    const phase = randomInt(4) === 0 ? 'Failed' : 'Succeeded';
    const state = { terminated: { exitCode: phase === 'Failed' ? 1 : 0, finishedAt: '2020-01-01T00:00:00Z' } };
    const container = { name: 'c', image: 'i', imageID: '', ready: false, restartCount: 0, state };
    const patch = { metadata: { uid }, status: { phase, containerStatuses: [container] } };
    const ended = await client.patch(pods, 'default', name, patch, { subresource: 'status' });
    if (!ended.metadata?.finalizers?.includes(JOB_TRACKING_FINALIZER)) return;
    ends[phase === 'Failed' ? 'failed' : 'succeeded'].add(uid);
  }
  const look = (pod: Pod): void => {
    end(pod).catch((error: unknown) => {
      if (!isNotFound(error) && !isConflict(error)) errors.push(error);
    });
  };
  informer.addHandlers({ onAdd: look, onUpdate: (_, pod) => look(pod) });
  return informer;
}

for (const [mode, controllers] of [
  ['NonIndexed', 1],
  ['NonIndexed', 2],
  ['Indexed', 2],
] as const) {
  t.test(`${mode}: ${controllers} controller(s), killed at random, count each pod exactly once`, async (t) => {
    const name = `counted-${mode.toLowerCase()}-${controllers}`;
    const spec: JobSpec = {
      ...{ completions: COMPLETIONS, parallelism: 8, completionMode: mode, backoffLimit: 10_000 },
      template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } },
    };
    const stop = new AbortController();
    const ends: Ends = { succeeded: new Set(), failed: new Set() };
    const errors: unknown[] = [];
    const agents = playAgents(ends, name, errors).run(stop.signal);
    const haunted = Array.from({ length: controllers }, () => haunt(stop.signal));
    await client.create(jobs, { metadata: { namespace: 'default', name }, spec });
    const statusOf = async () => (await client.get(jobs, 'default', name)).status;
    const isComplete = async () => (await statusOf())?.conditions?.some(({ type }) => type === 'Complete');
    await eventually('the Job to be complete', isComplete, 120);
    stop.abort(new Error('the test is over'));
    await agents;
    const lives = (await Promise.all(haunted)).reduce((sum, each) => sum + each, 0);
    t.strictSame(errors, []);
    const status = await statusOf();
    t.equal(status?.failed ?? 0, ends.failed.size, `${ends.failed.size} have failed, in ${lives} lives`);
    if (mode === 'Indexed') {
      t.equal(status?.completedIndexes, `0-${COMPLETIONS - 1}`);
      t.equal(status?.succeeded, COMPLETIONS);
    } else t.equal(status?.succeeded, ends.succeeded.size);
    t.strictSame(status?.uncountedTerminatedPods, {});
    t.ok(lives > 1, 'they were killed, and went on');
  });
}

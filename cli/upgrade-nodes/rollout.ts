/** Carries a rolling upgrade out, step by step, as `plan.ts` says. All state is in the cluster: the same command goes on after a crash. */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { UPGRADE_CORDONED, UPGRADE_REQUEST, type UpgradeRequest } from '../../api/domain/node-upgrade.ts';
import { isConflict, StatusError } from '../../api/machinery/status-error.ts';
import type { Node } from '../../api/types/core/v1.gen.ts';
import type { ApiClient } from '../../client/api-client.ts';
import { ConnectionError } from '../../client/connection-error.ts';
import { nodes } from '../../client/resources.gen.ts';
import { drain, type DrainOptions } from './drain.ts';
import { RolloutError } from './rollout-error.ts';
import { isCordonedHere, isReady, nameOf, planRollout, type Rollout, type RolloutOptions } from './plan.ts';

const LOOK_MS = 1_000;
/** A server that is upgraded itself is away for seconds; one that went back, for a minute. */
const SERVER_AWAY_LIMIT_MS = 300_000;
const SERVER_ERROR = 500;

export interface RolloutRun extends RolloutOptions {
  readonly client: Pick<ApiClient, 'listAll' | 'patch' | 'createSubresource'>;
  /** Called before each step; throws RolloutError when another command is at work. */
  readonly hold?: () => Promise<void>;
  readonly labelSelector?: string | undefined;
  readonly bytes: number;
  readonly healthySeconds: number;
  /** Absent: pods stay where they are and run on. */
  readonly drain?: DrainOptions;
  /** Told what is done, in sentences. */
  readonly tell: (sentence: string) => void;
  readonly lookMs?: number;
  readonly now?: () => number;
}

/** Resolves with the number of nodes that run the version. Throws RolloutError with one sentence when it has paused. */
export async function rollOut(run: RolloutRun, ended: AbortSignal): Promise<number> {
  const over = new AbortController();
  try {
    return await step(run, AbortSignal.any([ended, over.signal]));
  } finally {
    // What still drains a node ends with it.
    over.abort(new RolloutError('the upgrade has ended'));
  }
}

async function step(run: RolloutRun, signal: AbortSignal): Promise<number> {
  const { client, labelSelector, hold } = run;
  const refused = new Map<string, string>();
  const draining = new Map<string, Promise<void>>();
  let awaySinceMs: number | undefined;
  for (;;) {
    signal.throwIfAborted();
    try {
      await hold?.();
      const all = await client.listAll<Node>(nodes, { ...(labelSelector && { labelSelector }), signal });
      if (all.length === 0) throw new RolloutError('there are no such nodes');
      awaySinceMs = undefined;
      const plan = planRollout(all, run, refused, (run.now ?? Date.now)());
      for (const node of plan.finish) await finish(run, node, signal);
      for (const node of plan.begin) await cordon(run, node, signal);
      for (const node of plan.ask) startAsking(run, node, { refused, draining }, signal);
      if (isOver(plan, draining)) {
        // Those that failed run the version before, and take pods again.
        for (const { node } of plan.failed)
          if (isReady(node) && isCordonedHere(node)) await uncordon(run, node, signal);
        mustBeDone(plan);
        return all.length;
      }
    } catch (error) {
      signal.throwIfAborted();
      if (!isAway(error)) throw error;
      awaySinceMs ??= performance.now();
      if (performance.now() - awaySinceMs > SERVER_AWAY_LIMIT_MS)
        throw new RolloutError(
          `the api-server has been away for ${SERVER_AWAY_LIMIT_MS / 1000} s (${(error as Error).message}): the same command goes on when it is back`,
          { cause: error },
        );
    }
    await delay(run.lookMs ?? LOOK_MS, undefined, { signal });
  }
}

/** What passes, when the server is back or somebody else's write is over. */
const isAway = (error: unknown): boolean =>
  error instanceof ConnectionError ||
  (error instanceof StatusError && (error.code >= SERVER_ERROR || isConflict(error)));

function isOver({ finish: finished, begin, ask, upgrading }: Rollout, draining: ReadonlyMap<string, unknown>): boolean {
  return finished.length + begin.length + ask.length + upgrading.length + draining.size === 0;
}

function mustBeDone({ failed, silent, left }: Rollout): void {
  const [first] = failed;
  if (first) {
    const others =
      failed.length > 1
        ? `, and so did ${failed
            .slice(1)
            .map(({ node }) => nameOf(node))
            .join(', ')}`
        : '';
    throw new RolloutError(
      `paused: node ${nameOf(first.node)} failed${others}; ${left} nodes are left, and the same command goes on. The reason: ${first.reason}`,
    );
  }
  if (silent.length > 0)
    throw new RolloutError(
      `paused: not Ready, and so not upgraded: ${silent.map(nameOf).join(', ')}; ${left} nodes are left, and the same command goes on when they are Ready`,
    );
  if (left > 0)
    throw new RolloutError(`paused: more nodes are not Ready than --max-unavailable allows; ${left} are left`);
}

/** The precondition keeps what somebody else has changed meanwhile: the plan is made again then. */
const patch = (
  run: RolloutRun,
  node: Node,
  metadata: object,
  spec: object | undefined,
  signal: AbortSignal,
): Promise<Node> =>
  run.client.patch<Node>(
    nodes,
    '',
    nameOf(node),
    { metadata: { resourceVersion: node.metadata?.resourceVersion, ...metadata }, ...(spec && { spec }) },
    { signal, fieldManager: 'kedge-upgrade' },
  );

/** A node that was cordoned before by somebody else stays so afterwards. */
async function cordon(run: RolloutRun, node: Node, signal: AbortSignal): Promise<void> {
  const mark = node.spec?.unschedulable ? 'before' : 'true';
  await patch(
    run,
    node,
    { annotations: { [UPGRADE_CORDONED]: mark, [UPGRADE_REQUEST]: null } },
    { unschedulable: true },
    signal,
  );
  run.tell(`${nameOf(node)}: cordoned`);
}

async function uncordon(run: RolloutRun, node: Node, signal: AbortSignal, more: object = {}): Promise<void> {
  const wasOurs = node.metadata?.annotations?.[UPGRADE_CORDONED] === 'true';
  await patch(
    run,
    node,
    { annotations: { [UPGRADE_CORDONED]: null, ...more } },
    wasOurs ? { unschedulable: null } : undefined,
    signal,
  );
}

async function finish(run: RolloutRun, node: Node, signal: AbortSignal): Promise<void> {
  await uncordon(run, node, signal, { [UPGRADE_REQUEST]: null });
  run.tell(`${nameOf(node)}: upgraded`);
}

interface Draining {
  readonly refused: Map<string, string>;
  readonly draining: Map<string, Promise<void>>;
}

/** Drains it beside the others, where that is wanted, and asks it then. */
function startAsking(run: RolloutRun, node: Node, { refused, draining }: Draining, signal: AbortSignal): void {
  const name = nameOf(node);
  if (draining.has(name)) return;
  const work = ask(run, node, signal)
    .then((refusal) => void (refusal !== undefined && refused.set(name, `it could not be drained: ${refusal}`)))
    .catch((error: Error) => {
      // The next look at the nodes begins it again.
      if (!signal.aborted && !isAway(error)) refused.set(name, error.message);
    })
    .finally(() => draining.delete(name));
  draining.set(name, work);
}

async function ask(run: RolloutRun, node: Node, signal: AbortSignal): Promise<string | undefined> {
  const name = nameOf(node);
  if (run.drain) {
    run.tell(`${name}: draining`);
    const refusal = await drain(run.client, name, run.drain, signal);
    if (refusal !== undefined) return refusal;
  }
  const request: UpgradeRequest = {
    attempt: randomUUID(),
    ...{ sha256: run.sha256, bytes: run.bytes, healthySeconds: run.healthySeconds },
    atMs: (run.now ?? Date.now)(),
  };
  await run.client.patch<Node>(
    nodes,
    '',
    name,
    { metadata: { annotations: { [UPGRADE_REQUEST]: JSON.stringify(request) } } },
    { signal, fieldManager: 'kedge-upgrade' },
  );
  run.tell(`${name}: upgrading`);
  return undefined;
}

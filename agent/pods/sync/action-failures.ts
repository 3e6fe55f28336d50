/** Which of a pod's actions have failed, when each is due again, and what the log says of them. */
import type { Logger } from '../../../client/logger.ts';
import { Outage } from '../../../client/outage.ts';
import type { PodAction } from './actions.ts';
import type { WaitingReason } from './plan.ts';
import { StartError } from '../containers/start-error.ts';

interface Failure {
  readonly count: number;
  /** By the monotonic clock: nobody waits longer, or less, because the other one is set. */
  readonly retryAt: number;
  readonly waiting?: WaitingReason;
  readonly outage: Outage;
}

/** A failed action is retried after this, doubling to the kubelet's 10 s. */
const RETRY_INITIAL_MS = 1_000;
export const RETRY_MAX_MS = 10_000;

export class ActionFailures {
  readonly #logger: Logger;
  readonly #failures = new Map<string, Failure>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** `fields` names the pod in the log. */
  add(action: PodAction, error: Error, fields: object): void {
    const key = keyOf(action);
    const before = this.#failures.get(key);
    const count = (before?.count ?? 0) + 1;
    const outage = before?.outage ?? new Outage({ logger: this.#logger });
    const backOffMs = Math.min(RETRY_MAX_MS, RETRY_INITIAL_MS * 2 ** (count - 1));
    const known = error instanceof StartError;
    const retryInMs = (known ? error.retryInMs : undefined) ?? backOffMs;
    // A failed pull shows as ErrImagePull for a moment before it shows as ImagePullBackOff.
    const shownInMs = known && error.reason === 'ErrImagePull' ? RETRY_INITIAL_MS : retryInMs;
    this.#failures.set(key, {
      count,
      outage,
      retryAt: performance.now() + shownInMs,
      ...(action.kind === 'startContainer' && {
        waiting: { reason: known ? error.reason : 'CreateContainerError', message: error.message },
      }),
    });
    // Why a container could not be started is in the pod's status and events.
    if (!known) outage.failed(error, { ...fields, action: action.kind }, 'pod action failed');
  }

  /** The action has succeeded. */
  delete(action: PodAction, fields: object): void {
    const key = keyOf(action);
    this.#failures.get(key)?.outage.ended({ ...fields, action: action.kind }, 'pod action recovered');
    this.#failures.delete(key);
  }

  clear(): void {
    this.#failures.clear();
  }

  /** In how many ms the action may be tried again; 0 when now. */
  waitMs(action: PodAction): number {
    return Math.max(0, (this.#failures.get(keyOf(action))?.retryAt ?? 0) - performance.now());
  }

  /** Why containers are not started, by their names. */
  *waiting(): Iterable<[string, WaitingReason]> {
    for (const [name, { waiting }] of this.#failures) if (waiting) yield [name, waiting];
  }
}

/** The key of an action: a container's name, or the kind. */
function keyOf(action: PodAction): string {
  switch (action.kind) {
    case 'startContainer':
      return action.container.name;
    case 'stopContainer':
    case 'removeContainer':
      return `${action.kind}:${action.observed.id}`;
    case 'stopSandbox':
    case 'removeSandbox':
      return `${action.kind}:${action.sandboxId}`;
    case 'setUp':
    case 'refreshVolumes':
    case 'resize':
    case 'createSandbox':
    case 'releaseDevices':
    case 'tearDown':
      return `${action.kind}:`;
  }
}

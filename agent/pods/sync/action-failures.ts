/** Which of a pod's actions have failed, when each is due again, and what the log says of them. */
import type { Logger } from '../../../client/logger.ts';
import { Outage } from '../../../client/outage.ts';
import type { PodAction } from './actions.ts';
import type { WaitingReason } from './plan.ts';
import { StartError } from '../containers/start-error.ts';

interface Failure {
  readonly count: number;
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
    const retryAt = (known ? error.retryAt : undefined) ?? Date.now() + backOffMs;
    // A failed pull shows as ErrImagePull for a moment before it shows as ImagePullBackOff.
    const shownAt = known && error.reason === 'ErrImagePull' ? Date.now() + RETRY_INITIAL_MS : retryAt;
    this.#failures.set(key, {
      count,
      outage,
      retryAt: shownAt,
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

  /** When the action may be tried again, in ms since the epoch; 0 when it has not failed. */
  retryAt(action: PodAction): number {
    return this.#failures.get(keyOf(action))?.retryAt ?? 0;
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

/** Whether this node's own API (logs, exec, port-forward, metrics) can be reached, for the Node's condition. */
import type { ServingCertificateProblem } from '../join/join.ts';
import type { ConditionVerdict } from './node-status.ts';

const CONSEQUENCE = 'logs, exec, attach, port-forward and metrics of this node are unavailable';

export class NodeApiState {
  #problem: ServingCertificateProblem = { reason: 'NodeAPIStarting', message: 'the node API is not ready yet' };
  #validToMs = 0;
  #isAwaited: boolean;
  readonly #listeners: (() => void)[] = [];

  /** @param isAwaited the node is not ready before its API is: clients may request logs as soon as a new node is Ready. */
  constructor(isAwaited = false) {
    this.#isAwaited = isAwaited;
  }

  /** Calls back whenever the verdict or the problem may have changed. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Why the node is not ready. */
  get problem(): string | undefined {
    return this.#isAwaited ? 'the node API is not ready yet' : undefined;
  }

  /** From now on the node may be ready without its API. */
  awaitNoLonger(): void {
    if (!this.#isAwaited) return;
    this.#isAwaited = false;
    this.#changed();
  }

  /** The API is served with a certificate that is valid until then. */
  served(validToMs: number): void {
    this.#validToMs = validToMs;
    this.#isAwaited = false;
    this.#changed();
  }

  /** Why the API has no new certificate; its current one may still be valid. */
  setProblem(problem: ServingCertificateProblem): void {
    this.#problem = problem;
    this.#changed();
  }

  /** Of the condition NodeAPIUnavailable: as NetworkUnavailable, it is True when something is wrong. */
  verdict(nowMs: number): ConditionVerdict {
    if (nowMs < this.#validToMs) return { status: 'False', reason: 'NodeAPIServed', message: 'the node API is ready' };
    const { reason, message } = this.#problem;
    return { status: 'True', reason, message: `${CONSEQUENCE}: ${message}` };
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }
}

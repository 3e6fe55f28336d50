import { setImmediate } from 'node:timers/promises';
import { timeout } from '../../../../api/machinery/status-error.ts';
import type { AdmissionRequest } from '../plugin.ts';

/** An expression of the highest cost takes about ten times as long. */
const MAX_TURN_MS = 10;

/** The expressions of policies may take a second together: other requests are served in between. */
export class Turn {
  readonly #request: AdmissionRequest;
  #endsAt = performance.now() + MAX_TURN_MS;

  constructor(request: AdmissionRequest) {
    this.#request = request;
  }

  get isOver(): boolean {
    return performance.now() > this.#endsAt;
  }

  /** Resolves in the next turn. Rejects with a 504 StatusError when nobody waits for the request any more. */
  async next(): Promise<void> {
    await setImmediate();
    if (this.#request.origin?.gone.aborted) throw timeout('request did not complete within requested timeout', 0);
    this.#endsAt = performance.now() + MAX_TURN_MS;
  }
}

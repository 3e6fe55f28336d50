/** Whether this node's own API (logs, exec, port-forward, metrics) can be reached, for the Node's condition. */
import type { ServingTrouble } from '../join/join.ts';
import type { Verdict } from './node-status.ts';

const CONSEQUENCE = 'logs, exec, attach, port-forward and metrics of this node are unavailable';

export class NodeApiState {
  #trouble: ServingTrouble = { reason: 'NodeAPIStarting', message: 'the node API is not ready yet' };
  #validToMs = 0;

  /** The API is served with a certificate that is valid until then. */
  served(validToMs: number): void {
    this.#validToMs = validToMs;
  }

  /** What keeps a certificate from the API; what it has may be valid still. */
  troubled(trouble: ServingTrouble): void {
    this.#trouble = trouble;
  }

  /** Of the condition NodeAPIUnavailable: as NetworkUnavailable, it is True when something is wrong. */
  verdict(nowMs: number): Verdict {
    if (nowMs < this.#validToMs) return { status: 'False', reason: 'NodeAPIServed', message: 'the node API is ready' };
    const { reason, message } = this.#trouble;
    return { status: 'True', reason, message: `${CONSEQUENCE}: ${message}` };
  }
}

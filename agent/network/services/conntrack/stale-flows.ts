/** Deletes stale UDP flows beside the writing of rules: a conntrack(8) that hangs must not keep Services from changing. */
import { setTimeout as delay } from 'node:timers/promises';
import type { IpFamily } from '../../../../api/domain/address.ts';
import { backoffMs } from '../../../../client/backoff.ts';
import type { Logger } from '../../../../client/logger.ts';
import { Outage } from '../../../../client/outage.ts';
import type { ServiceEntry } from '../model/service-entry.ts';
import { UdpFlows } from './conntrack.ts';
import { expectedFlows, type ExpectedFlows } from './udp-flows.ts';

export interface StaleFlowsOptions {
  readonly family: IpFamily;
  /** The Services as they are now. */
  readonly services: () => Iterable<ServiceEntry>;
  readonly logger: Logger;
  /** Called each time that flows were compared with what is wanted, and those that are stale deleted. */
  readonly onReconciled: (seconds: number, deleted: number) => void;
}

const RETRY = { initialMs: 1_000, maxMs: 60_000 };

export class StaleFlows {
  readonly #options: StaleFlowsOptions;
  readonly #flows: UdpFlows;
  readonly #outage: Outage;
  /** Undefined after the Services have changed. */
  #expected: ExpectedFlows | undefined;
  #isChanged = true;
  #running: Promise<void> | undefined;

  constructor(options: StaleFlowsOptions) {
    this.#options = options;
    this.#flows = new UdpFlows(options.family);
    this.#outage = new Outage(options);
  }

  /** Where flows may lead has changed; the rules may not be in force yet. */
  changed(): void {
    this.#expected = undefined;
    this.#isChanged = true;
  }

  /** The rules are in force: flows of what was before are deleted. Does not wait for that, and does not throw. */
  delete(signal: AbortSignal): void {
    if (this.#isChanged) this.#running ??= this.#run(signal).finally(() => (this.#running = undefined));
  }

  /** Resolves when nothing is being deleted. */
  async settled(): Promise<void> {
    await this.#running;
  }

  async #run(signal: AbortSignal): Promise<void> {
    for (let failures = 0; this.#isChanged && !signal.aborted;) {
      this.#isChanged = false;
      try {
        const startedAtMs = performance.now();
        const expected = (): ExpectedFlows => (this.#expected ??= expectedFlows(this.#options.services()));
        const deleted = await this.#flows.reconcile(expected, signal);
        this.#options.onReconciled((performance.now() - startedAtMs) / 1000, deleted);
        failures = 0;
        this.#outage.ended({}, 'deleting stale UDP conntrack entries again');
      } catch (error) {
        this.#isChanged = true;
        if (signal.aborted) return;
        this.#outage.failed(error, {}, 'failed to delete stale UDP conntrack entries');
        await delay(backoffMs(RETRY, ++failures), undefined, { signal, ref: false }).catch(() => undefined);
      }
    }
  }
}

/** Asks the threads of the other roles for their metrics, which the api-server serves with its own. */
import { once } from 'node:events';
import type { Worker } from 'node:worker_threads';
import { withDeadline } from '../client/deadline.ts';
import type { Logger } from '../client/logger.ts';
import type { RoleMessage, RoleReport } from './role-thread.ts';

/** A role that is busy for longer is left out. */
const ANSWER_LIMIT_MS = 2_000;

export class RoleMetrics {
  readonly #threads = new Set<Worker>();
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Until the thread has ended. */
  add(thread: Worker): void {
    this.#threads.add(thread);
    thread.once('exit', () => this.#threads.delete(thread));
  }

  /** In Prometheus' text format; does not reject. */
  readonly text = async (): Promise<string> =>
    (await Promise.all(Array.from(this.#threads, (thread) => this.#ask(thread)))).join('');

  async #ask(thread: Worker): Promise<string> {
    try {
      return await withDeadline({ what: 'metrics of a role', limitMs: ANSWER_LIMIT_MS }, async (signal) => {
        const answered = once(thread, 'message', { signal }) as Promise<[RoleReport]>;
        thread.postMessage('metrics' satisfies RoleMessage);
        const [{ metrics }] = await answered;
        return metrics;
      });
    } catch (error) {
      this.#logger.warn({ err: error }, 'failed to read the metrics of a role');
      return '';
    }
  }
}

/** Asks the threads of the other roles for their metrics, and whether they still answer. */
import { once } from 'node:events';
import type { Worker } from 'node:worker_threads';
import { withDeadline } from '../client/deadline.ts';
import type { Logger } from '../client/logger.ts';
import type { RoleMessage, RoleOptions, RoleReport } from './role-thread.ts';

/** A role that is busy for longer counts as hung, and is left out of the api-server's metrics. */
const ANSWER_LIMIT_MS = 2_000;

export type ThreadRole = RoleOptions['role'];

export class RoleMetrics {
  readonly #threads = new Map<ThreadRole, Worker>();
  /** Questions that wait for an answer: whoever asks meanwhile gets the same one. */
  readonly #asked = new Map<string, Promise<RoleReport | undefined>>();
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Until the thread has ended. */
  add(role: ThreadRole, thread: Worker): void {
    this.#threads.set(role, thread);
    thread.once('exit', () => {
      if (this.#threads.get(role) === thread) this.#threads.delete(role);
    });
  }

  /** What no two roles have alike, in Prometheus' text format, for the api-server to serve with its own; does not reject. */
  readonly text = async (): Promise<string> => {
    const reports = await Promise.all(Array.from(this.#threads.keys(), (role) => this.#ask(role, 'metrics')));
    return reports.map((report) => report?.metrics ?? '').join('');
  };

  /** All metrics of the role, undefined when it does not run or does not answer in time; does not reject. */
  async allOf(role: ThreadRole): Promise<string | undefined> {
    const report = await this.#ask(role, 'metrics');
    return report && report.metrics + report.common;
  }

  /** Whether the role runs, and answers in time; does not reject. */
  async answers(role: ThreadRole): Promise<boolean> {
    return (await this.#ask(role, 'ping')) !== undefined;
  }

  /** The roles whose threads run and do not answer in time; does not reject. */
  async hung(): Promise<ThreadRole[]> {
    const roles = [...this.#threads.keys()];
    const answers = await Promise.all(roles.map((role) => this.answers(role)));
    // One that has ended meanwhile is restarted.
    return roles.filter((role, index) => !answers[index] && this.#threads.has(role));
  }

  #ask(role: ThreadRole, message: 'metrics' | 'ping'): Promise<RoleReport | undefined> {
    const question = `${role} ${message}`;
    const asked = this.#asked.get(question);
    if (asked) return asked;
    const answer = this.#answer(role, message).finally(() => this.#asked.delete(question));
    this.#asked.set(question, answer);
    return answer;
  }

  async #answer(role: ThreadRole, message: 'metrics' | 'ping'): Promise<RoleReport | undefined> {
    const thread = this.#threads.get(role);
    if (!thread) return undefined;
    try {
      return await withDeadline({ what: `an answer of the ${role}`, limitMs: ANSWER_LIMIT_MS }, async (signal) => {
        thread.postMessage(message satisfies RoleMessage);
        for (;;) {
          const [report] = (await once(thread, 'message', { signal })) as [RoleReport];
          if (report.to === message) return report;
        }
      });
    } catch (error) {
      this.#logger.warn({ err: error, role }, 'a role does not answer');
      return undefined;
    }
  }
}

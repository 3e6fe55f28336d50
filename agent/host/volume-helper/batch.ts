import type { AskVolumeHelper, VolumeAnswer, VolumeRequest } from './requests.ts';

interface Waiting {
  readonly requests: readonly VolumeRequest[];
  readonly answer: PromiseWithResolvers<VolumeAnswer[]>;
}

/**
 * Gathers what is asked within one turn of the event loop and asks it of one helper: a process start costs 40 ms. Who stops
 * waiting leaves alone; the helper is given up when nobody waits for it any more.
 */
export function inOneHelper(ask: AskVolumeHelper): AskVolumeHelper {
  let batch: Batch | undefined;
  return (requests, signal) => {
    if (signal.aborted) return Promise.reject(signal.reason as Error);
    if (batch === undefined) {
      const begun = (batch = new Batch(ask));
      setImmediate(() => {
        batch = undefined;
        void begun.send();
      });
    }
    return batch.add(requests, signal);
  };
}

class Batch {
  readonly #ask: AskVolumeHelper;
  readonly #abandoned = new AbortController();
  readonly #waiting = new Set<Waiting>();
  #sent = false;

  constructor(ask: AskVolumeHelper) {
    this.#ask = ask;
  }

  async add(requests: readonly VolumeRequest[], signal: AbortSignal): Promise<VolumeAnswer[]> {
    const waiting: Waiting = { requests, answer: Promise.withResolvers() };
    this.#waiting.add(waiting);
    const leave = (): void => {
      this.#waiting.delete(waiting);
      waiting.answer.reject(signal.reason);
      if (this.#sent && this.#waiting.size === 0) this.#abandoned.abort(signal.reason);
    };
    signal.addEventListener('abort', leave, { once: true });
    try {
      return await waiting.answer.promise;
    } finally {
      signal.removeEventListener('abort', leave);
    }
  }

  /** Asks for those that still wait. */
  async send(): Promise<void> {
    this.#sent = true;
    const asked = [...this.#waiting];
    if (asked.length === 0) return;
    try {
      const answers = await this.#ask(
        asked.flatMap(({ requests }) => requests),
        this.#abandoned.signal,
      );
      let start = 0;
      for (const { requests, answer } of asked) answer.resolve(answers.slice(start, (start += requests.length)));
    } catch (error) {
      for (const { answer } of asked) answer.reject(error);
    }
  }
}

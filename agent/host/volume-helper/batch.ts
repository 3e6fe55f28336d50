import { onBehalfOf } from '../../recorder/report.ts';
import type { VolumeHelper, VolumeResponse, VolumeRequest } from './requests.ts';

interface Waiting {
  readonly requests: readonly VolumeRequest[];
  readonly response: PromiseWithResolvers<VolumeResponse[]>;
}

/**
 * Batches the requests of one turn of the event loop into one helper: starting a process costs 40 ms. A caller that stops
 * waiting does not affect the others; the helper is aborted when no caller waits any more.
 */
export function batchRequests(helper: VolumeHelper): VolumeHelper {
  let batch: Batch | undefined;
  return (requests, signal) => {
    if (signal.aborted) return Promise.reject(signal.reason as Error);
    if (batch === undefined) {
      const begun = (batch = new Batch(helper));
      // It is several pods' request, whoever's is the first.
      onBehalfOf(undefined, () =>
        setImmediate(() => {
          batch = undefined;
          void begun.send();
        }),
      );
    }
    return batch.add(requests, signal);
  };
}

class Batch {
  readonly #helper: VolumeHelper;
  readonly #abandoned = new AbortController();
  readonly #waiting = new Set<Waiting>();
  #sent = false;

  constructor(helper: VolumeHelper) {
    this.#helper = helper;
  }

  async add(requests: readonly VolumeRequest[], signal: AbortSignal): Promise<VolumeResponse[]> {
    const waiting: Waiting = { requests, response: Promise.withResolvers() };
    this.#waiting.add(waiting);
    const leave = (): void => {
      this.#waiting.delete(waiting);
      waiting.response.reject(signal.reason);
      if (this.#sent && this.#waiting.size === 0) this.#abandoned.abort(signal.reason);
    };
    signal.addEventListener('abort', leave, { once: true });
    try {
      return await waiting.response.promise;
    } finally {
      signal.removeEventListener('abort', leave);
    }
  }

  /** Sends the requests of the callers that still wait. */
  async send(): Promise<void> {
    this.#sent = true;
    const asked = [...this.#waiting];
    if (asked.length === 0) return;
    try {
      const responses = await this.#helper(
        asked.flatMap(({ requests }) => requests),
        this.#abandoned.signal,
      );
      let start = 0;
      for (const { requests, response } of asked) response.resolve(responses.slice(start, (start += requests.length)));
    } catch (error) {
      for (const { response } of asked) response.reject(error);
    }
  }
}

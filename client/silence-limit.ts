/**
 * Fails a response whose peer has gone without a word. undici's own limit wakes the process twice a second for as long as there is
 * a response with one, and this one only when the limit may be over.
 */
import type { Readable } from 'node:stream';

export class SilenceError extends Error {
  readonly code = 'SILENCE';

  constructor(limitMs: number) {
    super(`nothing was received for ${limitMs / 1000} s`);
    this.name = 'SilenceError';
  }
}

/** The chunks of a body, which is destroyed with a SilenceError after `limitMs` without one. */
export async function* withSilenceLimit(body: Readable, limitMs: number): AsyncGenerator<Buffer> {
  let heardAt = performance.now();
  let timer: NodeJS.Timeout;
  const wait = (remainingMs: number): void => {
    timer = setTimeout(() => {
      const remaining = heardAt + limitMs - performance.now();
      if (remaining > 0) wait(remaining);
      else body.destroy(new SilenceError(limitMs));
    }, remainingMs);
  };
  wait(limitMs);
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      heardAt = performance.now();
      yield chunk;
    }
  } finally {
    clearTimeout(timer!);
  }
}

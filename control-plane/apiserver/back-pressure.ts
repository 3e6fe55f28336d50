/** Writes to a response that wait while the client is slow. */
import type { Response } from './exchange.ts';

/** Answers false when the client is slow: then wait for `drained`. */
export const writeTo = (response: Response, chunk: Buffer): boolean =>
  // The overloads of the two responses differ in types alone.
  (response as { write(chunk: Buffer): boolean }).write(chunk);

/** Resolves when the bytes are on their way, and their memory may be used again; rejects when the client is gone. */
export function written(response: Response, chunk: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const onClose = (): void => reject(new ClientGoneError());
    response.once('close', onClose);
    if (response.destroyed) onClose();
    // The overloads of the two responses differ in types alone.
    else
      (response as { write(chunk: Buffer, done: (error?: Error | null) => void): boolean }).write(chunk, (error) => {
        response.off('close', onClose);
        if (error) onClose();
        else resolve();
      });
  });
}

/** Resolves when the response takes more; rejects when the client is gone. */
export function drained(response: Response): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => () => {
      response.off('drain', onDrain);
      response.off('close', onClose);
      act();
    };
    const onDrain = settle(resolve);
    const onClose = settle(() => reject(new ClientGoneError()));
    response.on('drain', onDrain);
    response.on('close', onClose);
    if (response.destroyed) onClose();
  });
}

/** The client closed its connection before it had the whole answer: nobody's failure. */
export class ClientGoneError extends Error {
  override readonly name = 'ClientGoneError';
  constructor() {
    super('the client went away');
  }
}

/** Event listeners and timer callbacks: an exception or rejection that leaves one ends the process. */

/** Wraps a listener. What `act` throws or rejects with is passed to `failed`, which must not throw. */
export const guarded =
  <A extends readonly unknown[]>(
    act: (...args: A) => void | Promise<void>,
    failed: (error: unknown, ...args: A) => void,
  ): ((...args: A) => void) =>
  (...args) => {
    try {
      act(...args)?.catch((error: unknown) => failed(error, ...args));
    } catch (error) {
      failed(error, ...args);
    }
  };

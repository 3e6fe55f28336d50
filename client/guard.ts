/** Listeners and timer callbacks: nobody is there to catch what they throw, and an exception that leaves one ends the process. */

/** `act` as a listener. Whatever it throws, or rejects with, is handed to `failed`, which must not throw itself. */
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

/** Runs until the returned function is called, which resolves when it has stopped. */
export function stoppable(run: (signal: AbortSignal) => Promise<unknown>): () => Promise<void> {
  const stopping = new AbortController();
  const running = run(stopping.signal);
  return async () => {
    stopping.abort();
    await running;
  };
}

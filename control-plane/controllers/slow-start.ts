/**
 * Calls `act` for 0..count-1: one, then two, then four at a time, and no further after a batch with a failure, so that a
 * quota or an admission that turns everything down is not hit with hundreds of requests. Resolves with how many succeeded
 * and the first failure.
 */
export async function slowStart(
  count: number,
  act: (index: number) => Promise<void>,
): Promise<{ readonly succeeded: number; readonly failure?: unknown }> {
  let succeeded = 0;
  for (let batch = 1, done = 0; done < count; done += batch, batch = Math.min(batch * 2, count - done)) {
    const outcomes = await Promise.allSettled(Array.from({ length: batch }, (_, index) => act(done + index)));
    succeeded += outcomes.filter(({ status }) => status === 'fulfilled').length;
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed) return { succeeded, failure: failed.reason };
  }
  return { succeeded };
}

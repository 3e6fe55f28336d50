/** A rolling upgrade has paused: one sentence for the operator. */
export class RolloutError extends Error {
  override readonly name = 'RolloutError';
}

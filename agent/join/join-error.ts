/** Why a node cannot join or continue; the message says what is wrong and what to do. */
export class JoinError extends Error {
  override readonly name = 'JoinError';
}

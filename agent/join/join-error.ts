/** Why a node cannot join or go on; the message says what is wrong and what to do. */
export class JoinError extends Error {
  override readonly name = 'JoinError';
}

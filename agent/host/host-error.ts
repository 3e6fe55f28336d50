/** The host cannot do what the agent needs of it; the message says what is missing, and what to do. */
export class HostError extends Error {
  override readonly name = 'HostError';
}

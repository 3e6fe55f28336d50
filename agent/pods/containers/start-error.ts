/** Why a container could not be started: the reason and message of its waiting state, as kubectl shows them. */
export class StartError extends Error {
  override readonly name = 'StartError';
  readonly reason: string;
  /** In how many milliseconds to retry; absent for the usual back-off. */
  readonly retryInMs: number | undefined;
  constructor(reason: string, message: string, options: { retryInMs?: number } = {}) {
    super(message);
    this.reason = reason;
    this.retryInMs = options.retryInMs;
  }
}

/** The container's configuration cannot be built now: a missing configMap, a user that may not be root. */
export const configError = (message: string): StartError => new StartError('CreateContainerConfigError', message);

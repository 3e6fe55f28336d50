/**
 * Failures that repeat until their cause is gone, logged without a flood: a warning when they begin, one per minute while they
 * last, and one line when they are over. Everything between is logged at debug level.
 */
import { ConnectionError } from './connection-error.ts';
import type { Logger } from './logger.ts';

export interface OutageOptions {
  readonly logger: Logger;
  /** `warn` when absent. */
  readonly level?: 'warn' | 'error';
  /** Milliseconds on a clock that never goes back. */
  readonly now?: () => number;
}

const REPEAT_MS = 60_000;

export class Outage {
  readonly #logger: Logger;
  readonly #level: 'warn' | 'error';
  readonly #now: () => number;
  #failures = 0;
  #sinceMs = 0;
  /** Kept after the end: what fails and recovers all the time is logged once per minute, too. */
  #loggedAtMs = -Infinity;
  #isLogged = false;

  constructor({ logger, level = 'warn', now = () => performance.now() }: OutageOptions) {
    this.#logger = logger;
    this.#level = level;
    this.#now = now;
  }

  failed(error: unknown, fields: object, message: string): void {
    const now = this.#now();
    if (this.#failures++ === 0) this.#sinceMs = now;
    const said = { ...fields, err: error, failures: this.#failures };
    // A connection that fails once is nothing to warn of: the server may be restarting, or a proxy on the way.
    const isFirst = error instanceof ConnectionError && this.#failures === 1;
    if (isFirst || wasLogged(error) || now - this.#loggedAtMs < REPEAT_MS) {
      this.#logger.debug(said, message);
      return;
    }
    this.#loggedAtMs = now;
    this.#isLogged = true;
    this.#logger[this.#level](said, message);
  }

  /** Does nothing when nothing has failed since the last call. */
  ended(fields: object, message: string): void {
    if (this.#failures === 0) return;
    const said = { ...fields, failures: this.#failures, durationMs: Math.round(this.#now() - this.#sinceMs) };
    this.#logger[this.#isLogged ? 'info' : 'debug'](said, message);
    this.#failures = 0;
    this.#isLogged = false;
  }
}

/** Logs a failure that is handled one by one; at debug level when its cause is an outage that the log has already. */
export function logFailure(logger: Logger, error: Error, fields: object, message: string): void {
  logger[wasLogged(error) ? 'debug' : 'warn']({ ...fields, err: error }, message);
}

const wasLogged = (error: unknown): boolean => error instanceof ConnectionError && error.wasLogged;

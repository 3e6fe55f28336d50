/**
 * Rate-limits the log of a repeating failure: one warning when it begins, one per minute while it lasts, and one line when
 * it is over. Everything in between is logged at debug level.
 */
import { ConnectionError } from './connection-error.ts';
import type { Logger } from './logger.ts';

export interface OutageOptions {
  readonly logger: Logger;
  /** Default: warn. */
  readonly level?: 'warn' | 'error';
  /** Monotonic clock, in milliseconds. */
  readonly now?: () => number;
}

const REPEAT_MS = 60_000;

export class Outage {
  readonly #logger: Logger;
  readonly #level: 'warn' | 'error';
  readonly #now: () => number;
  #failures = 0;
  #sinceMs = 0;
  /** Survives the end of an outage: a flapping failure is logged once per minute, too. */
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
    // A single connection error is not worth a warning: the server or a proxy may be restarting.
    const isFirst = error instanceof ConnectionError && this.#failures === 1;
    if (isFirst || wasLogged(error) || now - this.#loggedAtMs < REPEAT_MS) {
      this.#logger.debug(said, message);
      return;
    }
    this.#loggedAtMs = now;
    this.#isLogged = true;
    this.#logger[this.#level](said, message);
  }

  /** Logs the end of the outage; does nothing when nothing has failed since the last call. */
  ended(fields: object, message: string): void {
    if (this.#failures === 0) return;
    const said = { ...fields, failures: this.#failures, durationMs: Math.round(this.#now() - this.#sinceMs) };
    this.#logger[this.#isLogged ? 'info' : 'debug'](said, message);
    this.#failures = 0;
    this.#isLogged = false;
  }
}

/** Logs a single failure; at debug level when it is part of an outage that has been logged. */
export function logFailure(logger: Logger, error: Error, fields: object, message: string): void {
  logger[wasLogged(error) ? 'debug' : 'warn']({ ...fields, err: error }, message);
}

const wasLogged = (error: unknown): boolean => error instanceof ConnectionError && error.wasLogged;

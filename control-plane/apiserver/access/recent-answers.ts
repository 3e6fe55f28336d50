/** Answers about tokens, and about what users may do, that are good for a while: each is asked for once, however many requests need it. */
import { hash } from 'node:crypto';

const MAX_ANSWERS = 4096;

interface Answer<T> {
  readonly value: T;
  readonly until: number;
}

export class RecentAnswers<T> {
  readonly #ttlMs: number;
  readonly #now: () => number;
  /** Keyed by the hash of what was asked, oldest first: tokens themselves are not kept, and long questions take no memory. */
  readonly #answers = new Map<string, Answer<T>>();
  readonly #pending = new Map<string, Promise<T>>();

  constructor(ttlMs: number, now: () => number) {
    this.#ttlMs = ttlMs;
    this.#now = now;
  }

  /** The answer that is known, or `ask`'s. Failures are not kept. @param until in milliseconds: after it an answer is none */
  get(key: string, ask: () => T | Promise<T>, until: (value: T) => number = () => Infinity): T | Promise<T> {
    const id = hash('sha256', key, 'base64');
    const known = this.#answers.get(id);
    if (known && known.until > this.#now()) return known.value;
    const pending = this.#pending.get(id);
    if (pending) return pending;
    const asked = ask();
    if (!(asked instanceof Promise)) return this.#keep(id, asked, until);
    const settled = asked.then((value) => this.#keep(id, value, until)).finally(() => this.#pending.delete(id));
    this.#pending.set(id, settled);
    return settled;
  }

  #keep(id: string, value: T, until: (value: T) => number): T {
    this.#answers.delete(id);
    if (this.#answers.size >= MAX_ANSWERS) {
      for (const oldest of this.#answers.keys()) {
        this.#answers.delete(oldest);
        break;
      }
    }
    this.#answers.set(id, { value, until: Math.min(until(value), this.#now() + this.#ttlMs) });
    return value;
  }
}

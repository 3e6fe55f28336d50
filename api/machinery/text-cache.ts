/**
 * Values that were made of texts lately. The texts are clients', of up to megabytes, and what is made of one takes many times as much
 * memory: a cache counts their characters, and keeps no long ones.
 */
import { flatString } from './flat-string.ts';

export interface TextCacheLimits {
  /** Longer texts are not kept. */
  readonly maxTextChars: number;
  /** Of all texts together. When they are more, all are forgotten: what is still used comes again. */
  readonly maxChars: number;
}

/** For texts that objects of one workload have alike. */
const DEFAULT_LIMITS: TextCacheLimits = { maxTextChars: 4096, maxChars: 2 * 1024 * 1024 };
/** What an entry takes besides its text, in characters. */
const ENTRY_CHARS = 100;

export class TextCache<T> {
  readonly #limits: TextCacheLimits;
  readonly #known = new Map<string, T>();
  #chars = 0;

  constructor(limits: TextCacheLimits = DEFAULT_LIMITS) {
    this.#limits = limits;
  }

  /** What was made of the text, or what is made of it now. It is shared and must not be changed. */
  get(text: string, make: (text: string) => T): T {
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    const { maxTextChars, maxChars } = this.#limits;
    if (text.length > maxTextChars) return make(text);
    if (this.#chars > maxChars) {
      this.#known.clear();
      this.#chars = 0;
    }
    // A copy: a part of a longer text would keep all of that.
    const kept = flatString(text);
    const made = make(kept);
    this.#known.set(kept, made);
    this.#chars += kept.length + ENTRY_CHARS;
    return made;
  }
}

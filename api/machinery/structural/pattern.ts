/**
 * Patterns of schemas, in RE2's syntax and matched in linear time: with a backtracking engine, whoever may create a
 * CustomResourceDefinition could stop the server for everybody. https://github.com/google/re2/wiki/Syntax
 */
import { createRequire } from 'node:module';

type Re2 = typeof import('re2js');
export interface Matcher {
  /** Of what it is compiled to: compiling takes time by that, some microseconds each. */
  readonly instructions: number;
  matches(text: string): boolean;
  /** The matches that do not overlap, in their order; at most `limit` of them. */
  findAll(text: string, limit: number): string[];
}

// Loaded when the first pattern is compiled: most servers have none.
const load = (): Re2 => createRequire(import.meta.url)('re2js') as Re2;

/** Returns undefined for an invalid pattern. */
export function compilePattern(pattern: string): Matcher | undefined {
  const compiled = compileOrExplain(pattern);
  return typeof compiled === 'string' ? undefined : compiled;
}

/** Returns what is wrong with an invalid pattern, as Go says it. */
export function compileOrExplain(pattern: string): Matcher | string {
  const { RE2JS, RE2JSException } = load();
  try {
    const compiled = RE2JS.compile(pattern);
    return {
      instructions: compiled.programSize(),
      matches: (text) => compiled.matcher(text).find(),
      findAll: (text, limit) => {
        const found: string[] = [];
        const matcher = compiled.matcher(text);
        while (found.length < limit && matcher.find()) found.push(matcher.group() ?? '');
        return found;
      },
    };
  } catch (error) {
    if (error instanceof RE2JSException) return error.message;
    throw error;
  }
}

/** What the patterns of one schema may be compiled to; some 2,000 of those of host names. Upstream has no such limit. */
const MAX_INSTRUCTIONS = 250_000;

/** Compiles the patterns of one schema, each once, as long as they are not too large together. */
export class PatternBudget {
  readonly #problems = new Map<string, string | undefined>();
  #remaining = MAX_INSTRUCTIONS;

  /** What is wrong with a pattern, if anything. */
  problemOf(pattern: string): string | undefined {
    if (!this.#problems.has(pattern)) this.#problems.set(pattern, this.#compile(pattern));
    return this.#problems.get(pattern);
  }

  #compile(pattern: string): string | undefined {
    // A literal has an instruction for each character.
    if (pattern.length <= this.#remaining) {
      const compiled = compilePattern(pattern);
      if (!compiled) return "must be a valid regular expression, but isn't";
      this.#remaining -= compiled.instructions;
    } else this.#remaining = 0;
    return this.#remaining > 0 ? undefined : 'the patterns of a schema are too large together';
  }
}

/** Regular expressions of RE2, which are matched in linear time: https://github.com/google/re2/wiki/Syntax */
import { compileOrExplain, type Matcher } from '../../structural/pattern.ts';
import { ValueList } from '../collections.ts';
import { overload, type Overload } from '../environment.ts';
import type { Meter } from '../meter.ts';
import { type CelValue, Failure } from '../values.ts';

const MAX_CACHED = 100;
/** Patterns are mostly literals: the same few are used again and again. Short ones only are kept. */
const MAX_CACHED_LENGTH = 1_000;
const cache = new Map<string, Matcher>();

function compiled(pattern: string): Matcher | Failure {
  const known = cache.get(pattern);
  if (known) return known;
  const made = compileOrExplain(pattern);
  if (typeof made === 'string') return new Failure(made);
  if (pattern.length > MAX_CACHED_LENGTH) return made;
  const [oldest] = cache.keys();
  if (cache.size >= MAX_CACHED && oldest !== undefined) cache.delete(oldest);
  cache.set(pattern, made);
  return made;
}

/** Matching a long text takes longer than its cost says. */
const LONG_TEXT = 1_000;
/** What a repetition `{n}` is compiled to, in steps. */
const STEPS_PER_REPEAT = 20;

function countMatching(text: string, pattern: string, meter: Meter): void {
  for (const [, least = '', most = ''] of pattern.matchAll(/\{(\d{1,4})(?:,(\d{0,4}))?\}/g))
    meter.step(STEPS_PER_REPEAT * Math.max(Number(least), Number(most)));
  if (text.length > LONG_TEXT) meter.step((text.length - LONG_TEXT) * (1 + pattern.length));
}

function matches([text, pattern]: readonly CelValue[], meter: Meter): CelValue {
  countMatching(text as string, pattern as string, meter);
  const matcher = compiled(pattern as string);
  return matcher instanceof Failure ? matcher : matcher.matches(text as string);
}

const illegal = ({ message }: Failure): Failure => new Failure(`Illegal regex: ${message}`);

function find([text, pattern]: readonly CelValue[], meter: Meter): CelValue {
  countMatching(text as string, pattern as string, meter);
  const matcher = compiled(pattern as string);
  return matcher instanceof Failure ? illegal(matcher) : (matcher.findAll(text as string, 1)[0] ?? '');
}

function findAll([text, pattern, limit]: readonly CelValue[], meter: Meter): CelValue {
  countMatching(text as string, pattern as string, meter);
  const matcher = compiled(pattern as string);
  if (matcher instanceof Failure) return illegal(matcher);
  const max = typeof limit === 'bigint' && limit >= 0n ? Number(limit) : Infinity;
  const found = matcher.findAll(text as string, max);
  meter.step(found.length);
  return new ValueList(found);
}

export const regexLibrary = (): Overload[] => [
  overload('matches(string, string): bool', matches),
  overload('string:matches(string): bool', matches),
  overload('string:find(string): string', find),
  overload('string:findAll(string): list(string)', findAll),
  overload('string:findAll(string, int): list(string)', findAll),
];

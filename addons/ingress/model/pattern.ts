/** Paths that are regular expressions: which ones can be matched in bounded time. */
import { compilePattern } from '../../../api/machinery/structural/pattern.ts';
import { patternCost } from './pattern-cost.ts';

/** Whether a path has characters that mean something in a regular expression and nothing in a path. */
export const hasMetacharacters = (path: string): boolean => /[()[\]{}*+?|^$\\]/.test(path);

/** Space, control characters and what is beyond ASCII would end a line of a map, or be matched byte by byte. */
const PRINTABLE = /^[!-~]+$/;
const MAX_PATTERN = 1_024;
/**
 * How much the engine keeps of a text in groups is bounded (PCRE2's 32 KiB of stack for compiled expressions): beyond that it says that nothing
 * matches, and a request would be served by the rules of a wider path. So groups are repeated a number of times only.
 */
const MAX_GROUPS = 200;
/** With one repetition that may end anywhere, time grows with a path; with two it would with its square, and a path may have 16 KiB. */
const MAX_OPEN = 1;
const MAX_WAYS_BESIDE_OPEN = 8;
const MAX_WAYS = 4_096;

/**
 * Why a regular expression is not used; undefined if it may be. The proxy backtracks, so that what is accepted is a subset: RE2's
 * syntax (no backreferences, no lookaround), no repetition within a repetition, and few ways to match one text.
 */
export function patternProblem(pattern: string): string | undefined {
  if (pattern.length > MAX_PATTERN) return `is longer than ${MAX_PATTERN} characters`;
  if (!PRINTABLE.test(pattern)) return 'has spaces, control characters or characters beyond ASCII';
  // PCRE's verbs, comments and inline options; groups without capture are fine.
  if (/\(\*|\(\?(?!:)|\\[QEKCGRXgkpP]|\\x|\\N|\\c|\\0|\[\[/.test(pattern)) return 'uses syntax that is not supported';
  if (!compilePattern(pattern)) return 'is not a regular expression, or uses backreferences or lookaround';
  if (hasNestedRepetition(pattern)) return 'repeats what repeats itself: matching it may take forever';
  const { open, ways, groups, isQuadratic } = patternCost(pattern);
  if (groups > MAX_GROUPS)
    return `repeats groups more than ${MAX_GROUPS} times: only characters and classes are repeated without bound`;
  if (open > MAX_OPEN || isQuadratic)
    return 'has several repetitions that may end anywhere, as .*a.*b: matching it may take very long';
  return ways > (open > 0 ? MAX_WAYS_BESIDE_OPEN : MAX_WAYS)
    ? 'has choices that may match the same in many ways: matching it may take very long'
    : undefined;
}

interface Group {
  repeats: boolean;
}

/** Whether something unbounded is repeated without bound: `(a+)+`, `(a|b*)*`, `(a*){2,}`. */
function hasNestedRepetition(pattern: string): boolean {
  const groups: Group[] = [{ repeats: false }];
  /** What the last atom contains, if it was a group. */
  let closed: Group | undefined;
  for (let at = 0; at < pattern.length; at++) {
    const character = pattern[at];
    const before = closed;
    closed = undefined;
    if (character === '\\') at++;
    else if (character === '[') at = endOfClass(pattern, at);
    else if (character === '(') groups.push({ repeats: false });
    else if (character === ')') {
      closed = groups.pop() ?? { repeats: false };
      const around = groups.at(-1);
      if (around && closed.repeats) around.repeats = true;
    } else if (isRepetition(pattern, at)) {
      if (before?.repeats) return true;
      const around = groups.at(-1);
      if (around) around.repeats = true;
      if (character === '{') at = pattern.indexOf('}', at);
    }
  }
  return false;
}

const isRepetition = (pattern: string, at: number): boolean =>
  pattern[at] === '*' || pattern[at] === '+' || /^\{\d*,?\d*\}/.test(pattern.slice(at, at + 16));

/** The index of the `]` that ends the class which begins at `start`. */
function endOfClass(pattern: string, start: number): number {
  let at = start + 1;
  if (pattern[at] === '^') at++;
  if (pattern[at] === ']') at++;
  while (at < pattern.length && pattern[at] !== ']') at += pattern[at] === '\\' ? 2 : 1;
  return at;
}

/** Escapes text for a regular expression. */
export const literalPattern = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/#-]/g, '\\$&');

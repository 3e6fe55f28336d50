/**
 * How much a backtracking engine may have to try for a regular expression that begins at one place: in how many ways it can divide a
 * text. Pure, and conservative: what is not understood is taken for the worst.
 */

/** A set of ASCII characters, by their codes. */
type Characters = bigint;

type Node =
  | { readonly type: 'one'; readonly of: Characters }
  | { readonly type: 'sequence' | 'choice'; readonly parts: readonly Node[] }
  | { readonly type: 'repeated'; readonly part: Node; readonly min: number; readonly max: number };

export interface PatternCost {
  /** How often groups are repeated, at most: the engine keeps what it needs to come back to each time. */
  readonly groups: number;
  /** Whether it may begin to look for something anew at each place of a text, and look at all that follows. */
  readonly isQuadratic: boolean;
  /** Repetitions without bound whose end is not told by the next character: each tries all of a text. */
  readonly open: number;
  /** In how many ways everything else may be matched, at most. */
  readonly ways: number;
}

const ALL: Characters = (1n << 128n) - 1n;
const nothing = (): Node => ({ type: 'sequence', parts: [] });
/** The end of a text, and another place that says nothing about a character. */
const END = nothing();
const PLACE = nothing();

const single = (character: string): Characters => 1n << BigInt(character.charCodeAt(0) & 0x7f);

function range(from: string, to: string): Characters {
  let chars = 0n;
  for (let code = from.charCodeAt(0); code <= to.charCodeAt(0); code++) chars |= single(String.fromCharCode(code));
  return chars;
}

const DIGITS = range('0', '9');
const LETTERS = range('a', 'z') | range('A', 'Z');
const SPACES = [...' \t\n\r\f'].map(single).reduce((all, one) => all | one);
const CLASSES: ReadonlyMap<string, Characters> = new Map([
  ['d', DIGITS],
  ['D', ALL & ~DIGITS],
  ['w', DIGITS | LETTERS | single('_')],
  ['W', ALL & ~(DIGITS | LETTERS | single('_'))],
  ['s', SPACES],
  ['S', ALL & ~SPACES],
]);
const ESCAPED: ReadonlyMap<string, string> = new Map([
  ['t', '\t'],
  ['n', '\n'],
  ['r', '\r'],
  ['f', '\f'],
  ['v', '\v'],
  ['a', '\u0007'],
]);
const EMPTY_ESCAPES = /[bBAzZ]/;

/** Without regard to case, as paths are matched. */
function eitherCase(chars: Characters): Characters {
  const shift = BigInt('a'.charCodeAt(0) - 'A'.charCodeAt(0));
  return chars | ((chars & range('A', 'Z')) << shift) | ((chars & range('a', 'z')) >> shift);
}

/** Of an expression that RE2 compiles. */
class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  whole(): Node {
    const parts = [this.#sequence()];
    while (this.#text[this.#at] === '|') {
      this.#at++;
      parts.push(this.#sequence());
    }
    return parts.length === 1 && parts[0] ? parts[0] : { type: 'choice', parts };
  }

  #sequence(): Node {
    const parts: Node[] = [];
    while (this.#at < this.#text.length && !/[|)]/.test(this.#text[this.#at] ?? '')) parts.push(this.#repeated());
    return { type: 'sequence', parts };
  }

  #repeated(): Node {
    let part = this.#atom();
    for (;;) {
      const [found, least, more, most] = /^(?:[*+?]|\{(\d+)(,(\d*))?\})/.exec(this.#text.slice(this.#at)) ?? [];
      if (found === undefined) return part;
      this.#at += found.length;
      if (this.#text[this.#at] === '?') this.#at++;
      const min = least === undefined ? Number(found === '+') : Number(least);
      const max =
        least === undefined ? (found === '?' ? 1 : Infinity) : more === undefined ? min : Number(most || Infinity);
      part = { type: 'repeated', part, min, max };
    }
  }

  #atom(): Node {
    const character = this.#text[this.#at++] ?? '';
    switch (character) {
      case '(': {
        if (this.#text.startsWith('?:', this.#at)) this.#at += 2;
        const inner = this.whole();
        this.#at++;
        return inner;
      }
      case '[':
        return { type: 'one', of: this.#class() };
      case '.':
        return { type: 'one', of: ALL };
      case '^':
        return PLACE;
      case '$':
        return END;
      case '\\': {
        const escaped = this.#text[this.#at++] ?? '';
        return EMPTY_ESCAPES.test(escaped) ? PLACE : { type: 'one', of: eitherCase(escapedSet(escaped)) };
      }
      default:
        return { type: 'one', of: eitherCase(single(character)) };
    }
  }

  #class(): Characters {
    const isNegated = this.#text[this.#at] === '^';
    if (isNegated) this.#at++;
    let chars = 0n;
    for (let isFirst = true; this.#at < this.#text.length; isFirst = false) {
      const character = this.#text[this.#at++] ?? '';
      if (character === ']' && !isFirst) break;
      const from = character === '\\' ? (this.#text[this.#at++] ?? '') : character;
      const isSet = character === '\\' && CLASSES.has(from);
      const [, to] = (isSet ? undefined : /^-(\\?[^\]])/.exec(this.#text.slice(this.#at))) ?? [];
      if (to === undefined) chars |= character === '\\' ? escapedSet(from) : single(from);
      else {
        this.#at += 1 + to.length;
        chars |= range(from, to.slice(-1));
      }
    }
    const found = eitherCase(chars);
    return isNegated ? ALL & ~found : found;
  }
}

const escapedSet = (escaped: string): Characters => CLASSES.get(escaped) ?? single(ESCAPED.get(escaped) ?? escaped);

interface Beginning {
  readonly chars: Characters;
  /** Whether it may be nothing at all. */
  readonly isEmpty: boolean;
}

function beginningOf(node: Node): Beginning {
  if (node.type === 'one') return { chars: node.of, isEmpty: false };
  if (node.type === 'repeated') {
    const { chars, isEmpty } = beginningOf(node.part);
    return { chars, isEmpty: isEmpty || node.min === 0 };
  }
  let chars = 0n;
  let isEmpty = node.type === 'sequence';
  for (const part of node.parts) {
    const one = beginningOf(part);
    chars |= one.chars;
    if (node.type === 'choice') isEmpty ||= one.isEmpty;
    else if (!one.isEmpty) return { chars, isEmpty: false };
  }
  return { chars, isEmpty };
}

type Ways = Pick<PatternCost, 'open' | 'ways'>;
const NONE: Ways = { open: 0, ways: 1 };

/** @param next the characters that may follow */
function costOf(node: Node, next: Characters): Ways {
  if (node.type === 'one') return NONE;
  if (node.type === 'repeated') return costOfRepetition(node, next);
  if (node.type === 'choice') return costOfChoice(node.parts, next);
  let total = NONE;
  let follow = next;
  for (const part of node.parts.toReversed()) {
    const { open, ways } = costOf(part, follow);
    total = { open: total.open + open, ways: total.ways * ways };
    const { chars, isEmpty } = beginningOf(part);
    follow = isEmpty ? follow | chars : chars;
  }
  return total;
}

function costOfChoice(parts: readonly Node[], next: Characters): Ways {
  const costs = parts.map((part) => costOf(part, next));
  let seen = 0n;
  let isTold = true;
  for (const part of parts) {
    const { chars, isEmpty } = beginningOf(part);
    const begins = isEmpty ? chars | next : chars;
    if ((seen & begins) !== 0n) isTold = false;
    seen |= begins;
  }
  const ways = costs.map((cost) => cost.ways);
  return {
    open: isTold ? Math.max(...costs.map(({ open }) => open)) : costs.reduce((sum, { open }) => sum + open, 0),
    ways: isTold ? Math.max(...ways) : ways.reduce((sum, one) => sum + one, 0),
  };
}

function costOfRepetition({ part, min, max }: Extract<Node, { readonly type: 'repeated' }>, next: Characters): Ways {
  const { chars, isEmpty } = beginningOf(part);
  const inner = costOf(part, max > 1 ? next | chars : next);
  // The next character says whether there is one more.
  const isTold = !isEmpty && (chars & next) === 0n;
  if (max === Infinity) return { open: inner.open + Number(!isTold), ways: inner.ways > 1 ? Infinity : 1 };
  const counts = isTold ? 1 : max - min + 1;
  return { open: inner.open * Math.max(1, max), ways: inner.ways ** max * counts };
}

function groupsOf(node: Node): number {
  if (node.type === 'one') return 0;
  if (node.type === 'repeated') return node.part.type === 'one' ? 0 : node.max * (1 + groupsOf(node.part));
  return node.parts.reduce((sum, part) => sum + groupsOf(part), 0);
}

/** The parts of a sequence, those of sequences in it included. */
const flat = (node: Node): readonly Node[] =>
  node.type === 'sequence' && node.parts.length > 0 ? node.parts.flatMap(flat) : [node];

const isUnbounded = (node: Node): boolean => node.type === 'repeated' && node.max === Infinity;

/** What repetitions without bound take. */
function* unboundedSets(node: Node): Generator<Characters> {
  if (node.type === 'one') return;
  if (node.type !== 'repeated') for (const part of node.parts) yield* unboundedSets(part);
  else if (isUnbounded(node)) yield beginningOf(node.part).chars;
  else yield* unboundedSets(node.part);
}

/** Characters one of which has to be there. */
function requiredSet(node: Node): Characters | undefined {
  if (node.type === 'one') return node.of;
  return node.type === 'repeated' && node.min > 0 ? requiredSet(node.part) : undefined;
}

/** Whether it takes all there is, where it takes much. */
function reachesEnd(node: Node): boolean {
  if (node.type === 'one') return true;
  if (node.type === 'repeated') return isUnbounded(node) ? beginningOf(node.part).chars === ALL : reachesEnd(node.part);
  if (node.type === 'choice') return node.parts.every(reachesEnd);
  return (
    node.parts.every((part, index) => index === node.parts.length - 1 || [...unboundedSets(part)].length === 0) &&
    node.parts.slice(-1).every(reachesEnd)
  );
}

/** Whether what comes after a part cannot fail, so that nothing is looked for anew. */
function cannotFail(part: Node, behind: readonly Node[]): boolean {
  if (behind.every((node) => node !== END && node !== PLACE && beginningOf(node).isEmpty))
    return part.type === 'repeated' && (part.min === 0 || part.part.type === 'one');
  return behind.every((node) => node === END) && reachesEnd(part);
}

/**
 * Behind a repetition that may end anywhere, another one without bound, which what has to be between them does not keep from looking at the same
 * text again: `.*a[^b]*c`, but not `.*a[0-9]*c`.
 */
function isQuadratic(node: Node, next: Characters, isWhole: boolean): boolean {
  if (node.type === 'one') return false;
  if (node.type === 'repeated') return isQuadratic(node.part, next, false);
  if (node.type === 'choice') return node.parts.some((part) => isQuadratic(part, next, isWhole));
  const parts = flat(node);
  if (parts.length === 1 && parts[0]) return parts[0] !== node && isQuadratic(parts[0], next, isWhole);
  if (parts.some((part) => isQuadratic(part, next, false))) return true;
  let fences: Characters[] | undefined;
  for (const [index, part] of parts.entries()) {
    const behind = parts.slice(index + 1);
    const isLast = isWhole && cannotFail(part, behind);
    for (const set of unboundedSets(part))
      if (fences && !isLast && !fences.some((fence) => (fence & set) === 0n)) return true;
    const required = requiredSet(part);
    if (required !== undefined) fences?.push(required);
    if (costOf(part, followOf(behind, next)).open > 0) fences = [];
  }
  return false;
}

function followOf(parts: readonly Node[], next: Characters): Characters {
  const { chars, isEmpty } = beginningOf({ type: 'sequence', parts });
  return isEmpty ? chars | next : chars;
}

/** @param pattern that RE2 compiles, without lookaround, backreferences and inline options; it is about the beginning of a text */
export function patternCost(pattern: string): PatternCost {
  const node = new Parser(pattern).whole();
  return { ...costOf(node, 0n), groups: groupsOf(node), isQuadratic: isQuadratic(node, 0n, true) };
}

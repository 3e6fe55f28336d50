/**
 * The JSON paths of CustomResourceDefinitions, in the syntax of kubectl: `.spec.replicas`, `.a['b'][0]`, `.items[*].name`, `..name`,
 * `.status.conditions[?(@.type=="Ready")].status`, `.list[1:3]`, `.list[0,2]`. https://kubernetes.io/docs/reference/kubectl/jsonpath/
 */
import { isJsonObject, own } from './own.ts';

type Scalar = string | number | boolean;

/** Items from `start` to before `end`; bounds below zero count from the end. */
interface Slice {
  readonly start: number;
  readonly end: number | undefined;
  readonly step: number;
  /** One item instead, that at `start`. */
  readonly single: boolean;
}

interface Filter {
  readonly left: readonly Step[];
  readonly operator: string;
  readonly right: readonly Step[];
}

/** A property, all items, everything below, some items, those that match, or a value that is written in the path. */
export type Step =
  | string
  | typeof ALL
  | typeof DESCENDANTS
  | { readonly slice: Slice }
  | { readonly filter: Filter }
  | { readonly union: readonly (readonly Step[])[] }
  | { readonly literal: Scalar }
  | { readonly unknown: string };
export const ALL = Symbol('all items');
const DESCENDANTS = Symbol('everything below');

/** Filters and unions within each other. */
const MAX_DEPTH = 8;
/** Values that a path visits in one object; one that visits more has none. */
const MAX_VISITS = 10_000;

const FIELD = /(?:\\[^]|[^\s.,[\]$@{}\\])*/y;
const WORD = /[\p{L}\p{Nd}_][^\s.,[\]$@{}]*/uy;
const NUMBER = /[+-]?[\d.]+/y;
const QUOTED = /"(?:\\[^\n]|[^"\\\n])*"|'(?:\\[^\n]|[^'\\\n])*'/y;
const BRACKET = /\[([^\]\n]*)\]/y;
const KEY = /^'([^']*)'$|^"([^"]*)"$/;
const SLICE = /^(-?\d*)(?:(:)(-?\d*))?(?::(-?\d*))?$/;
const COMPARISON = /^([^!<>=]+)([!<>=]+)([^]+)$/;

/** Returns undefined for what kubectl cannot parse. What follows a `}` is another template, of which columns show nothing. */
export function parseJsonPath(path: string): readonly Step[] | undefined {
  return new Parser(path, 0).parse();
}

class Parser {
  readonly #text: string;
  readonly #depth: number;
  #at = 0;

  constructor(text: string, depth: number) {
    this.#text = text;
    this.#depth = depth;
  }

  parse(): readonly Step[] | undefined {
    const steps: Step[] = [];
    if (this.#depth > MAX_DEPTH) return undefined;
    while (this.#at < this.#text.length && this.#text[this.#at] !== '}') {
      if (' @$'.includes(this.#text[this.#at] ?? '')) {
        this.#at++;
        continue;
      }
      const found = this.#next(steps.at(-1));
      if (!found) return undefined;
      for (const step of found) steps.push(step);
    }
    return steps.length > 0 ? steps : undefined;
  }

  /** Consumes a match at the current place. */
  #take(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match) this.#at += match[0].length;
    return match ?? undefined;
  }

  #next(last: Step | undefined): readonly Step[] | undefined {
    const text = this.#text;
    if (text.startsWith('..', this.#at)) {
      if (last === DESCENDANTS) return undefined;
      this.#at += 2;
      return /[\p{L}\p{Nd}_*]/u.test(text[this.#at] ?? '') ? [DESCENDANTS, this.#field()] : [DESCENDANTS];
    }
    if (text.startsWith('[?(', this.#at)) return this.#filter();
    const [first = ''] = text.slice(this.#at, this.#at + 1);
    if (first === '.') {
      this.#at++;
      return [this.#field()];
    }
    if (first === '[') return this.#bracket();
    const quoted = this.#take(QUOTED);
    if (quoted) return [{ literal: unquoted(quoted[0]) }];
    const number = this.#take(NUMBER);
    if (number) return Number.isNaN(Number(number[0])) ? undefined : [{ literal: Number(number[0]) }];
    const word = this.#take(WORD)?.[0];
    if (word === undefined) return undefined;
    return [word === 'true' || word === 'false' ? { literal: word === 'true' } : { unknown: word }];
  }

  #field(): Step {
    const name = this.#take(FIELD)?.[0] ?? '';
    return name === '*' ? ALL : name.replaceAll('\\', '');
  }

  #bracket(): readonly Step[] | undefined {
    const content = this.#take(BRACKET)?.[1];
    if (content === undefined) return undefined;
    if (content === '*') return [ALL];
    const [, single, double] = KEY.exec(content) ?? [];
    const key = single ?? double;
    if (key !== undefined) return [key];
    if (content.includes(',')) {
      const union: (readonly Step[])[] = [];
      for (const part of content.split(',')) {
        const steps = new Parser(`[${part.trim()}]`, this.#depth + 1).parse();
        if (!steps) return undefined;
        union.push(steps);
      }
      return [{ union }];
    }
    const slice = SLICE.exec(content);
    return slice ? [{ slice: sliceOf(slice) }] : undefined;
  }

  #filter(): readonly Step[] | undefined {
    this.#at += '[?('.length;
    const from = this.#at;
    for (;;) {
      if (this.#take(QUOTED)) continue;
      const character = this.#text[this.#at];
      if (character === undefined || character === '\n') return undefined;
      this.#at++;
      if (character === ')') break;
    }
    const content = this.#text.slice(from, this.#at - 1);
    if (this.#text[this.#at++] !== ']') return undefined;
    const parsed = (text: string): readonly Step[] | undefined => new Parser(text, this.#depth + 1).parse();
    const [, leftText = content, operator = 'exists', rightText] = COMPARISON.exec(content) ?? [];
    const left = parsed(leftText);
    const right = rightText === undefined ? [] : parsed(rightText);
    return left && right && [{ filter: { left, operator, right } }];
  }
}

const unquoted = (quoted: string): string => quoted.slice(1, -1).replaceAll(/\\([^])/g, '$1');

function sliceOf([, start = '', colon, end = '', step = '']: RegExpExecArray): Slice {
  const single = colon === undefined && step === '';
  return {
    start: Number(start),
    end: end === '' ? undefined : Number(end),
    step: step === '' ? 1 : Number(step),
    single,
  };
}

/** The values at a path, in order. */
export function valuesAt(object: unknown, steps: readonly Step[]): readonly unknown[] {
  const budget = { visits: MAX_VISITS };
  const found = follow([object], steps, budget);
  return budget.visits < 0 ? [] : found;
}

interface Budget {
  visits: number;
}

function follow(values: readonly unknown[], steps: readonly Step[], budget: Budget): readonly unknown[] {
  let found = values;
  for (const step of steps) {
    const before = found;
    if (typeof step === 'object' && 'literal' in step) found = [step.literal];
    else found = before.flatMap((value) => (budget.visits < 0 ? [] : next(value, step, budget)));
    budget.visits -= found.length;
  }
  return found;
}

const isPresent = (value: unknown): boolean => value !== undefined && value !== null;
const childrenOf = (value: unknown): readonly unknown[] =>
  Array.isArray(value) ? value : isJsonObject(value) ? Object.values(value) : [];

function next(value: unknown, step: Step, budget: Budget): readonly unknown[] {
  if (typeof step === 'string') return isJsonObject(value) ? [own(value, step)].filter(isPresent) : [];
  if (step === ALL) return childrenOf(value);
  if (step === DESCENDANTS) return descendants(value, budget);
  if ('union' in step) return step.union.flatMap((steps) => follow([value], steps, budget));
  if (!Array.isArray(value)) return [];
  if ('slice' in step) return sliced(value, step.slice);
  if ('filter' in step) return value.filter((item) => matches(item, step.filter, budget));
  return [];
}

/** A value with something in it, and all such values below. */
function descendants(value: unknown, budget: Budget): readonly unknown[] {
  const found: unknown[] = [];
  const visit = (at: unknown): void => {
    const children = childrenOf(at);
    budget.visits -= children.length;
    if (children.length === 0 || budget.visits < 0) return;
    found.push(at);
    children.forEach(visit);
  };
  visit(value);
  return found;
}

function sliced(list: readonly unknown[], { start, end = list.length, step, single }: Slice): readonly unknown[] {
  if (single) return [list.at(start)].filter(isPresent);
  const items = list.slice(start, end);
  return step > 0 ? items.filter((_, index) => index % step === 0) : [];
}

function matches(item: unknown, { left, operator, right }: Filter, budget: Budget): boolean {
  const found = follow([item], left, budget);
  if (operator === 'exists') return found.length > 0;
  const [one] = found;
  const [other] = follow([item], right, budget);
  if (one === undefined || other === undefined) return false;
  switch (operator) {
    case '==':
      return one === other;
    case '!=':
      return one !== other;
    default:
      return isOrdered(one, other, operator);
  }
}

function isOrdered(one: unknown, other: unknown, operator: string): boolean {
  const areNumbers = typeof one === 'number' && typeof other === 'number';
  const areTexts = typeof one === 'string' && typeof other === 'string';
  if (!areNumbers && !areTexts) return false;
  switch (operator) {
    case '<':
      return one < other;
    case '<=':
      return one <= other;
    case '>':
      return one > other;
    case '>=':
      return one >= other;
    default:
      return false;
  }
}

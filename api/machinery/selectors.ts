/** Label and field selectors: parsing, formatting, validation, matching. */
import { type FieldError, forbidden, invalid, required } from './field-error.ts';
import { validateLabelValue, validateQualifiedName } from './names.ts';
import { own } from './own.ts';
import type { LabelSelector } from '../types/meta/v1.gen.ts';

export type Labels = Readonly<Record<string, string>>;

export type Operator = 'exists' | '!' | 'in' | 'notin' | '=' | '!=' | 'gt' | 'lt';

export interface Requirement {
  readonly key: string;
  readonly operator: Operator;
  readonly values: readonly string[];
}

/** A conjunction of requirements; an empty one matches everything. */
export interface Selector {
  readonly requirements: readonly Requirement[];
  /** Whether it matches everything, so that callers can skip matching. */
  readonly empty: boolean;
  matches(labels: Labels | undefined): boolean;
}

/** The selector is malformed. The message is upstream's. */
export class SelectorError extends Error {
  override readonly name = 'SelectorError';
}

function test({ operator, values }: Requirement, value: string | undefined): boolean {
  switch (operator) {
    case 'exists':
      return value !== undefined;
    case '!':
      return value === undefined;
    case '=':
      return value === values[0];
    case '!=':
      return value !== values[0];
    case 'in':
      return value !== undefined && values.includes(value);
    case 'notin':
      return value === undefined || !values.includes(value);
    case 'gt':
    case 'lt': {
      if (value === undefined || !INTEGER.test(value)) return false;
      const bound = Number(values[0]);
      return operator === 'gt' ? Number(value) > bound : Number(value) < bound;
    }
  }
}

/** What all requirements for one key ask of its value, so that a label is looked at once, however many they are. */
class KeyTest {
  #allowed: ReadonlySet<string> | undefined;
  readonly #excluded = new Set<string>();
  #isRequired = false;
  #isForbidden = false;
  #above = -Infinity;
  #below = Infinity;

  /** Whether the label must be there. */
  get isRequired(): boolean {
    return this.#isRequired;
  }

  add({ operator, values }: Requirement): void {
    switch (operator) {
      case '!':
        this.#isForbidden = true;
        return;
      case '!=':
      case 'notin':
        for (const value of values) this.#excluded.add(value);
        return;
      case '=':
      case 'in': {
        const allowed = new Set(values);
        this.#allowed = this.#allowed?.intersection(allowed) ?? allowed;
        break;
      }
      case 'gt':
        this.#above = Math.max(this.#above, Number(values[0]));
        break;
      case 'lt':
        this.#below = Math.min(this.#below, Number(values[0]));
        break;
      case 'exists':
        break;
    }
    this.#isRequired = true;
  }

  isMet(value: string | undefined): boolean {
    if (value === undefined) return !this.#isRequired;
    if (this.#isForbidden || this.#excluded.has(value) || this.#allowed?.has(value) === false) return false;
    if (this.#above === -Infinity && this.#below === Infinity) return true;
    return INTEGER.test(value) && Number(value) > this.#above && Number(value) < this.#below;
  }
}

const INTEGER = /^-?\d+$/;

/** Requirements, and values of each, that are looked at one after the other. */
const FEW = 8;

/**
 * Of many requirements only those are looked at that are about labels which an object has. Clients choose the selectors that are
 * matched with all objects of a list and with every change of a watch, and a selector has room for 100,000 requirements.
 */
function indexed(requirements: readonly Requirement[]): Selector['matches'] {
  const tests = new Map<string, KeyTest>();
  for (const requirement of requirements) {
    const known = tests.get(requirement.key) ?? new KeyTest();
    known.add(requirement);
    tests.set(requirement.key, known);
  }
  let required = 0;
  for (const { isRequired } of tests.values()) if (isRequired) required++;
  return (labels = {}) => {
    let met = 0;
    for (const key in labels) {
      const asked = tests.get(key);
      if (!asked) continue;
      if (!asked.isMet(own(labels, key))) return false;
      if (asked.isRequired) met++;
    }
    return met === required;
  };
}

export function selectorOf(requirements: readonly Requirement[]): Selector {
  const isShort = requirements.length <= FEW && requirements.every(({ values }) => values.length <= FEW);
  const [only] = requirements;
  const plain: Selector['matches'] =
    only && requirements.length === 1
      ? (labels) => test(only, own(labels, only.key))
      : (labels) => requirements.every((requirement) => test(requirement, own(labels, requirement.key)));
  return { requirements, empty: requirements.length === 0, matches: isShort ? plain : indexed(requirements) };
}

export const everything: Selector = { requirements: [], empty: true, matches: () => true };
export const nothing: Selector = { requirements: [], empty: false, matches: () => false };

const TOKEN = /\s*(?:(!=|==|[=!<>(),])|([^\s!=<>(),]+))/y;

/** Splits a selector into tokens; the last is ''. */
function tokensOf(text: string): string[] {
  const tokens: string[] = [];
  const trimmed = text.trimEnd();
  let at = 0;
  while (at < trimmed.length) {
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(trimmed);
    if (!match) throw new SelectorError(`unable to parse requirement: invalid character in ${JSON.stringify(text)}`);
    tokens.push(match[1] ?? match[2] ?? '');
    at = TOKEN.lastIndex;
  }
  tokens.push('');
  return tokens;
}

const SIGNS = new Set(['', '!', '=', '==', '!=', '<', '>', '(', ')', ',']);

/** Parses requirements from tokens. */
class RequirementReader {
  readonly #tokens: readonly string[];
  #at = 0;

  constructor(text: string) {
    this.#tokens = tokensOf(text);
  }

  readAll(): Requirement[] {
    const requirements: Requirement[] = [];
    if (this.#peek() === '') return requirements;
    for (;;) {
      requirements.push(this.#requirement());
      const token = this.#next();
      if (token === '') return requirements;
      if (token !== ',') this.#fail(token, "',' or 'end of string'");
      if (this.#peek() === '') this.#fail('', "identifier after ','");
    }
  }

  #peek(): string {
    return this.#tokens[this.#at] ?? '';
  }

  #next(): string {
    return this.#tokens[this.#at++] ?? '';
  }

  #fail(found: string, expected: string): never {
    throw new SelectorError(`unable to parse requirement: found '${found}', expected: ${expected}`);
  }

  #word(): string {
    const token = this.#next();
    if (SIGNS.has(token)) this.#fail(token, 'identifier');
    return token;
  }

  #requirement(): Requirement {
    if (this.#peek() === '!') {
      this.#next();
      return checked({ key: this.#word(), operator: '!', values: [] });
    }
    const key = this.#word();
    const token = this.#peek();
    if (token === '' || token === ',') return checked({ key, operator: 'exists', values: [] });
    this.#next();
    switch (token) {
      case '=':
      case '==':
        return checked({ key, operator: '=', values: [this.#value()] });
      case '!=':
        return checked({ key, operator: '!=', values: [this.#value()] });
      case '>':
        return checked({ key, operator: 'gt', values: [this.#value()] });
      case '<':
        return checked({ key, operator: 'lt', values: [this.#value()] });
      case 'in':
      case 'notin':
        return checked({ key, operator: token, values: this.#values() });
      default:
        return this.#fail(token, 'in, notin, =, ==, !=, gt, lt');
    }
  }

  /** A value may be empty. */
  #value(): string {
    const token = this.#peek();
    return token === '' || token === ',' ? '' : this.#word();
  }

  #values(): string[] {
    if (this.#next() !== '(') this.#fail(this.#tokens[this.#at - 1] ?? '', "'('");
    const values: string[] = [];
    for (;;) {
      const token = this.#peek();
      values.push(token === ',' || token === ')' ? '' : this.#word());
      const end = this.#next();
      if (end === ')') return [...new Set(values)].sort();
      if (end !== ',') this.#fail(end, "',' or ')'");
    }
  }
}

function checked(requirement: Requirement): Requirement {
  const { key, operator, values } = requirement;
  const [badKey] = validateQualifiedName(key);
  if (badKey)
    throw new SelectorError(`unable to parse requirement: key: Invalid value: ${JSON.stringify(key)}: ${badKey}`);
  if ((operator === 'gt' || operator === 'lt') && !/^-?\d+$/.test(values[0] ?? '')) {
    throw new SelectorError(
      `unable to parse requirement: values[0]: Invalid value: ${JSON.stringify(values[0])}: for 'Gt', 'Lt' operators, the value must be an integer`,
    );
  }
  for (const [index, value] of values.entries()) {
    const [badValue] = validateLabelValue(value);
    if (badValue) {
      throw new SelectorError(
        `unable to parse requirement: values[${index}][${key}]: Invalid value: ${JSON.stringify(value)}: ${badValue}`,
      );
    }
  }
  return requirement;
}

/** Parses `a=b,c in (d,e),!f`. Throws SelectorError. */
export function parseLabelSelector(text: string): Selector {
  const requirements = new RequirementReader(text).readAll();
  return requirements.length ? selectorOf(requirements) : everything;
}

const OPERATORS: ReadonlyMap<string, Operator> = new Map([
  ['In', 'in'],
  ['NotIn', 'notin'],
  ['Exists', 'exists'],
  ['DoesNotExist', '!'],
]);

/** Converts a `LabelSelector`: undefined matches nothing, an empty one everything. Throws SelectorError. */
export function selectorFrom(selector: LabelSelector | undefined): Selector {
  if (!selector) return nothing;
  const requirements: Requirement[] = Object.entries(selector.matchLabels ?? {}).map(([key, value]) => ({
    key,
    operator: '=',
    values: [value],
  }));
  for (const { key, operator, values } of selector.matchExpressions ?? []) {
    const known = OPERATORS.get(operator);
    if (!known) throw new SelectorError(`${JSON.stringify(operator)} is not a valid label selector operator`);
    requirements.push({ key, operator: known, values: [...(values ?? [])].sort() });
  }
  return requirements.length ? selectorOf(requirements) : everything;
}

/** Formats a selector, with the requirements sorted by key. */
export function formatSelector({ requirements }: Selector): string {
  return [...requirements]
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map(({ key, operator, values }) => {
      switch (operator) {
        case 'exists':
          return key;
        case '!':
          return `!${key}`;
        case 'in':
        case 'notin':
          return `${key} ${operator} (${values.join(',')})`;
        case 'gt':
          return `${key}>${values[0]}`;
        case 'lt':
          return `${key}<${values[0]}`;
        default:
          return `${key}${operator}${values[0]}`;
      }
    })
    .join(',');
}

/** Labels as tables show them: sorted, `<none>` for none. */
export const formatLabels = (labels: Labels | undefined): string =>
  Object.entries(labels ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .sort()
    .join(',') || '<none>';

/** Validates a `LabelSelector` object. */
export function validateLabelSelector(selector: LabelSelector, path: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) {
    for (const error of validateQualifiedName(key)) errors.push(invalid(`${path}.matchLabels`, key, error));
    for (const error of validateLabelValue(value)) errors.push(invalid(`${path}.matchLabels`, value, error));
  }
  for (const [index, { key, operator, values = [] }] of (selector.matchExpressions ?? []).entries()) {
    const at = `${path}.matchExpressions[${index}]`;
    switch (operator) {
      case 'In':
      case 'NotIn':
        if (!values.length)
          errors.push(required(`${at}.values`, "must be specified when `operator` is 'In' or 'NotIn'"));
        break;
      case 'Exists':
      case 'DoesNotExist':
        if (values.length) {
          errors.push(forbidden(`${at}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
        }
        break;
      default:
        errors.push(invalid(`${at}.operator`, operator, 'not a valid selector operator'));
    }
    for (const error of validateQualifiedName(key)) errors.push(invalid(`${at}.key`, key, error));
    for (const [place, value] of values.entries()) {
      for (const error of validateLabelValue(value)) errors.push(invalid(`${at}.values[${place}]`, value, error));
    }
  }
  return errors;
}

export interface FieldRequirement {
  readonly field: string;
  readonly equal: boolean;
  readonly value: string;
}

/** The only value that the field may have; undefined when there are several. */
export const requiredValue = (requirements: readonly FieldRequirement[], field: string): string | undefined =>
  requirements.find((requirement) => requirement.equal && requirement.field === field)?.value;

/** By field, whether its value meets all requirements: as long as there are fields, however many requirements there are. */
export function fieldTests(requirements: readonly FieldRequirement[]): ReadonlyMap<string, (value: string) => boolean> {
  const tests = new Map<string, KeyTest>();
  for (const { field, equal, value } of requirements) {
    const known = tests.get(field) ?? new KeyTest();
    known.add({ key: field, operator: equal ? '=' : '!=', values: [value] });
    tests.set(field, known);
  }
  return new Map([...tests].map(([field, asked]) => [field, (value: string) => asked.isMet(value)]));
}

/** Splits at commas that are not escaped by a backslash. */
function splitTerms(text: string): string[] {
  const terms: string[] = [];
  let start = 0;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === ',') {
      terms.push(text.slice(start, at));
      start = at + 1;
    }
  }
  terms.push(text.slice(start));
  return terms;
}

/** Parses `a=b,c!=d`; in values, `\` escapes commas, equals signs and itself. Throws SelectorError. */
export function parseFieldSelector(text: string): FieldRequirement[] {
  const requirements: FieldRequirement[] = [];
  for (const term of splitTerms(text)) {
    if (term === '') continue;
    const match = /^([^=!\\]*)(!=|==|=)((?:[^=\\]|\\.)*)$/s.exec(term);
    if (!match) throw new SelectorError(`invalid selector: '${text}'; can't understand '${term}'`);
    const value = (match[3] ?? '').replace(/\\(.)/gs, (_, escaped: string) => {
      if (escaped !== ',' && escaped !== '=' && escaped !== '\\') {
        throw new SelectorError(`invalid field selector: invalid escape sequence: \\${escaped}`);
      }
      return escaped;
    });
    requirements.push({ field: match[1] ?? '', equal: match[2] !== '!=', value });
  }
  return requirements;
}

/**
 * The simple JSON paths of CustomResourceDefinitions: `.spec.replicas`, `.status.conditions[?(@.type=="Ready")].status`, `.a['b'][0]`,
 * `.items[*].name`. https://kubernetes.io/docs/reference/kubectl/jsonpath/
 */
import { isJsonObject, own } from './own.ts';

interface Filter {
  readonly path: readonly string[];
  readonly operator: '==' | '!=';
  readonly value: string | number | boolean;
}

/** A property, an index, all items, or the items that match. */
export type Step = string | number | typeof ALL | Filter;
export const ALL = Symbol('all items');

const TOKEN =
  /\.([A-Za-z0-9_$-]+|\*)|\['([^']*)'\]|\["([^"]*)"\]|\[(-?\d+)\]|\[(\*)\]|\[\?\(@((?:\.[A-Za-z0-9_$-]+)+)\s*(==|!=)\s*("[^"]*"|'[^']*'|-?\d+(?:\.\d+)?|true|false)\)\]/y;

/** Returns undefined for a path that is none of these. Escaped dots (`\.`) belong to the name. */
export function parseJsonPath(path: string): readonly Step[] | undefined {
  const text = path.replaceAll(/\\\./g, '\0');
  const steps: Step[] = [];
  TOKEN.lastIndex = 0;
  const named = /\.((?:[^.[\]\s])+)/y;
  for (let at = 0; at < text.length;) {
    TOKEN.lastIndex = at;
    named.lastIndex = at;
    const token = TOKEN.exec(text);
    const rest = named.exec(text);
    if (token && (!rest || token[0].length >= rest[0].length)) {
      steps.push(stepOf(token));
      at += token[0].length;
    } else if (rest?.[1]?.includes('\0')) {
      steps.push(rest[1].replaceAll('\0', '.'));
      at += rest[0].length;
    } else {
      return undefined;
    }
  }
  return steps.length > 0 ? steps : undefined;
}

function stepOf([, name, quoted, doubled, index, all, filtered, operator, value]: RegExpExecArray): Step {
  if (name === '*' || all) return ALL;
  if (index !== undefined) return Number(index);
  if (filtered !== undefined)
    return {
      path: filtered.slice(1).split('.'),
      operator: operator === '!=' ? '!=' : '==',
      value: literal(value ?? ''),
    };
  return name ?? quoted ?? doubled ?? '';
}

function literal(text: string): string | number | boolean {
  if (text === 'true' || text === 'false') return text === 'true';
  return /^["']/.test(text) ? text.slice(1, -1) : Number(text);
}

/** The values at a path, in order. */
export function valuesAt(object: unknown, steps: readonly Step[]): unknown[] {
  let found: unknown[] = [object];
  for (const step of steps) found = found.flatMap((value) => next(value, step));
  return found;
}

function next(value: unknown, step: Step): unknown[] {
  const present = (entry: unknown): unknown[] => (entry === undefined || entry === null ? [] : [entry]);
  if (typeof step === 'string') return isJsonObject(value) ? present(own(value, step)) : [];
  if (typeof step === 'number') return Array.isArray(value) ? present(value.at(step)) : [];
  const items: unknown[] = Array.isArray(value)
    ? value
    : step === ALL && isJsonObject(value)
      ? Object.values(value)
      : [];
  return step === ALL ? items : items.filter((item) => matches(item, step));
}

function matches(item: unknown, { path, operator, value }: Filter): boolean {
  let at: unknown = item;
  for (const name of path) at = isJsonObject(at) ? own(at, name) : undefined;
  return operator === '==' ? at === value : at !== undefined && at !== value;
}

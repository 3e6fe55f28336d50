/** What an expression may refer to: variables, functions, and types by their names. */
import type { Meter } from './meter.ts';
import {
  BOOL,
  BYTES,
  type CelType,
  DOUBLE,
  DURATION,
  DYN,
  INT,
  listOf,
  mapOf,
  NULL,
  optionalOf,
  STRING,
  TIMESTAMP,
  typeOf,
  typeParam,
  UINT,
} from './types.ts';
import type { CelValue } from './values.ts';

/** An overload of a function. `call` gets arguments of its types, none of them an error; the receiver is the first. */
export interface Overload {
  readonly name: string;
  /** The whole signature: what tells overloads of one function apart. */
  readonly id: string;
  readonly isMember: boolean;
  readonly args: readonly CelType[];
  readonly result: CelType;
  readonly call: (args: readonly CelValue[], meter: Meter) => CelValue;
}

/** Resolves the names of types that signatures and expressions use; undefined for a name that is none. */
export type TypeNames = (name: string) => CelType | undefined;

export interface Declarations {
  /** Variables and their types. Names with dots are those of namespaces: `variables.x`. */
  readonly variables?: Readonly<Record<string, CelType>>;
  readonly functions?: readonly Overload[];
  /** Whether expressions may name values: `cel.bind(name, value, expression)`. */
  readonly bindings?: boolean;
  /** Types that expressions may name, and structs that they may make: `Object{...}`. */
  readonly types?: TypeNames;
}

const STANDARD_TYPES: ReadonlyMap<string, CelType> = new Map([
  ...[BOOL, BYTES, DOUBLE, DURATION, DYN, INT, NULL, STRING, TIMESTAMP, UINT].map((type) => [type.name, type] as const),
  ['list', listOf(DYN)],
  ['map', mapOf(DYN, DYN)],
  ['type', typeOf(DYN)],
  ['optional_type', optionalOf(DYN)],
]);

/** Immutable: `extend` makes an environment that has more. */
export class Environment {
  readonly #variables: ReadonlyMap<string, CelType>;
  readonly #functions: ReadonlyMap<string, readonly Overload[]>;
  readonly #types: readonly TypeNames[];
  readonly hasBindings: boolean;

  private constructor(
    variables: ReadonlyMap<string, CelType>,
    functions: ReadonlyMap<string, readonly Overload[]>,
    types: readonly TypeNames[],
    hasBindings = false,
  ) {
    this.#variables = variables;
    this.#functions = functions;
    this.#types = types;
    this.hasBindings = hasBindings;
  }

  static readonly empty = new Environment(new Map(), new Map(), [(name) => STANDARD_TYPES.get(name)]);

  extend({ variables = {}, functions = [], types, bindings = this.hasBindings }: Declarations): Environment {
    const overloads = new Map(this.#functions);
    for (const overload of functions) overloads.set(overload.name, [...(overloads.get(overload.name) ?? []), overload]);
    return new Environment(
      new Map([...this.#variables, ...Object.entries(variables)]),
      functions.length > 0 ? overloads : this.#functions,
      types ? [...this.#types, types] : this.#types,
      bindings,
    );
  }

  variable(name: string): CelType | undefined {
    return this.#variables.get(name);
  }

  overloads(name: string): readonly Overload[] | undefined {
    return this.#functions.get(name);
  }

  /** The type of a name: `int`, `google.protobuf.Timestamp`. */
  typeNamed(name: string): CelType | undefined {
    for (const types of this.#types) {
      const type = types(name);
      if (type) return type;
    }
    return undefined;
  }
}

const SHORT: ReadonlyMap<string, CelType> = new Map([
  ...STANDARD_TYPES,
  ['duration', DURATION],
  ['timestamp', TIMESTAMP],
  ['null', NULL],
]);

/** Splits at commas outside of parentheses. */
function splitTypes(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let at = 0; at <= text.length; at++) {
    const character = text[at];
    if (character === '(') depth += 1;
    if (character === ')') depth -= 1;
    if (depth > 0 || (character !== ',' && at < text.length)) continue;
    const part = text.slice(start, at).trim();
    if (part) parts.push(part);
    start = at + 1;
  }
  return parts;
}

function parseType(text: string, types: TypeNames): CelType {
  if (/^[A-Z]$/.test(text)) return typeParam(text);
  const open = text.indexOf('(');
  if (open < 0) {
    const type = SHORT.get(text) ?? types(text);
    if (!type) throw new Error(`a signature names the unknown type ${text}`);
    return type;
  }
  const name = text.slice(0, open);
  const [first = DYN, second = DYN] = splitTypes(text.slice(open + 1, -1)).map((part) => parseType(part, types));
  if (name === 'list') return listOf(first);
  if (name === 'map') return mapOf(first, second);
  return name === 'type' ? typeOf(first) : optionalOf(first);
}

/**
 * Declares an overload by its signature: `size(string): int`, or with a receiver, before which there is a colon:
 * `string:charAt(int): string`. Capital letters are type parameters.
 */
export function overload(signature: string, call: Overload['call'], types: TypeNames = () => undefined): Overload {
  const found = /^(?:([A-Za-z][^:]*):)?([^()]+)\((.*)\): (.+)$/.exec(signature);
  if (!found) throw new Error(`malformed signature: ${signature}`);
  const [, receiver, name = '', args = '', result = ''] = found;
  const names = [...(receiver === undefined ? [] : [receiver]), ...splitTypes(args)];
  return {
    name,
    id: signature,
    isMember: receiver !== undefined,
    args: names.map((text) => parseType(text, types)),
    result: parseType(result, types),
    call,
  };
}

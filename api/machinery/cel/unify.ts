/** Type parameters and what they stand for: https://github.com/google/cel-spec/blob/master/doc/langdef.md#gradual-type-checking */
import {
  type CelType,
  DYN,
  isDyn,
  isDynOrError,
  isSameType,
  TypeTooLargeError,
  typeParam,
  withParams,
} from './types.ts';

const NULLABLE: ReadonlySet<string> = new Set(['opaque', 'struct', 'duration', 'timestamp']);

/** Whether a type is the same as another, or less specific. */
function isEqualOrLessSpecific(left: CelType, right: CelType): boolean {
  if (isDyn(left) || left.kind === 'param') return true;
  if (isDyn(right) || right.kind === 'param' || left.kind !== right.kind) return false;
  if (left.kind === 'type') return true;
  if (left.kind === 'opaque' || left.kind === 'list' || left.kind === 'map')
    return (
      left.name === right.name &&
      left.params.length === right.params.length &&
      left.params.every((param, index) => isEqualOrLessSpecific(param, right.params[index] ?? DYN))
    );
  return isSameType(left, right);
}

/** The more general one of two types that fit together. */
export const mostGeneral = (left: CelType, right: CelType): CelType =>
  isEqualOrLessSpecific(left, right) ? left : right;

/** Comparisons of types for one of their pairs: parameters that stand for types with parameters may lead to many more than either has. */
const MAX_COMPARISONS = 100_000;

/** What type parameters stand for so far. What an attempt that fails has set is taken back. */
export class Substitutions {
  readonly #known = new Map<string, CelType>();
  readonly #undo: (readonly [string, CelType | undefined])[] = [];
  #count = 0;
  #comparisons = 0;

  /** A type parameter that nothing else uses. */
  fresh(): CelType {
    this.#count += 1;
    return typeParam(`_var${this.#count}`);
  }

  /** Whether every type of the first list fits the one in the second; if so, parameters are bound. Throws TypeTooLargeError. */
  areAssignable(left: readonly CelType[], right: readonly CelType[]): boolean {
    this.#undo.length = 0;
    this.#comparisons = 0;
    if (this.#areAssignable(left, right)) return true;
    for (let last = this.#undo.pop(); last; last = this.#undo.pop()) {
      const [name, before] = last;
      if (before) this.#known.set(name, before);
      else this.#known.delete(name);
    }
    return false;
  }

  isAssignable(left: CelType, right: CelType): boolean {
    return this.areAssignable([left], [right]);
  }

  /** Replaces bound parameters; with `toDyn`, others by dyn. Throws TypeTooLargeError. */
  substitute(type: CelType, toDyn = false): CelType {
    if (type.kind === 'param') {
      const known = this.#known.get(type.name);
      if (known) return this.substitute(known, toDyn);
      return toDyn ? DYN : type;
    }
    if (type.params.length === 0) return type;
    const params = type.params.map((param) => this.substitute(param, toDyn));
    return params.every((param, index) => param === type.params[index]) ? type : withParams(type, params);
  }

  #bind(param: CelType, type: CelType): void {
    this.#undo.push([param.name, this.#known.get(param.name)]);
    this.#known.set(param.name, type);
  }

  #areAssignable(left: readonly CelType[], right: readonly CelType[]): boolean {
    return left.length === right.length && left.every((type, index) => this.#isAssignable(type, right[index] ?? DYN));
  }

  #compare(): void {
    if (++this.#comparisons > MAX_COMPARISONS) throw new TypeTooLargeError();
  }

  #isAssignable(left: CelType, right: CelType): boolean {
    this.#compare();
    if (right.kind === 'param') {
      const found = this.#isSubstitution(left, right);
      if (found !== 'none') return found === 'valid';
    }
    if (left.kind === 'param') return this.#isSubstitution(right, left) === 'valid';
    if (isDynOrError(left) || isDynOrError(right)) return true;
    if (left.kind === 'null') return right.kind === 'null' || NULLABLE.has(right.kind);
    if (right.kind === 'null') return NULLABLE.has(left.kind);
    if (left.kind !== right.kind) return false;
    if (left.kind === 'type') return true;
    return left.name === right.name && this.#areAssignable(left.params, right.params);
  }

  /** Whether a parameter may stand for a type; `none` when it cannot, but stands for nothing else either. */
  #isSubstitution(type: CelType, param: CelType): 'invalid' | 'none' | 'valid' {
    if (isSameType(type, param)) return 'valid';
    const known = this.#known.get(param.name);
    if (known) {
      if (isSameType(type, known)) return 'valid';
      if (!this.#isAssignable(type, known)) return 'invalid';
      const general = mostGeneral(type, known);
      if (!this.#occurs(param, general)) this.#bind(param, general);
      return 'valid';
    }
    if (this.#occurs(param, type)) return 'none';
    this.#bind(param, type);
    return 'valid';
  }

  #occurs(param: CelType, within: CelType): boolean {
    this.#compare();
    if (within.kind !== 'param') return within.params.some((type) => this.#occurs(param, type));
    if (within.name === param.name) return true;
    const known = this.#known.get(within.name);
    return known !== undefined && this.#occurs(param, known);
  }
}

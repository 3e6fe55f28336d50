/** Optional values: https://pkg.go.dev/github.com/google/cel-go/cel#OptionalTypes */
import { ValueList } from '../collections.ts';
import { overload, type Overload } from '../environment.ts';
import type { Meter } from '../meter.ts';
import { sizeOfMap } from '../operations.ts';
import { CelList, CelMap, type CelValue, Duration, Failure, Optional, Timestamp, Uint } from '../values.ts';

/** The zero of Go's times: the beginning of the year 1. */
const ZERO_TIME = -62_135_596_800_000_000_000n;

/** Whether a value is the zero of its type: what `ofNonZeroValue` takes for absent. */
function isZero(value: CelValue, meter: Meter): boolean {
  if (value instanceof CelMap) return sizeOfMap(value, meter) === 0;
  if (value instanceof CelList) return value.size === 0;
  if (value instanceof Uint) return value.value === 0n;
  if (value instanceof Duration) return value.nanos === 0n;
  if (value instanceof Timestamp) return value.nanos === ZERO_TIME;
  if (value instanceof Uint8Array) return value.length === 0;
  return value === null || value === false || value === '' || value === 0n || value === 0;
}

export const optionalLibrary = (): Overload[] => [
  overload('optional.of(A): optional(A)', ([value = null]) => new Optional(value)),
  overload('optional.none(): optional(A)', () => Optional.none),
  overload('optional.ofNonZeroValue(A): optional(A)', ([value = null], meter) =>
    isZero(value, meter) ? Optional.none : new Optional(value),
  ),
  overload('optional(A):hasValue(): bool', ([value]) => (value as Optional).value !== undefined),
  overload(
    'optional(A):value(): A',
    ([value]) => (value as Optional).value ?? new Failure('optional.none() dereference'),
  ),
  // Evaluated by the interpreter: the argument only when it is needed, and accesses as the ones without an optional.
  overload('optional(A):or(optional(A)): optional(A)', ([value = null]) => value),
  overload('optional(A):orValue(A): A', ([value = null]) => value),
  overload('_[?_](list(A), int): optional(A)', () => null),
  overload('_[?_](optional(list(A)), int): optional(A)', () => null),
  overload('_[?_](map(A, B), A): optional(B)', () => null),
  overload('_[?_](optional(map(A, B)), A): optional(B)', () => null),
  overload('_[_](optional(list(A)), int): optional(A)', () => null),
  overload('_[_](optional(map(A, B)), A): optional(B)', () => null),
  overload('optional.unwrap(list(optional(A))): list(A)', ([list]) => unwrap(list as CelList)),
  overload('list(optional(A)):unwrapOpt(): list(A)', ([list]) => unwrap(list as CelList)),
];

function unwrap(list: CelList): CelValue {
  const values: CelValue[] = [];
  for (const item of list) if (item instanceof Optional && item.value !== undefined) values.push(item.value);
  return new ValueList(values);
}

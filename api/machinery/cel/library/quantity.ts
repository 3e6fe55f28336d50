/** Quantities: https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-quantity-library */
import { formatQuantity, NANO, parseQuantity, type Quantity, QuantityError } from '../../quantity.ts';
import { overload as declare, type Overload } from '../environment.ts';
import { type CelValue, Extension, Failure } from '../values.ts';
import { kubernetesTypes, QUANTITY } from './kubernetes-types.ts';

const MAX_INT = 2n ** 63n - 1n;

export class QuantityValue extends Extension {
  readonly celType = QUANTITY;
  readonly quantity: Quantity;
  constructor(quantity: Quantity) {
    super();
    this.quantity = quantity;
  }
  equals(other: Extension): boolean {
    return other instanceof QuantityValue && this.quantity.nano === other.quantity.nano;
  }
  toPlain(): string {
    return formatQuantity(this.quantity);
  }
}

function quantity(text: CelValue | undefined): CelValue {
  try {
    return new QuantityValue(parseQuantity(text as string));
  } catch (error) {
    if (!(error instanceof QuantityError)) throw error;
    return new Failure(error.message);
  }
}

const overload = (signature: string, call: Overload['call']): Overload => declare(signature, call, kubernetesTypes);
const nano = (value: CelValue | undefined): bigint => (value as QuantityValue).quantity.nano;

function integer(value: CelValue | undefined): bigint | undefined {
  const amount = nano(value);
  const whole = amount / NANO;
  return amount % NANO === 0n && whole <= MAX_INT && whole >= -MAX_INT - 1n ? whole : undefined;
}

const order = (left: CelValue | undefined, right: CelValue | undefined): bigint =>
  nano(left) < nano(right) ? -1n : nano(left) > nano(right) ? 1n : 0n;

const sum = (left: CelValue | undefined, added: bigint): CelValue =>
  new QuantityValue({ ...(left as QuantityValue).quantity, nano: nano(left) + added });

export const quantityLibrary = (): Overload[] => [
  overload('quantity(string): kubernetes.Quantity', ([text]) => quantity(text)),
  overload('isQuantity(string): bool', ([text]) => quantity(text) instanceof QuantityValue),
  overload('sign(kubernetes.Quantity): int', ([value]) => (nano(value) > 0n ? 1n : nano(value) < 0n ? -1n : 0n)),
  overload('kubernetes.Quantity:isInteger(): bool', ([value]) => integer(value) !== undefined),
  overload(
    'kubernetes.Quantity:asInteger(): int',
    ([value]) => integer(value) ?? new Failure('cannot convert value to integer'),
  ),
  overload('kubernetes.Quantity:asApproximateFloat(): double', ([value]) => Number(nano(value)) / Number(NANO)),
  overload('kubernetes.Quantity:isGreaterThan(kubernetes.Quantity): bool', ([left, right]) => order(left, right) > 0n),
  overload('kubernetes.Quantity:isLessThan(kubernetes.Quantity): bool', ([left, right]) => order(left, right) < 0n),
  overload('kubernetes.Quantity:compareTo(kubernetes.Quantity): int', ([left, right]) => order(left, right)),
  overload('kubernetes.Quantity:add(kubernetes.Quantity): kubernetes.Quantity', ([left, right]) =>
    sum(left, nano(right)),
  ),
  overload('kubernetes.Quantity:add(int): kubernetes.Quantity', ([left, right]) => sum(left, (right as bigint) * NANO)),
  overload('kubernetes.Quantity:sub(kubernetes.Quantity): kubernetes.Quantity', ([left, right]) =>
    sum(left, -nano(right)),
  ),
  overload('kubernetes.Quantity:sub(int): kubernetes.Quantity', ([left, right]) =>
    sum(left, -(right as bigint) * NANO),
  ),
];

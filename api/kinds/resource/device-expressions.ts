/** The expressions that select devices: upstream's `dynamic-resource-allocation/cel`. */
import { type CelType, ANY, BOOL, isSameType, mapOf, printType, STRING, struct } from '../../machinery/cel/types.ts';
import type { DeclType } from '../../machinery/cel/decl-type.ts';
import type { Environment } from '../../machinery/cel/environment.ts';
import { CelCompileError } from '../../machinery/cel/errors.ts';
import { estimateCost } from '../../machinery/cel/estimate.ts';
import { baseEnvironment } from '../../machinery/cel/library/base.ts';
import { QUANTITY } from '../../machinery/cel/library/kubernetes-types.ts';
import { compile, type Program } from '../../machinery/cel/program.ts';
import { type FieldError, forbidden, invalid } from '../../machinery/field-error.ts';

/** In the units of upstream's cost limits, for one device: the scheduler evaluates an expression for many. */
export const MAX_COST = 1_000_000;
/** Of one object, in bytes: whoever may create claims could keep the server busy with compiling. */
const MAX_TOTAL = 64 * 1024;
const MAX_DOMAIN = 63;
const MAX_ID = 32;
const MAX_DRIVER_NAME = 63;
const MAX_ATTRIBUTE_VALUE = 64;
/** Attributes and capacities of one device. */
const MAX_ENTRIES = 32;

const scalar = (type: CelType, maxElements: number): DeclType => ({ type, maxElements, minSize: 0 });
const mapType = (maxKey: number, values: DeclType, anyField?: DeclType): DeclType => ({
  type: mapOf(STRING, values.type),
  maxElements: MAX_ENTRIES,
  minSize: 0,
  keys: scalar(STRING, maxKey),
  items: values,
  ...(anyField && { anyField }),
});
/** Of the entries of a device, by their domains and then by their names. */
const byDomain = (values: DeclType, anyField?: DeclType): DeclType =>
  mapType(MAX_DOMAIN, mapType(MAX_ID, values, anyField));

// An attribute is a bool, an int, a string or a version.
const attribute = scalar(ANY, MAX_ATTRIBUTE_VALUE);
const FIELDS: ReadonlyMap<string, DeclType> = new Map([
  ['driver', scalar(STRING, MAX_DRIVER_NAME)],
  ['allowMultipleAllocations', scalar(BOOL, 1)],
  ['attributes', byDomain(attribute, attribute)],
  ['capacity', byDomain(scalar(QUANTITY, 0))],
]);

const DEVICE: DeclType = {
  type: struct('kubernetes.DRADevice', (name) => FIELDS.get(name)?.type),
  maxElements: 0,
  minSize: 0,
  fields: FIELDS,
};

let environment: Environment | undefined;

/** Made at the first use: most servers have no expression. */
const deviceEnvironment = (): Environment =>
  (environment ??= baseEnvironment().extend({ variables: { device: DEVICE.type }, bindings: true }));

/** Validates the expressions of one object: each is compiled once, type checked, and its cost is bounded. */
export class DeviceExpressions {
  readonly #problems = new Map<string, ProblemAt | undefined>();
  #remaining = MAX_TOTAL;

  /** @param path of the expression */
  validate(expression: string, path: string, errors: FieldError[]): void {
    if (!this.#problems.has(expression)) {
      this.#remaining -= Buffer.byteLength(expression);
      if (this.#remaining < 0) {
        errors.push(forbidden(path, `the expressions of an object may have at most ${MAX_TOTAL} bytes in total`));
        return;
      }
      this.#problems.set(expression, problemOf(expression));
    }
    const problem = this.#problems.get(expression)?.(path);
    if (problem) errors.push(problem);
  }
}

type ProblemAt = (path: string) => FieldError;

function problemOf(expression: string): ProblemAt | undefined {
  const compiled = compiledOrWhy(expression);
  if (typeof compiled === 'string') return (path) => invalid(path, expression, compiled);
  const { type, tree } = compiled;
  if (!isSameType(type, BOOL) && !isSameType(type, ANY)) {
    const why = `must evaluate to bool or the unknown type, not ${printType(type)}`;
    return (path) => invalid(path, expression, why);
  }
  if (estimateCost(tree, DEVICE, 'device').max <= MAX_COST) return undefined;
  return (path) => forbidden(path, 'too complex, exceeds cost limit');
}

/** Why an expression cannot be evaluated, or the program. */
export function compiledOrWhy(expression: string): Program | string {
  try {
    return compile(expression, deviceEnvironment());
  } catch (error) {
    if (!(error instanceof CelCompileError)) throw error;
    const what = error.stage === 'compilation' ? 'compilation' : 'program instantiation';
    return `${what} failed: ${error.message}`;
  }
}

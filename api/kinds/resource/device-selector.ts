/** Whether a device matches the expression of a selector: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/resource-claim-v1/ */
import { CelRuntimeError } from '../../machinery/cel/errors.ts';
import { QuantityValue } from '../../machinery/cel/library/quantity.ts';
import { semverOf } from '../../machinery/cel/library/semver.ts';
import { JsonMap } from '../../machinery/cel/from-json.ts';
import type { CostBudget } from '../../machinery/cel/meter.ts';
import type { Program } from '../../machinery/cel/program.ts';
import type { CelValue } from '../../machinery/cel/values.ts';
import { parseQuantity } from '../../machinery/quantity.ts';
import type { Device, DeviceAttribute } from '../../types/resource/v1.gen.ts';
import { compiledOrWhy, MAX_COST } from './device-expressions.ts';

/** Compiled expressions that are kept: a cluster has few, and whoever may create claims could send many. */
const MAX_PROGRAMS = 256;
const programs = new Map<string, Program | string>();

function programOf(expression: string): Program | string {
  const known = programs.get(expression);
  if (known !== undefined) return known;
  const compiled = compiledOrWhy(expression);
  const [oldest] = programs.keys();
  if (programs.size >= MAX_PROGRAMS && oldest !== undefined) programs.delete(oldest);
  programs.set(expression, compiled);
  return compiled;
}

/** Domains that a device has nothing of are empty, so that `"id" in device.attributes["domain"]` is false and no error. */
class ByDomain extends JsonMap {
  override find(key: CelValue): CelValue | undefined {
    return super.find(key) ?? (typeof key === 'string' ? new JsonMap({}, undefined) : undefined);
  }
}

/** A name without a domain is of the driver's. */
export function qualifiedName(name: string, driver: string): { readonly domain: string; readonly id: string } {
  const slash = name.indexOf('/');
  return slash < 0 ? { domain: driver, id: name } : { domain: name.slice(0, slash), id: name.slice(slash + 1) };
}

const attributeValue = ({ bool, int, string, version }: DeviceAttribute): unknown =>
  bool ?? (int === undefined ? undefined : BigInt(int)) ?? string ?? (version === undefined ? null : semverOf(version));

function byDomain<T>(entries: Readonly<Record<string, T>>, driver: string, valueOf: (entry: T) => unknown): ByDomain {
  const domains = new Map<string, [string, unknown][]>();
  for (const [name, entry] of Object.entries(entries)) {
    const { domain, id } = qualifiedName(name, driver);
    const known = domains.get(domain);
    if (known) known.push([id, valueOf(entry)]);
    else domains.set(domain, [[id, valueOf(entry)]]);
  }
  // `fromEntries` defines properties: a domain called `__proto__` is one like others.
  const maps: Record<string, unknown> = Object.fromEntries(
    [...domains].map(([domain, values]) => [domain, new JsonMap(Object.fromEntries(values), undefined)]),
  );
  return new ByDomain(maps, undefined);
}

/** What every evaluation costs besides its expression: the attributes of the device are arranged by their domains for it. */
const EVALUATION_COST = 100;

/**
 * Whether the device matches; a string says why that cannot be told: the expression does not compile, or fails for this device. What it
 * costs is taken from the budget: the caller gives up when nothing is left.
 */
export function matchesSelector(
  expression: string,
  device: Device,
  driver: string,
  budget: CostBudget,
): boolean | string {
  budget.remaining -= EVALUATION_COST;
  const program = programOf(expression);
  if (typeof program === 'string') return `CEL compile error: ${program}`;
  const { attributes = {}, capacity = {}, allowMultipleAllocations = false } = device;
  const variables = {
    device: () => ({
      driver,
      allowMultipleAllocations,
      attributes: byDomain(attributes, driver, attributeValue),
      capacity: byDomain(capacity, driver, ({ value }) => new QuantityValue(parseQuantity(value))),
    }),
  };
  try {
    const { value } = program.evaluate(variables, budget, MAX_COST);
    return typeof value === 'boolean' ? value : 'CEL runtime error: the result is no bool';
  } catch (error) {
    if (!(error instanceof CelRuntimeError)) throw error;
    return `CEL runtime error: ${error.message}`;
  }
}

/** Validation of the devices in a ResourceSlice: upstream's `validateDevice`. */
import { semanticallyEqual } from '../../machinery/deep-equal.ts';
import { type FieldError, invalid, notSupported, required, tooLong, tooMany } from '../../machinery/field-error.ts';
import { validateLabelValue, validateQualifiedName, validateSubdomainName } from '../../machinery/names.ts';
import type { Counter, Device, DeviceAttribute, DeviceTaint } from '../../types/resource/v1.gen.ts';
import { validateNodeSelector } from '../core/affinity-validation.ts';
import { validateBindingConditions } from './claim-status.ts';
import { validateCapacity } from './device-capacity.ts';
import { TAINT_EFFECTS } from './device-claim.ts';
import { shownKey, validateDeviceKey, validateLabel, validateList, validateSet } from './device-names.ts';

const MAX_ATTRIBUTES_AND_CAPACITIES = 32;
const MAX_ATTRIBUTE_VALUES = 48;
const MAX_VALUE_LENGTH = 64;
const MAX_TAINTS = 16;
const MAX_CONSUMPTIONS = 2;
const MAX_COUNTERS = 32;
/** A domain, a slash and an id. */
const MAX_KEY = 63 + 1 + 32;

const NUMBER = '(0|[1-9]\\d*)';
const PRERELEASE = '(0|[1-9]\\d*|\\d*[a-zA-Z-][0-9a-zA-Z-]*)';
const BUILD = '[0-9a-zA-Z-]+';
/** https://semver.org/spec/v2.0.0.html */
const SEMVER = new RegExp(
  `^${NUMBER}\\.${NUMBER}\\.${NUMBER}(-${PRERELEASE}(\\.${PRERELEASE})*)?(\\+${BUILD}(\\.${BUILD})*)?$`,
);

function validateAttribute(attribute: DeviceAttribute, path: string, errors: FieldError[]): void {
  const { string, version } = attribute;
  if (string !== undefined && Buffer.byteLength(string) > MAX_VALUE_LENGTH) {
    errors.push(tooLong(`${path}.string`, MAX_VALUE_LENGTH));
  }
  if (version !== undefined) {
    // The expression backtracks: it only sees what is short enough.
    const isShort = version.length <= MAX_VALUE_LENGTH;
    if (!isShort || !SEMVER.test(version)) {
      errors.push(invalid(`${path}.version`, version, 'must be a string compatible with semver.org spec 2.0.0'));
    }
    if (!isShort) errors.push(tooLong(`${path}.version`, MAX_VALUE_LENGTH));
  }
  const count = Object.keys(attribute).length;
  if (count === 1) return;
  errors.push(invalid(path, count === 0 ? '' : attribute, 'exactly one value must be specified'));
}

function validateTaint({ key, value = '', effect }: DeviceTaint, path: string, errors: FieldError[]): void {
  for (const problem of validateQualifiedName(key)) errors.push(invalid(`${path}.key`, key, problem));
  for (const problem of value ? validateLabelValue(value) : []) errors.push(invalid(`${path}.value`, value, problem));
  // Clients may send other values than the type has.
  const given: string = effect;
  if (given === '') errors.push(required(`${path}.effect`));
  else if (!TAINT_EFFECTS.includes(given)) errors.push(notSupported(`${path}.effect`, given, TAINT_EFFECTS));
}

/** @param counters null when a client leaves them out */
export function validateCounters(
  counters: Readonly<Record<string, Counter>> | null,
  path: string,
  errors: FieldError[],
): void {
  const names = Object.keys(counters ?? {});
  if (names.length === 0) errors.push(required(path));
  else if (names.length > MAX_COUNTERS) errors.push(tooMany(path, names.length, MAX_COUNTERS));
  else for (const name of names) validateLabel(name, path, errors);
}

/** The name of a set of counters. */
export function validateCounterSetName(name: string, path: string, errors: FieldError[]): void {
  if (name === '') errors.push(required(path));
  else validateLabel(name, path, errors);
}

const WHICH_NODES =
  'exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true in the ResourceSlice spec';

function validateNodes(device: Device, isPerDevice: boolean, path: string, errors: FieldError[]): void {
  const { nodeName, nodeSelector, allNodes } = device;
  if (!isPerDevice) {
    if (nodeName === undefined && !nodeSelector && allNodes === undefined) return;
    const why =
      '`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice spec';
    errors.push(invalid(path, null, why));
    return;
  }
  const given: string[] = [];
  if (nodeName) given.push('`nodeName`');
  for (const problem of nodeName ? validateSubdomainName(nodeName) : []) {
    errors.push(invalid(`${path}.nodeName`, nodeName, problem));
  }
  if (nodeName === '') errors.push(invalid(`${path}.nodeName`, nodeName, 'must not be empty'));
  if (nodeSelector) {
    given.push('`nodeSelector`');
    validateNodeSelector(nodeSelector, `${path}.nodeSelector`, errors, true);
  }
  if (allNodes) given.push('`allNodes`');
  else if (allNodes === false) {
    errors.push(invalid(`${path}.allNodes`, allNodes, 'must be either unset or set to true'));
  }
  if (given.length === 0) errors.push(required(path, WHICH_NODES));
  else if (given.length > 1) errors.push(invalid(path, `{${given.join(', ')}}`, WHICH_NODES));
}

function validateSizes({ attributes, capacity }: Device, path: string, errors: FieldError[]): void {
  const values = Object.keys(attributes ?? {}).length;
  const total = values + Object.keys(capacity ?? {}).length;
  if (total > MAX_ATTRIBUTES_AND_CAPACITIES) {
    const why = `the total number of attributes and capacities must not exceed ${MAX_ATTRIBUTES_AND_CAPACITIES}`;
    errors.push(invalid(path, total, why));
  }
  if (values > MAX_ATTRIBUTE_VALUES) {
    errors.push(invalid(path, values, `the total number of attribute values must not exceed ${MAX_ATTRIBUTE_VALUES}`));
  }
}

/** @param old the device of this name before, whose taints stay valid */
export function validateDevice(
  device: Device,
  old: Device | undefined,
  isPerDevice: boolean,
  path: string,
  errors: FieldError[],
): void {
  validateLabel(device.name, `${path}.name`, errors);
  validateSizes(device, path, errors);
  for (const [key, attribute] of Object.entries(device.attributes ?? {})) {
    validateDeviceKey(key, `${path}.attributes`, errors);
    validateAttribute(attribute, `${path}.attributes[${shownKey(key, MAX_KEY)}]`, errors);
  }
  const isShared = device.allowMultipleAllocations ?? false;
  for (const [key, capacity] of Object.entries(device.capacity ?? {})) {
    validateDeviceKey(key, `${path}.capacity`, errors);
    validateCapacity(capacity, isShared, `${path}.capacity[${shownKey(key, MAX_KEY)}]`, errors);
  }
  if (!old || !semanticallyEqual(old.taints, device.taints)) {
    validateList(device.taints, MAX_TAINTS, `${path}.taints`, errors, validateTaint);
  }
  validateSet(
    device.consumesCounters,
    MAX_CONSUMPTIONS,
    ({ counterSet }) => counterSet,
    `${path}.consumesCounters`,
    errors,
    ({ counterSet, counters }, at) => {
      validateCounterSetName(counterSet, `${at}.counterSet`, errors);
      validateCounters(counters, `${at}.counters`, errors);
    },
  );
  validateNodes(device, isPerDevice, path, errors);
  validateBindingConditions(device, path, errors);
}

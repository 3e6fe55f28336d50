/** Validation of what the scheduler and drivers write into the status of a ResourceClaim. */
import { Cidr, IpAddress } from '../../domain/address.ts';
import { validateConditions } from '../../machinery/conditions.ts';
import { semanticallyEqual } from '../../machinery/deep-equal.ts';
import {
  addErrors,
  duplicate,
  type FieldError,
  forbidden,
  immutableField,
  invalid,
  notSupported,
  required,
  tooLong,
  tooMany,
} from '../../machinery/field-error.ts';
import { validateQualifiedName } from '../../machinery/names.ts';
import type {
  AllocatedDeviceStatus,
  AllocationResult,
  DeviceRequestAllocationResult,
  NetworkDeviceData,
  ResourceClaim,
  ResourceClaimStatus,
} from '../../types/resource/v1.gen.ts';
import { validateNodeSelector } from '../core/affinity-validation.ts';
import { MAX_REQUESTS, requestNames, validateRequestReference, validateRequestReferences } from './device-claim.ts';
import { MAX_CONFIG, validateConfiguration, validateDriverData } from './device-configuration.ts';
import {
  validateDriver,
  validateLabel,
  validateList,
  validatePoolName,
  validateSet,
  validateUid,
} from './device-names.ts';

const MAX_CONSUMERS = 256;
const MAX_CONDITIONS = 8;
const MAX_DATA = 10 * 1024;
const MAX_IPS = 16;
const MAX_INTERFACE_NAME = 256;
const MAX_HARDWARE_ADDRESS = 128;
const MAX_BINDING_CONDITIONS = 4;
const SOURCES = ['FromClaim', 'FromClass'];

/** What identifies a device, or a share of it. */
export const deviceId = ({ driver, pool, device, shareID = '' }: DeviceId): string =>
  [driver, pool, device, ...(shareID ? [shareID] : [])].join('/');
type DeviceId = Pick<AllocatedDeviceStatus, 'driver' | 'pool' | 'device' | 'shareID'>;

export const allocatedDevices = ({ allocation }: ResourceClaimStatus = {}): Set<string> =>
  new Set((allocation?.devices?.results ?? []).map(deviceId));

/** Both lists are needed, and name different conditions. */
export function validateBindingConditions(
  {
    bindingConditions = [],
    bindingFailureConditions = [],
  }: Pick<DeviceRequestAllocationResult, 'bindingConditions' | 'bindingFailureConditions'>,
  path: string,
  errors: FieldError[],
): void {
  const lists = { bindingConditions, bindingFailureConditions };
  for (const field of ['bindingConditions', 'bindingFailureConditions'] as const) {
    validateList(lists[field], MAX_BINDING_CONDITIONS, `${path}.${field}`, errors, (name, at) => {
      for (const problem of validateQualifiedName(name)) errors.push(invalid(at, name, problem));
    });
  }
  const wanted = new Set(bindingConditions);
  for (const [index, name] of bindingConditions.entries()) {
    if (bindingConditions.indexOf(name) < index) errors.push(duplicate(`${path}.bindingConditions[${index}]`, name));
    if (index >= MAX_BINDING_CONDITIONS) break;
  }
  for (const [index, name] of bindingFailureConditions.entries()) {
    const at = `${path}.bindingFailureConditions[${index}]`;
    if (bindingFailureConditions.indexOf(name) < index) errors.push(duplicate(at, name));
    if (wanted.has(name)) {
      errors.push(invalid(at, name, 'bindingFailureConditions must not overlap with bindingConditions'));
    }
    if (index >= MAX_BINDING_CONDITIONS) break;
  }
  if (bindingConditions.length === 0 && bindingFailureConditions.length > 0) {
    const why = 'bindingConditions are required to use bindingFailureConditions';
    errors.push(invalid(`${path}.bindingConditions`, bindingConditions, why));
  }
  if (bindingFailureConditions.length === 0 && bindingConditions.length > 0) {
    const why = 'bindingFailureConditions are required to use bindingConditions';
    errors.push(invalid(`${path}.bindingFailureConditions`, bindingFailureConditions, why));
  }
}

function validateAllocation(
  { devices, nodeSelector }: AllocationResult,
  names: ReadonlySet<string>,
  path: string,
  errors: FieldError[],
): void {
  validateList(devices?.results, MAX_REQUESTS, `${path}.devices.results`, errors, (result, at) => {
    validateRequestReference(result.request, names, `${at}.request`, errors);
    validateDevice(result, at, errors);
    validateBindingConditions(result, at, errors);
  });
  // Those of the class and of the claim.
  validateList(devices?.config, 2 * MAX_CONFIG, `${path}.devices.config`, errors, (config, at) => {
    const source: string = config.source;
    if (source === '') errors.push(required(`${at}.source`));
    else if (!SOURCES.includes(source)) errors.push(notSupported(`${at}.source`, source, SOURCES));
    validateRequestReferences(config.requests, names, `${at}.requests`, errors);
    validateConfiguration(config, at, errors);
  });
  if (nodeSelector) validateNodeSelector(nodeSelector, `${path}.nodeSelector`, errors, true);
}

function validateDevice({ driver, pool, device, shareID }: DeviceId, path: string, errors: FieldError[]): void {
  validateDriver(driver, `${path}.driver`, errors);
  validatePoolName(pool, `${path}.pool`, errors);
  validateLabel(device, `${path}.device`, errors);
  if (shareID !== undefined) validateUid(shareID, `${path}.shareID`, errors);
}

/** `10.9.8.7/24`: an address with the length of its network's prefix. */
function validateInterfaceAddress(text: string, path: string, errors: FieldError[]): void {
  const range = Cidr.parse(text);
  const address = IpAddress.parse(text.slice(0, text.indexOf('/')));
  if (!range || !address) {
    errors.push(invalid(path, text, 'must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)'));
    return;
  }
  const canonical = `${address.text}/${range.length}`;
  if (text !== canonical) errors.push(invalid(path, text, `must be in canonical form (${JSON.stringify(canonical)})`));
}

function validateNetworkData(data: NetworkDeviceData, path: string, errors: FieldError[]): void {
  const { interfaceName = '', hardwareAddress = '', ips } = data;
  if (Buffer.byteLength(interfaceName) > MAX_INTERFACE_NAME) {
    errors.push(tooLong(`${path}.interfaceName`, MAX_INTERFACE_NAME));
  }
  if (Buffer.byteLength(hardwareAddress) > MAX_HARDWARE_ADDRESS) {
    errors.push(tooLong(`${path}.hardwareAddress`, MAX_HARDWARE_ADDRESS));
  }
  validateSet(ips, MAX_IPS, (ip) => ip, `${path}.ips`, errors, validateInterfaceAddress);
}

function validateDeviceStatus(
  device: AllocatedDeviceStatus,
  allocated: ReadonlySet<string>,
  path: string,
  errors: FieldError[],
): void {
  validateDevice(device, path, errors);
  const id = deviceId(device);
  if (!allocated.has(id)) errors.push(invalid(path, id, 'must be an allocated device in the claim'));
  const { conditions, data, networkData } = device;
  const count = conditions?.length ?? 0;
  if (count > MAX_CONDITIONS) errors.push(tooMany(`${path}.conditions`, count, MAX_CONDITIONS));
  addErrors(errors, validateConditions(conditions ?? [], `${path}.conditions`));
  if (data !== undefined) validateDriverData(data, MAX_DATA, `${path}.data`, errors);
  if (networkData) validateNetworkData(networkData, `${path}.networkData`, errors);
}

function validateConsumers(claim: ResourceClaim, old: ResourceClaim, errors: FieldError[]): void {
  const { reservedFor = [], allocation } = claim.status ?? {};
  const path = 'status.reservedFor';
  validateSet(
    reservedFor,
    MAX_CONSUMERS,
    ({ uid }) => uid,
    path,
    errors,
    ({ resource, name, uid }, at) => {
      for (const [field, value] of Object.entries({ resource, name, uid })) {
        if (value === '') errors.push(required(`${at}.${field}`));
      }
    },
  );
  if (reservedFor.length === 0) return;
  if (!allocation) {
    errors.push(forbidden(path, 'may not be specified when `allocated` is not set'));
  } else if (claim.metadata?.deletionTimestamp) {
    const before = new Set(old.status?.reservedFor?.map((consumer) => JSON.stringify(Object.entries(consumer).sort())));
    const isNew = reservedFor.some((consumer) => !before.has(JSON.stringify(Object.entries(consumer).sort())));
    if (!isNew) return;
    const why = 'new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set';
    errors.push(forbidden(path, why));
  }
}

export function validateClaimStatus(claim: ResourceClaim, old: ResourceClaim): FieldError[] {
  const errors: FieldError[] = [];
  const { devices, allocation } = claim.status ?? {};
  const before = old.status?.allocation;
  const allocated = allocatedDevices(claim.status);
  validateSet(devices, undefined, deviceId, 'status.devices', errors, (device, at) =>
    validateDeviceStatus(device, allocated, at, errors),
  );
  validateConsumers(claim, old, errors);
  if (!allocation) return errors;
  // What was allocated by older rules stays valid.
  if (!before) validateAllocation(allocation, requestNames(claim.spec), 'status.allocation', errors);
  else if (!semanticallyEqual(allocation, before)) errors.push(immutableField('status.allocation', allocation));
  return errors;
}

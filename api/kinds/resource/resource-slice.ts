import { ageColumn, nameColumn, text } from '../../machinery/columns.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import { type FieldError, immutableField, invalid, required } from '../../machinery/field-error.ts';
import { validateSubdomainName } from '../../machinery/names.ts';
import { timeOf } from '../../machinery/time.ts';
import { ResourceSlice, type ResourceSliceSpec } from '../../types/resource/v1.gen.ts';
import { validateNodeSelector } from '../core/affinity-validation.ts';
import { validateDriver, validatePoolName, validateSet } from './device-names.ts';
import { validateCounters, validateCounterSetName, validateDevice } from './device.ts';

const MAX_DEVICES = 128;
/** Where some have taints or consume counters, which cost the scheduler more. */
const MAX_ADVANCED_DEVICES = 64;
const MAX_COUNTER_SETS = 8;
const WHICH_NODES = 'exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required';

/** Alpha upstream: DRANodeAllocatableResources, DRAListTypeAttributes. */
function dropAlphaFields({ devices }: ResourceSliceSpec): void {
  for (const device of devices ?? []) {
    delete device.nodeAllocatableResourceMappings;
    for (const attribute of Object.values(device.attributes ?? {})) {
      for (const field of ['ints', 'bools', 'strings', 'versions'] as const) delete attribute[field];
    }
  }
}

function validateNodes(spec: ResourceSliceSpec, errors: FieldError[]): void {
  const { nodeName, nodeSelector } = spec;
  const given: string[] = [];
  if (nodeName) given.push('`nodeName`');
  for (const problem of nodeName ? validateSubdomainName(nodeName) : []) {
    errors.push(invalid('spec.nodeName', nodeName, problem));
  }
  if (nodeName === '') {
    errors.push(invalid('spec.nodeName', nodeName, 'must be either unset or set to a non-empty string'));
  }
  if (nodeSelector) {
    given.push('`nodeSelector`');
    validateNodeSelector(nodeSelector, 'spec.nodeSelector', errors, true);
    // A required list that is absent is decoded as null.
    const terms = nodeSelector.nodeSelectorTerms as unknown[] | null;
    if (terms?.length !== 1) {
      const why = 'must have exactly one node selector term';
      errors.push(invalid('spec.nodeSelector.nodeSelectorTerms', terms, why));
    }
  }
  for (const field of ['allNodes', 'perDeviceNodeSelection'] as const) {
    if (spec[field]) given.push(`\`${field}\``);
    else if (spec[field] === false) errors.push(invalid(`spec.${field}`, false, 'must be either unset or set to true'));
  }
  if (given.length === 0) errors.push(required('spec', WHICH_NODES));
  else if (given.length > 1) {
    errors.push(invalid('spec', `{${given.join(', ')}}`, `${WHICH_NODES}, but multiple fields are set`));
  }
}

function validatePool({ pool }: ResourceSliceSpec, errors: FieldError[]): void {
  validatePoolName(pool.name, 'spec.pool.name', errors);
  if (pool.resourceSliceCount <= 0) {
    errors.push(invalid('spec.pool.resourceSliceCount', pool.resourceSliceCount, 'must be greater than zero'));
  }
  if (pool.generation < 0) {
    errors.push(invalid('spec.pool.generation', pool.generation, 'must be greater than or equal to zero'));
  }
}

function validateUnchanged(spec: ResourceSliceSpec, old: ResourceSliceSpec, errors: FieldError[]): void {
  if (spec.pool.name !== old.pool.name) errors.push(immutableField('spec.pool.name', spec.pool.name));
  if (spec.driver !== old.driver) errors.push(immutableField('spec.driver', spec.driver));
  if (spec.nodeName !== old.nodeName) errors.push(immutableField('spec.nodeName', spec.nodeName));
}

function validate({ spec }: ResourceSlice, old?: ResourceSlice): FieldError[] {
  const errors: FieldError[] = [];
  const { devices, sharedCounters, perDeviceNodeSelection = false } = spec;
  validateDriver(spec.driver, 'spec.driver', errors);
  validatePool(spec, errors);
  if (old) validateUnchanged(spec, old.spec, errors);
  validateNodes(spec, errors);
  if (sharedCounters && devices) {
    errors.push(invalid('spec', '', 'only one of `sharedCounters` or `devices` is allowed'));
  }
  const isAdvanced = devices?.some(({ taints, consumesCounters }) => taints?.length || consumesCounters?.length);
  const before = new Map(old?.spec.devices?.map((device) => [device.name, device]));
  const max = isAdvanced ? MAX_ADVANCED_DEVICES : MAX_DEVICES;
  validateSet(
    devices,
    max,
    ({ name }) => name,
    'spec.devices',
    errors,
    (device, at) => validateDevice(device, before.get(device.name), perDeviceNodeSelection, at, errors),
  );
  validateSet(
    sharedCounters,
    MAX_COUNTER_SETS,
    ({ name }) => name,
    'spec.sharedCounters',
    errors,
    ({ name, counters }, at) => {
      validateCounterSetName(name, `${at}.name`, errors);
      validateCounters(counters, `${at}.counters`, errors);
    },
  );
  return errors;
}

/** https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/#resourceslice */
export const resourceSlices = defineKind<ResourceSlice>({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'ResourceSlice',
  plural: 'resourceslices',
  namespaced: false,
  schema: ResourceSlice,
  returnDeletedObject: true,
  hasGeneration: true,
  columns: [
    nameColumn(),
    text('Node', ({ spec }) => spec.nodeName ?? ''),
    text('Driver', ({ spec }) => spec.driver),
    text('Pool', ({ spec }) => spec.pool.name),
    ageColumn(),
  ],
  selectableFields: {
    'spec.nodeName': ({ spec }) => spec.nodeName ?? '',
    'spec.driver': ({ spec }) => spec.driver,
  },
  applyDefaults: ({ spec }) => {
    for (const { taints } of spec.devices ?? [])
      for (const taint of taints ?? []) taint.timeAdded ??= timeOf(Date.now());
  },
  prepareForCreate: ({ spec }) => dropAlphaFields(spec),
  prepareForUpdate: ({ spec }) => dropAlphaFields(spec),
  validate,
  warnings: ({ spec: { driver } }) =>
    driver === driver.toLowerCase()
      ? []
      : [`spec.driver: driver names should be lowercase; ${JSON.stringify(driver)} contains uppercase characters`],
});

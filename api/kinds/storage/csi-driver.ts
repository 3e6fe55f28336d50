import { ageColumn, nameColumn, text } from '../../machinery/columns.ts';
import { deepEqual } from '../../machinery/deep-equal.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import {
  addErrors,
  duplicate,
  type FieldError,
  immutableField,
  invalid,
  notSupported,
} from '../../machinery/field-error.ts';
import type { Column } from '../../machinery/kind.ts';
import { CSIDriver, type TokenRequest } from '../../types/storage/v1.gen.ts';

const FS_GROUP_POLICIES = ['File', 'None', 'ReadWriteOnceWithFSType'];
const LIFECYCLE_MODES = ['Persistent', 'Ephemeral'];
const MIN_UPDATE_PERIOD_SECONDS = 10;
const MIN_TOKEN_SECONDS = 600;
const MAX_TOKEN_SECONDS = 2 ** 32;

function validateTokenRequests(requests: readonly TokenRequest[]): FieldError[] {
  const errors: FieldError[] = [];
  const audiences = new Set<string>();
  for (const [index, { audience, expirationSeconds }] of requests.entries()) {
    const path = `spec.tokenRequests[${index}]`;
    if (audiences.has(audience)) {
      errors.push(duplicate(`${path}.audience`, audience));
      continue;
    }
    audiences.add(audience);
    if (expirationSeconds === undefined) continue;
    const refuse = (why: string): void => {
      errors.push(invalid(`${path}.expirationSeconds`, expirationSeconds, why));
    };
    if (expirationSeconds < MIN_TOKEN_SECONDS) refuse('may not specify a duration less than 10 minutes');
    if (expirationSeconds > MAX_TOKEN_SECONDS) refuse('may not specify a duration larger than 2^32 seconds');
  }
  return errors;
}

const flag = (name: string, cell: (spec: CSIDriver['spec']) => boolean | undefined): Column<CSIDriver> => ({
  name,
  type: 'boolean',
  format: '',
  priority: 0,
  cell: ({ spec }) => cell(spec) ?? false,
});

const TOKENS_IN_ATTRIBUTES =
  'spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible logging of tokens in volume attributes';

/** https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/csi-driver-v1/ */
export const csiDrivers = defineKind<CSIDriver>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'CSIDriver',
  plural: 'csidrivers',
  namespaced: false,
  returnDeletedObject: true,
  schema: CSIDriver,
  unconditionalUpdate: false,
  columns: [
    nameColumn(),
    flag('AttachRequired', ({ attachRequired }) => attachRequired),
    flag('PodInfoOnMount', ({ podInfoOnMount }) => podInfoOnMount),
    flag('StorageCapacity', ({ storageCapacity }) => storageCapacity),
    text('TokenRequests', ({ spec }) => spec.tokenRequests?.map(({ audience }) => audience).join(',') ?? '<unset>'),
    flag('RequiresRepublish', ({ requiresRepublish }) => requiresRepublish),
    text('Modes', ({ spec }) => (spec.volumeLifecycleModes ?? []).join(',') || '<none>'),
    ageColumn(),
  ],
  applyDefaults: ({ spec }) => {
    spec.attachRequired ??= true;
    spec.podInfoOnMount ??= false;
    spec.storageCapacity ??= false;
    spec.fsGroupPolicy ??= 'ReadWriteOnceWithFSType';
    if (!spec.volumeLifecycleModes?.length) spec.volumeLifecycleModes = ['Persistent'];
    spec.requiresRepublish ??= false;
    spec.seLinuxMount ??= false;
  },
  prepareForCreate: ({ spec }) => {
    // Alpha upstream: VolumeLimitScaling.
    delete spec.preventPodSchedulingIfMissing;
  },
  prepareForUpdate: (driver, old) => {
    delete driver.spec.preventPodSchedulingIfMissing;
    // Unlike other kinds, a driver has no generation until it changes.
    if (driver.metadata && !deepEqual(driver.spec, old.spec)) {
      driver.metadata.generation = (old.metadata?.generation ?? 0) + 1;
    }
  },
  warnings: ({ spec }, old) => {
    const { tokenRequests = [], serviceAccountTokenInSecrets } = spec;
    if (tokenRequests.length === 0 || serviceAccountTokenInSecrets !== undefined) return [];
    return old && deepEqual(tokenRequests, old.spec.tokenRequests) ? [] : [TOKENS_IN_ATTRIBUTES];
  },
  validate: ({ spec }) => {
    const errors: FieldError[] = [];
    const { fsGroupPolicy, tokenRequests = [], nodeAllocatableUpdatePeriodSeconds: period } = spec;
    if (fsGroupPolicy !== undefined && !FS_GROUP_POLICIES.includes(fsGroupPolicy))
      errors.push(notSupported('spec.fsGroupPolicy', fsGroupPolicy, FS_GROUP_POLICIES));
    addErrors(errors, validateTokenRequests(tokenRequests));
    for (const mode of spec.volumeLifecycleModes ?? [])
      if (!LIFECYCLE_MODES.includes(mode))
        errors.push(notSupported('spec.volumeLifecycleModes', mode, LIFECYCLE_MODES));
    if (period !== undefined && period < MIN_UPDATE_PERIOD_SECONDS)
      errors.push(
        invalid('spec.nodeAllocatableUpdatePeriodSeconds', period, 'must be greater than or equal to 10 seconds'),
      );
    if (spec.serviceAccountTokenInSecrets !== undefined && tokenRequests.length === 0)
      errors.push(
        invalid(
          'spec.serviceAccountTokenInSecrets',
          spec.serviceAccountTokenInSecrets,
          'serviceAccountTokenInSecrets is set but no tokenRequests are specified',
        ),
      );
    return errors;
  },
  validateUpdate: ({ spec }, old) => {
    const errors: FieldError[] = [];
    // The path is misspelled upstream.
    if (spec.attachRequired !== old.spec.attachRequired)
      errors.push(immutableField('spec.attachedRequired', spec.attachRequired));
    if (!deepEqual(spec.volumeLifecycleModes, old.spec.volumeLifecycleModes))
      errors.push(immutableField('spec.volumeLifecycleModes', spec.volumeLifecycleModes));
    return errors;
  },
});

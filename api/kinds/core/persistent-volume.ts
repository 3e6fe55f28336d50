import { ageColumn, nameColumn, text, wide } from '../../machinery/columns.ts';
import { semanticallyEqual } from '../../machinery/deep-equal.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import { type FieldError, forbidden, immutableField, invalid } from '../../machinery/field-error.ts';
import type { HookContext } from '../../machinery/kind.ts';
import { BETA_MOUNT_OPTIONS } from '../../domain/volume-annotations.ts';
import { own } from '../../machinery/own.ts';
import { statusSubresource } from '../../machinery/subresources.ts';
import { timeOf } from '../../machinery/time.ts';
import {
  type NodeSelectorRequirement,
  PersistentVolume,
  type PersistentVolumeSpec,
  type VolumeNodeAffinity,
} from '../../types/core/v1.gen.ts';
import { sourceOf, validateVolumeSpec } from './persistent-volume-validation.ts';
import { nodeSelectorTermWarnings } from './node-label-warnings.ts';
import { CLASS_ANNOTATION, classOf, shortAccessModes } from './volume-access.ts';
import { applySourceDefaults } from './volume-defaults.ts';

/** The sources that are mounted with options. */
const MOUNTED = [
  'gcePersistentDisk',
  'awsElasticBlockStore',
  'glusterfs',
  'nfs',
  'rbd',
  'quobyte',
  'iscsi',
  'cinder',
  'cephfs',
  'azureFile',
  'vsphereVolume',
  'azureDisk',
  'photonPersistentDisk',
] as const;

/** Labels that have got another name; an affinity may follow. */
const RENAMED_LABELS: ReadonlyMap<string, string> = new Map([
  ['failure-domain.beta.kubernetes.io/zone', 'topology.kubernetes.io/zone'],
  ['failure-domain.beta.kubernetes.io/region', 'topology.kubernetes.io/region'],
  ['beta.kubernetes.io/os', 'kubernetes.io/os'],
  ['beta.kubernetes.io/arch', 'kubernetes.io/arch'],
  ['beta.kubernetes.io/instance-type', 'node.kubernetes.io/instance-type'],
]);

function applyDefaults({ spec, status }: Required<Pick<PersistentVolume, 'spec' | 'status'>>): void {
  status.phase ||= 'Pending';
  spec.persistentVolumeReclaimPolicy ||= 'Retain';
  spec.volumeMode ??= 'Filesystem';
  applySourceDefaults(spec);
}

function validate({ metadata, spec = {} }: PersistentVolume): FieldError[] {
  const errors = validateVolumeSpec(spec, metadata?.name ?? '', 'spec');
  const options = own(metadata?.annotations, BETA_MOUNT_OPTIONS);
  if (options !== undefined && !MOUNTED.some((source) => spec[source])) {
    const why = 'may not specify mount options for this volume type';
    errors.push(forbidden(`metadata.annotations.${BETA_MOUNT_OPTIONS}`, why));
  }
  return errors;
}

const shownRequirements = (requirements: readonly NodeSelectorRequirement[] | undefined): object[] | null =>
  requirements?.map(({ key, operator, values }) => ({ Key: key, Operator: operator, Values: values ?? null })) ?? null;

/** As upstream prints it: its internal struct has no JSON names. */
const shownAffinity = (affinity: VolumeNodeAffinity | undefined): object | null =>
  affinity
    ? {
        Required: affinity.required
          ? {
              NodeSelectorTerms: (affinity.required.nodeSelectorTerms ?? []).map(
                ({ matchExpressions, matchFields }) => ({
                  MatchExpressions: shownRequirements(matchExpressions),
                  MatchFields: shownRequirements(matchFields),
                }),
              ),
            }
          : null,
      }
    : null;

/** The old affinity, with the new names of labels where the new one has them. */
function renamedAffinity(old: VolumeNodeAffinity, wanted: VolumeNodeAffinity | undefined): VolumeNodeAffinity {
  const terms = wanted?.required?.nodeSelectorTerms;
  if (!old.required || !terms) return old;
  const renamed = (
    requirements: readonly NodeSelectorRequirement[] | undefined,
    after: readonly NodeSelectorRequirement[] | undefined,
  ): NodeSelectorRequirement[] | undefined =>
    requirements?.map((requirement, index) => {
      const key = RENAMED_LABELS.get(requirement.key);
      return key !== undefined && key === after?.[index]?.key ? { ...requirement, key } : requirement;
    });
  return {
    required: {
      nodeSelectorTerms: old.required.nodeSelectorTerms.map((term, index) => ({
        ...term,
        matchExpressions: renamed(term.matchExpressions, terms[index]?.matchExpressions),
        matchFields: renamed(term.matchFields, terms[index]?.matchFields),
      })),
    },
  };
}

/** The source, without a secret that is only now given. */
function fixedSource(spec: PersistentVolumeSpec, old: PersistentVolumeSpec): object {
  const source = sourceOf(spec);
  if (!source.csi || !old.csi || old.csi.controllerExpandSecretRef) return source;
  return { ...source, csi: { ...source.csi, controllerExpandSecretRef: undefined } };
}

function validateUpdate({ spec = {} }: PersistentVolume, { spec: old = {} }: PersistentVolume): FieldError[] {
  const errors: FieldError[] = [];
  if (!semanticallyEqual(fixedSource(spec, old), sourceOf(old))) {
    const why = 'spec.persistentvolumesource is immutable after creation\n';
    errors.push(forbidden('spec.persistentvolumesource', why));
  }
  if (spec.volumeMode !== old.volumeMode) errors.push(immutableField('volumeMode', spec.volumeMode));
  const { nodeAffinity } = spec;
  if (old.nodeAffinity && !semanticallyEqual(nodeAffinity, renamedAffinity(old.nodeAffinity, nodeAffinity))) {
    const why = 'field is immutable, except for updating from beta label to GA';
    errors.push(invalid('nodeAffinity', shownAffinity(nodeAffinity), why));
  }
  if (old.volumeAttributesClassName !== undefined && spec.volumeAttributesClassName === undefined) {
    errors.push(forbidden('spec.volumeAttributesClassName', 'update from non-nil value to nil is forbidden'));
  }
  return errors;
}

/** Notes when the phase has changed, unless the client says it. */
function prepareStatus({ status }: PersistentVolume, { status: old }: PersistentVolume, { now }: HookContext): void {
  if (!status) return;
  const { lastPhaseTransitionTime: time } = status;
  if (status.phase === old?.phase) {
    if (time === undefined) status.lastPhaseTransitionTime = old?.lastPhaseTransitionTime;
  } else if (time === undefined || time === old?.lastPhaseTransitionTime) {
    status.lastPhaseTransitionTime = timeOf(now);
  }
}

const GONE = [
  ['cephfs', 'cephfs', 'v1.28, non-functional in v1.31+'],
  ['photonPersistentDisk', 'photonPersistentDisk', 'v1.11, non-functional in v1.16+'],
  ['scaleIO', 'scaleIO', 'v1.16, non-functional in v1.22+'],
  ['storageos', 'storageOS', 'v1.22, non-functional in v1.25+'],
  ['glusterfs', 'glusterfs', 'v1.25, non-functional in v1.26+'],
  ['rbd', 'rbd', 'v1.28, non-functional in v1.31+'],
] as const;

function warnings({ metadata, spec = {} }: PersistentVolume): string[] {
  const found: string[] = [];
  for (const [annotation, why] of [
    [CLASS_ANNOTATION, 'deprecated since v1.8; use "storageClassName" attribute instead'],
    [BETA_MOUNT_OPTIONS, 'deprecated since v1.31; use "mountOptions" attribute instead'],
  ] as const) {
    if (own(metadata?.annotations, annotation) === undefined) continue;
    found.push(`metadata.annotations[${annotation}]: ${why}`);
  }
  if (spec.persistentVolumeReclaimPolicy === 'Recycle') {
    const why =
      'The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.';
    found.push(`spec.persistentVolumeReclaimPolicy: ${why}`);
  }
  for (const [index, term] of (spec.nodeAffinity?.required?.nodeSelectorTerms ?? []).entries()) {
    const at = `spec.nodeAffinity.required.nodeSelectorTerms[${index}]`;
    for (const warning of nodeSelectorTermWarnings(term, at)) found.push(warning);
  }
  for (const [source, shown, since] of GONE) if (spec[source]) found.push(`spec.${shown}: deprecated in ${since}`);
  return found;
}

/** https://kubernetes.io/docs/concepts/storage/persistent-volumes/ */
export const persistentVolumes = defineKind<PersistentVolume>({
  group: '',
  version: 'v1',
  kind: 'PersistentVolume',
  plural: 'persistentvolumes',
  shortNames: ['pv'],
  namespaced: false,
  schema: PersistentVolume,
  returnDeletedObject: true,
  subresources: [statusSubresource({ prepare: prepareStatus })],
  columns: [
    nameColumn(),
    text('Capacity', ({ spec }) => own(spec?.capacity, 'storage') ?? '0'),
    text('Access Modes', ({ spec }) => shortAccessModes(spec?.accessModes)),
    text('Reclaim Policy', ({ spec }) => spec?.persistentVolumeReclaimPolicy ?? ''),
    text('Status', ({ metadata, status }) => (metadata?.deletionTimestamp ? 'Terminating' : (status?.phase ?? ''))),
    text('Claim', ({ spec }) => (spec?.claimRef ? `${spec.claimRef.namespace ?? ''}/${spec.claimRef.name ?? ''}` : '')),
    text('StorageClass', ({ metadata, spec }) => classOf(metadata, spec?.storageClassName)),
    text('VolumeAttributesClass', ({ spec }) => spec?.volumeAttributesClassName ?? '<unset>'),
    text('Reason', ({ status }) => status?.reason ?? ''),
    ageColumn(),
    wide('VolumeMode', ({ spec }) => spec?.volumeMode ?? '<unset>'),
  ],
  // A mistake of old, says upstream, that clients rely on.
  selectableFields: { name: ({ metadata }) => metadata?.name ?? '' },
  applyDefaults: (volume) => applyDefaults({ spec: (volume.spec ??= {}), status: (volume.status ??= {}) }),
  prepareForCreate: (volume, { now }) => {
    volume.status = { phase: 'Pending', lastPhaseTransitionTime: timeOf(now) };
  },
  validate,
  validateUpdate,
  warnings,
});

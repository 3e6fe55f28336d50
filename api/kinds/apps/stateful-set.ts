import { ageColumn, nameColumn, text } from '../../machinery/columns.ts';
import { semanticallyEqual } from '../../machinery/deep-equal.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import { addErrors, type FieldError, forbidden, invalid, required } from '../../machinery/field-error.ts';
import { validateAnnotations, validateLabels } from '../../machinery/metadata.ts';
import { validateLabelName } from '../../machinery/names.ts';
import { statusSubresource } from '../../machinery/subresources.ts';
import { scaleSubresource } from '../autoscaling/scale.ts';
import { claimWarnings, validateClaimSpec } from '../core/claim-validation.ts';
import { applyClaimDefaults } from '../core/persistent-volume-claim.ts';
import { applyPodTemplateDefaults } from '../core/pod-defaults.ts';
import { isNone, validateAtMostAll, validateIntOrPercent } from './int-or-percent.ts';
import {
  containerColumns,
  templateWarnings,
  validateCollisionCount,
  validateLastingTemplate,
  validateSelector,
} from './workload.ts';
import { StatefulSet, type StatefulSetSpec, type StatefulSetUpdateStrategy } from '../../types/apps/v1.gen.ts';
import type { PodTemplateSpec } from '../../types/core/v1.gen.ts';

const DEFAULT_HISTORY = 10;
/** What an update may change of the spec, in the order of the message. */
const MUTABLE = [
  'replicas',
  'ordinals',
  'template',
  'updateStrategy',
  'revisionHistoryLimit',
  'persistentVolumeClaimRetentionPolicy',
  'minReadySeconds',
] as const;
const IMMUTABLE =
  `updates to statefulset spec for fields other than ${MUTABLE.slice(0, -1)
    .map((field) => `'${field}'`)
    .join(', ')} ` + `and '${MUTABLE.at(-1)}' are forbidden`;

function applyDefaults({ spec }: StatefulSet): void {
  if (!spec) return;
  spec.podManagementPolicy ||= 'OrderedReady';
  const strategy = (spec.updateStrategy ??= {});
  if (!strategy.type) {
    strategy.type = 'RollingUpdate';
    strategy.rollingUpdate ??= {};
  }
  if (strategy.type === 'RollingUpdate' && strategy.rollingUpdate) strategy.rollingUpdate.partition ??= 0;
  const retention = (spec.persistentVolumeClaimRetentionPolicy ??= {});
  retention.whenDeleted ||= 'Retain';
  retention.whenScaled ||= 'Retain';
  spec.replicas ??= 1;
  spec.revisionHistoryLimit ??= DEFAULT_HISTORY;
  applyPodTemplateDefaults(spec.template);
  for (const claim of spec.volumeClaimTemplates ?? []) {
    claim.apiVersion = 'v1';
    claim.kind = 'PersistentVolumeClaim';
    applyClaimDefaults(claim);
  }
}

/** Only from when the gate MaxUnavailableStatefulSet is on by default; until then it is kept where it is. */
function dropMaxUnavailable({ spec }: StatefulSet, old?: StatefulSet): void {
  if (old?.spec?.updateStrategy?.rollingUpdate?.maxUnavailable !== undefined) return;
  delete spec?.updateStrategy?.rollingUpdate?.maxUnavailable;
}

function validateStrategy(strategy: StatefulSetUpdateStrategy): FieldError[] {
  const path = 'spec.updateStrategy';
  const { type, rollingUpdate } = strategy;
  if (type === 'RollingUpdate') {
    const { maxUnavailable } = rollingUpdate ?? {};
    if (maxUnavailable === undefined) return [];
    const at = `${path}.rollingUpdate.maxUnavailable`;
    const errors = validateIntOrPercent(maxUnavailable, at);
    if (isNone(maxUnavailable)) errors.push(invalid(at, maxUnavailable, 'cannot be 0'));
    return [...errors, ...validateAtMostAll(maxUnavailable, at)];
  }
  if (type !== 'OnDelete') return [invalid(path, strategy, "must be 'RollingUpdate' or 'OnDelete'")];
  if (!rollingUpdate) return [];
  return [invalid(`${path}.rollingUpdate`, rollingUpdate, "only allowed for updateStrategy 'RollingUpdate'")];
}

/** Names of volumes that are made of those of claims, which come first; the template's own are checked among its fields. */
const validateVolumeNames = (names: ReadonlySet<string>, path: string): FieldError[] =>
  [...names].flatMap((name, index) => {
    const at = `${path}[${index}].name`;
    return name === '' ? [required(at)] : validateLabelName(name).map((problem) => invalid(at, name, problem));
  });

const claimNamesOf = ({ volumeClaimTemplates = [] }: StatefulSetSpec): ReadonlySet<string> =>
  new Set(volumeClaimTemplates.map(({ metadata }) => metadata?.name ?? ''));

/** The template as its pods have it: with the volumes of their claims, and with the names that the controller gives them. */
function podTemplateOf(statefulSet: StatefulSetSpec): PodTemplateSpec {
  const { template } = statefulSet;
  const { spec = { containers: [] } } = template;
  const names = claimNamesOf(statefulSet);
  const claims = [...names].map((name) => ({ name, persistentVolumeClaim: { claimName: name } }));
  const others = (spec.volumes ?? []).filter(({ name }) => !names.has(name));
  return { ...template, spec: { ...spec, hostname: '', subdomain: '', volumes: [...claims, ...others] } };
}

function validateTemplate(spec: StatefulSetSpec, old: PodTemplateSpec | undefined): FieldError[] {
  const { labels, annotations } = spec.template.metadata ?? {};
  return [
    ...validateLastingTemplate(podTemplateOf(spec), 'StatefulSet', old),
    ...validateVolumeNames(claimNamesOf(spec), 'spec.template.spec.volumes'),
    ...validateLabels(labels, 'spec.template.labels'),
    ...validateAnnotations(annotations, 'spec.template.annotations'),
  ];
}

/** @param isNew older ones may have a serviceName that is no DNS label, and invalid claims; they are immutable */
function validateSpec(spec: StatefulSetSpec, isNew: boolean): FieldError[] {
  const errors: FieldError[] = [];
  const { podManagementPolicy, serviceName, updateStrategy = {} } = spec;
  if (podManagementPolicy !== 'OrderedReady' && podManagementPolicy !== 'Parallel') {
    errors.push(invalid('spec.podManagementPolicy', podManagementPolicy, "must be 'OrderedReady' or 'Parallel'"));
  }
  addErrors(errors, validateStrategy(updateStrategy));
  for (const problem of isNew && serviceName ? validateLabelName(serviceName) : []) {
    errors.push(invalid('spec.serviceName', serviceName, problem));
  }
  for (const [index, claim] of (isNew ? (spec.volumeClaimTemplates ?? []) : []).entries()) {
    addErrors(errors, validateClaimSpec(claim.spec ?? {}, `spec.volumeClaimTemplates[${index}].spec`));
  }
  addErrors(errors, validateSelector(spec.selector, spec.template, 'statefulset'));
  return errors;
}

function validate({ spec }: StatefulSet, old?: StatefulSet): FieldError[] {
  if (!spec) return validateSelector(undefined, undefined, 'statefulset');
  const errors = validateSpec(spec, !old);
  const problems = validateTemplate(spec, old?.spec?.template);
  // What was accepted once by older rules does not hinder other changes.
  const isTolerated =
    problems.length > 0 &&
    old?.spec &&
    [...validateSpec(old.spec, false), ...validateTemplate(old.spec, old.spec.template)].length > 0;
  return isTolerated ? errors : [...errors, ...problems];
}

/** The rest of a spec. */
function immutablePart(spec: StatefulSetSpec | undefined): object {
  const rest: Partial<StatefulSetSpec> = { ...spec };
  for (const field of MUTABLE) delete rest[field];
  return rest;
}

const validateUpdate = ({ spec }: StatefulSet, old: StatefulSet): FieldError[] =>
  semanticallyEqual(immutablePart(spec), immutablePart(old.spec)) ? [] : [forbidden('spec', IMMUTABLE)];

function validateStatus({ status = { replicas: 0 } }: StatefulSet, old: StatefulSet): FieldError[] {
  const errors: FieldError[] = [];
  for (const field of ['readyReplicas', 'currentReplicas', 'updatedReplicas', 'availableReplicas'] as const) {
    const count = status[field] ?? 0;
    if (count > status.replicas)
      errors.push(invalid(`status.${field}`, count, 'cannot be greater than status.replicas'));
  }
  if ((status.availableReplicas ?? 0) > (status.readyReplicas ?? 0)) {
    const problem = 'cannot be greater than status.readyReplicas';
    errors.push(invalid('status.availableReplicas', status.availableReplicas, problem));
  }
  return [...errors, ...validateCollisionCount(status.collisionCount, old.status?.collisionCount)];
}

function warnings(set: StatefulSet, old?: StatefulSet): string[] {
  const found = templateWarnings(set.spec?.template, 'spec.template', set, old);
  for (const [index, claim] of (set.spec?.volumeClaimTemplates ?? []).entries()) {
    const at = `spec.volumeClaimTemplates[${index}]${old ? '.Spec' : ''}`;
    for (const warning of claimWarnings(claim.spec ?? {}, at)) found.push(warning);
  }
  if ((set.spec?.revisionHistoryLimit ?? 0) < 0) {
    found.push(
      'spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended',
    );
  }
  return found;
}

export const statefulSets = defineKind<StatefulSet>({
  group: 'apps',
  version: 'v1',
  kind: 'StatefulSet',
  plural: 'statefulsets',
  shortNames: ['sts'],
  categories: ['all'],
  namespaced: true,
  schema: StatefulSet,
  validateName: validateLabelName,
  subresources: [scaleSubresource(), statusSubresource({ validate: validateStatus })],
  hasGeneration: true,
  columns: [
    nameColumn(),
    text('Ready', ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`),
    ageColumn(),
    ...containerColumns<StatefulSet>(({ spec }) => spec?.template),
  ],
  applyDefaults,
  prepareForCreate: (set) => {
    set.status = { replicas: 0, availableReplicas: 0 };
    dropMaxUnavailable(set);
  },
  prepareForUpdate: dropMaxUnavailable,
  validate,
  validateUpdate,
  warnings,
});

import { statusSubresource } from '../../machinery/subresources.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import { scaleSubresource } from '../autoscaling/scale.ts';
import { applyPodTemplateDefaults } from '../core/pod-defaults.ts';
import { ageColumn, nameColumn, text } from '../../machinery/columns.ts';
import { addErrors, type FieldError, forbidden, invalid } from '../../machinery/field-error.ts';
import { isNone, validateAtMostAll, validateIntOrPercent } from './int-or-percent.ts';
import {
  nameWarnings,
  templateColumns,
  templateWarnings,
  validateCollisionCount,
  validateLastingTemplate,
  validateSelector,
} from './workload.ts';
import { Deployment, DeploymentStrategy } from '../../types/apps/v1.gen.ts';

const DEFAULT_HISTORY = 10;
const DEFAULT_PROGRESS_SECONDS = 600;
const DEFAULT_SHARE = '25%';

function applyDefaults({ spec }: Deployment): void {
  if (!spec) return;
  spec.replicas ??= 1;
  const strategy = (spec.strategy ??= {});
  strategy.type ||= 'RollingUpdate';
  if (strategy.type === 'RollingUpdate') {
    const rolling = (strategy.rollingUpdate ??= {});
    rolling.maxUnavailable ??= DEFAULT_SHARE;
    rolling.maxSurge ??= DEFAULT_SHARE;
  }
  spec.revisionHistoryLimit ??= DEFAULT_HISTORY;
  spec.progressDeadlineSeconds ??= DEFAULT_PROGRESS_SECONDS;
  applyPodTemplateDefaults(spec.template);
}

function validateStrategy({ type, rollingUpdate }: DeploymentStrategy): FieldError[] {
  const path = 'spec.strategy';
  switch (type) {
    case 'Recreate':
      return rollingUpdate
        ? [forbidden(`${path}.rollingUpdate`, "may not be specified when strategy `type` is 'Recreate'")]
        : [];
    case 'RollingUpdate': {
      const at = `${path}.rollingUpdate`;
      const { maxUnavailable = 0, maxSurge = 0 } = rollingUpdate ?? {};
      const errors = [
        ...validateIntOrPercent(maxUnavailable, `${at}.maxUnavailable`),
        ...validateIntOrPercent(maxSurge, `${at}.maxSurge`),
      ];
      if (isNone(maxUnavailable) && isNone(maxSurge)) {
        errors.push(invalid(`${at}.maxUnavailable`, maxUnavailable, 'may not be 0 when `maxSurge` is 0'));
      }
      addErrors(errors, validateAtMostAll(maxUnavailable, `${at}.maxUnavailable`));
      return errors;
    }
    default:
      return [];
  }
}

function validate({ spec }: Deployment, old?: Deployment): FieldError[] {
  const errors = [
    ...validateSelector(spec?.selector, spec?.template, 'deployment'),
    ...validateLastingTemplate(spec?.template, 'ReplicaSet', old?.spec?.template),
    ...validateStrategy(spec?.strategy ?? {}),
  ];
  const deadline = spec?.progressDeadlineSeconds;
  if (deadline !== undefined && deadline <= (spec?.minReadySeconds ?? 0)) {
    errors.push(invalid('spec.progressDeadlineSeconds', deadline, 'must be greater than minReadySeconds'));
  }
  return errors;
}

function validateStatusUpdate({ status = {} }: Deployment, old: Deployment): FieldError[] {
  const errors: FieldError[] = [];
  const total = status.replicas ?? 0;
  for (const field of ['updatedReplicas', 'readyReplicas', 'availableReplicas'] as const) {
    const count = status[field] ?? 0;
    if (count > total) errors.push(invalid(`status.${field}`, count, 'cannot be greater than status.replicas'));
  }
  if ((status.availableReplicas ?? 0) > (status.readyReplicas ?? 0)) {
    errors.push(invalid('status.availableReplicas', status.availableReplicas, 'cannot be greater than readyReplicas'));
  }
  return [...errors, ...validateCollisionCount(status.collisionCount, old.status?.collisionCount)];
}

export const deployments = defineKind<Deployment>({
  group: 'apps',
  version: 'v1',
  kind: 'Deployment',
  plural: 'deployments',
  shortNames: ['deploy'],
  categories: ['all'],
  namespaced: true,
  schema: Deployment,
  subresources: [
    scaleSubresource(),
    statusSubresource({
      resets: ['spec', 'metadata.labels'],
      prepare: (deployment, old) => {
        deployment.spec = old.spec;
        if (deployment.metadata) deployment.metadata.labels = old.metadata?.labels;
      },
      validate: validateStatusUpdate,
    }),
  ],
  hasGeneration: true,
  columns: [
    nameColumn(),
    text('Ready', ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`),
    text('Up-to-date', ({ status }) => status?.updatedReplicas ?? 0),
    text('Available', ({ status }) => status?.availableReplicas ?? 0),
    ageColumn(),
    ...templateColumns<Deployment>(),
  ],
  applyDefaults,
  prepareForCreate: (deployment) => {
    deployment.status = {};
  },
  prepareForUpdate: (deployment, old) => {
    deployment.status = old.status;
  },
  validate,
  warnings: (deployment, old) => [
    ...nameWarnings(deployment, old),
    ...templateWarnings(deployment.spec?.template, 'spec.template', deployment, old),
  ],
});

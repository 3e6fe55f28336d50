import { ageColumn, integer, nameColumn, text } from '../../machinery/columns.ts';
import { semanticallyEqual } from '../../machinery/deep-equal.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import { addErrors, type FieldError, invalid, notSupported, required } from '../../machinery/field-error.ts';
import { formatLabels, validateLabelSelector } from '../../machinery/selectors.ts';
import { statusSubresource } from '../../machinery/subresources.ts';
import { applyPodTemplateDefaults } from '../core/pod-defaults.ts';
import { isNone, validateAtMostAll, validateIntOrPercent } from './int-or-percent.ts';
import {
  templateColumns,
  templateWarnings,
  validateCollisionCount,
  validateLastingTemplate,
  validateMatch,
  validateNotEmpty,
} from './workload.ts';
import { DaemonSet, type DaemonSetUpdateStrategy, type RollingUpdateDaemonSet } from '../../types/apps/v1.gen.ts';

const DEFAULT_HISTORY = 10;
/** Counts the changes of the template; apps/v1 has no field for it. */
const TEMPLATE_GENERATION = 'deprecated.daemonset.template.generation';

function applyDefaults({ spec }: DaemonSet): void {
  if (!spec) return;
  const strategy = (spec.updateStrategy ??= {});
  strategy.type ||= 'RollingUpdate';
  if (strategy.type === 'RollingUpdate') {
    const rolling = (strategy.rollingUpdate ??= {});
    rolling.maxUnavailable ??= 1;
    rolling.maxSurge ??= 0;
  }
  spec.revisionHistoryLimit ??= DEFAULT_HISTORY;
  applyPodTemplateDefaults(spec.template);
}

const templateGenerationOf = ({ metadata }: DaemonSet): number =>
  Math.max(1, Number.parseInt(metadata?.annotations?.[TEMPLATE_GENERATION] ?? '', 10) || 0);

function setTemplateGeneration(set: DaemonSet, generation: number): void {
  const metadata = (set.metadata ??= {});
  metadata.annotations = { ...metadata.annotations, [TEMPLATE_GENERATION]: String(generation) };
}

function validateRollingUpdate({ maxUnavailable, maxSurge }: RollingUpdateDaemonSet, path: string): FieldError[] {
  const errors = [
    ...validateIntOrPercent(maxUnavailable, `${path}.maxUnavailable`),
    ...validateIntOrPercent(maxSurge, `${path}.maxSurge`),
    ...validateAtMostAll(maxUnavailable, `${path}.maxUnavailable`),
    ...validateAtMostAll(maxSurge, `${path}.maxSurge`),
  ];
  if (isNone(maxUnavailable) && isNone(maxSurge)) {
    errors.push(required(`${path}.maxUnavailable`, 'cannot be 0 when maxSurge is 0'));
  } else if (!isNone(maxUnavailable) && !isNone(maxSurge)) {
    errors.push(invalid(`${path}.maxSurge`, maxSurge, 'may not be set when maxUnavailable is non-zero'));
  }
  return errors;
}

function validateStrategy(strategy: DaemonSetUpdateStrategy): FieldError[] {
  const path = 'spec.updateStrategy';
  switch (strategy.type) {
    case 'OnDelete':
      return [];
    case 'RollingUpdate':
      return validateRollingUpdate(strategy.rollingUpdate ?? {}, `${path}.rollingUpdate`);
    default:
      return [notSupported(path, strategy, ['RollingUpdate', 'OnDelete'])];
  }
}

function validate({ spec }: DaemonSet, old?: DaemonSet): FieldError[] {
  const { selector, template, updateStrategy = {} } = spec ?? {};
  const errors = selector ? validateLabelSelector(selector, 'spec.selector') : [];
  if (errors.length === 0) addErrors(errors, validateMatch(selector, template));
  if (selector) addErrors(errors, validateNotEmpty(selector, 'daemonset'));
  addErrors(errors, validateLastingTemplate(template, 'DaemonSet', old?.spec?.template));
  addErrors(errors, validateStrategy(updateStrategy));
  return errors;
}

export const daemonSets = defineKind<DaemonSet>({
  group: 'apps',
  version: 'v1',
  kind: 'DaemonSet',
  plural: 'daemonsets',
  shortNames: ['ds'],
  categories: ['all'],
  namespaced: true,
  schema: DaemonSet,
  subresources: [
    statusSubresource({
      prepare: (set, old) => setTemplateGeneration(set, templateGenerationOf(old)),
      validate: ({ status }, old) => validateCollisionCount(status?.collisionCount, old.status?.collisionCount),
    }),
  ],
  hasGeneration: true,
  columns: [
    nameColumn(),
    integer('Desired', ({ status }) => status?.desiredNumberScheduled ?? 0),
    integer('Current', ({ status }) => status?.currentNumberScheduled ?? 0),
    integer('Ready', ({ status }) => status?.numberReady ?? 0),
    integer('Up-to-date', ({ status }) => status?.updatedNumberScheduled ?? 0),
    integer('Available', ({ status }) => status?.numberAvailable ?? 0),
    text('Node Selector', ({ spec }) => formatLabels(spec?.template.spec?.nodeSelector)),
    ageColumn(),
    ...templateColumns<DaemonSet>(),
  ],
  applyDefaults,
  prepareForCreate: (set) => {
    set.status = { currentNumberScheduled: 0, numberMisscheduled: 0, desiredNumberScheduled: 0, numberReady: 0 };
    setTemplateGeneration(set, templateGenerationOf(set));
  },
  prepareForUpdate: (set, old) => {
    const isChanged = !semanticallyEqual(set.spec?.template, old.spec?.template);
    setTemplateGeneration(set, templateGenerationOf(old) + Number(isChanged));
  },
  validate,
  warnings: (set, old) => templateWarnings(set.spec?.template, 'spec.template', set, old),
});

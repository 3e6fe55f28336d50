import { ageColumn, nameColumn, text } from '../../machinery/columns.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import { humanDuration } from '../../machinery/duration.ts';
import { addErrors, type FieldError, invalid, required } from '../../machinery/field-error.ts';
import { validateLabelName } from '../../machinery/names.ts';
import { own, setOwn } from '../../machinery/own.ts';
import { selectorFrom, validateLabelSelector } from '../../machinery/selectors.ts';
import { statusSubresource } from '../../machinery/subresources.ts';
import { nameWarnings, templateColumns, validateMatch } from '../apps/workload.ts';
import { hasCondition } from './job-conditions.ts';
import { applyJobDefaults, jobWarnings, validateJobSpec } from './job-spec.ts';
import { validateJobStatus } from './job-status.ts';
import { validateJobUpdate } from './job-update.ts';
import { Job } from '../../types/batch/v1.gen.ts';

const CONTROLLER_UID = 'batch.kubernetes.io/controller-uid';
const JOB_NAME = 'batch.kubernetes.io/job-name';
/** The names of both labels before they had a domain. */
const LEGACY_CONTROLLER_UID = 'controller-uid';
const LEGACY_JOB_NAME = 'job-name';

function applyDefaults({ metadata, spec }: Job): void {
  if (!spec) return;
  applyJobDefaults(spec);
  const labels = spec.template.metadata?.labels;
  // The same map, so that generated labels go into both, as upstream's do.
  if (labels && metadata && Object.keys(metadata.labels ?? {}).length === 0) metadata.labels = labels;
}

/** Labels that no other Job's pods have, and the selector for them; what the client has set is left to validation. */
function generateSelector({ metadata = {}, spec }: Job): void {
  if (!spec || spec.manualSelector) return;
  const { name = '', uid = '' } = metadata;
  const template = (spec.template.metadata ??= {});
  const labels = (template.labels ??= {});
  for (const key of [LEGACY_JOB_NAME, JOB_NAME]) if (own(labels, key) === undefined) setOwn(labels, key, name);
  for (const key of [LEGACY_CONTROLLER_UID, CONTROLLER_UID]) {
    if (own(labels, key) === undefined) setOwn(labels, key, uid);
  }
  const selected = ((spec.selector ??= {}).matchLabels ??= {});
  if (own(selected, CONTROLLER_UID) === undefined) setOwn(selected, CONTROLLER_UID, uid);
}

/** @param old Jobs from before the labels had a domain do without them */
function validateGenerated({ metadata = {}, spec }: Job, old?: Job): FieldError[] {
  if (!spec?.selector || spec.manualSelector) return [];
  const { name = '', uid = '' } = metadata;
  const wanted: Record<string, string> = { [LEGACY_CONTROLLER_UID]: uid, [LEGACY_JOB_NAME]: name };
  const before = old?.spec?.template.metadata?.labels;
  if (!old || (own(before, JOB_NAME) !== undefined && own(before, CONTROLLER_UID) !== undefined)) {
    Object.assign(wanted, { [CONTROLLER_UID]: uid, [JOB_NAME]: name });
  }
  const labels = spec.template.metadata?.labels;
  const errors: FieldError[] = [];
  for (const [key, value] of Object.entries(wanted)) {
    const path = `spec.template.metadata.labels[${key}]`;
    const label = own(labels, key);
    if (label === undefined) errors.push(required(path, `must be '${value}'`));
    else if (label !== value) errors.push(invalid(path, labels, `must be '${value}'`));
  }
  const isValid = validateLabelSelector(spec.selector, 'spec.selector').length === 0;
  if (isValid && !selectorFrom(spec.selector).matches(wanted)) {
    errors.push(invalid('spec.selector', spec.selector, '`selector` not auto-generated'));
  }
  return errors;
}

function validate(job: Job, old?: Job): FieldError[] {
  const { metadata, spec } = job;
  if (!spec) return [required('spec.selector')];
  const errors = validateGenerated(job, old);
  addErrors(errors, validateJobSpec(spec, 'spec', old?.spec));
  const { selector, completions = 0, completionMode } = spec;
  const problems = selector ? validateLabelSelector(selector, 'spec.selector') : [required('spec.selector')];
  addErrors(errors, problems);
  if (!selector || problems.length === 0) addErrors(errors, validateMatch(selector, spec.template));
  if (completionMode === 'Indexed' && completions > 0) {
    const last = `${metadata?.name ?? ''}-${completions - 1}`;
    if (validateLabelName(last).length > 0) {
      const problem = `will not able to create pod with invalid DNS label: ${last}`;
      errors.push(invalid('metadata.name', metadata?.name ?? '', problem));
    }
  }
  return errors;
}

/** What it is shown as, in this order. */
const STATES = ['Suspended', 'FailureTarget', 'SuccessCriteriaMet'] as const;

function stateOf({ metadata, status }: Job): string {
  if (hasCondition(status, 'Complete')) return 'Complete';
  if (hasCondition(status, 'Failed')) return 'Failed';
  if (metadata?.deletionTimestamp) return 'Terminating';
  return STATES.find((type) => hasCondition(status, type)) ?? 'Running';
}

function completionsOf({ spec, status }: Job): string {
  const succeeded = status?.succeeded ?? 0;
  if (spec?.completions !== undefined) return `${succeeded}/${spec.completions}`;
  const parallelism = spec?.parallelism ?? 0;
  return parallelism > 1 ? `${succeeded}/1 of ${parallelism}` : `${succeeded}/1`;
}

function durationOf({ status }: Job, now: number): string {
  if (!status?.startTime) return '';
  const end = status.completionTime ? Date.parse(status.completionTime) : now;
  return humanDuration(end - Date.parse(status.startTime));
}

export const jobs = defineKind<Job>({
  group: 'batch',
  version: 'v1',
  kind: 'Job',
  plural: 'jobs',
  categories: ['all'],
  namespaced: true,
  schema: Job,
  subresources: [statusSubresource({ validate: validateJobStatus })],
  hasGeneration: true,
  deletion: {
    orphansDependents: true,
    orphanWarning:
      'child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set ' +
      'propagationPolicy=Orphan to suppress this warning',
  },
  selectableFields: { 'status.successful': ({ status }) => String(status?.succeeded ?? 0) },
  columns: [
    nameColumn(),
    text('Status', stateOf),
    text('Completions', completionsOf),
    text('Duration', durationOf),
    ageColumn(),
    ...templateColumns<Job>(),
  ],
  applyDefaults,
  prepareForCreate: (job) => {
    generateSelector(job);
    // The template has labels now in any case.
    applyDefaults(job);
    job.status = {};
  },
  validate,
  validateUpdate: validateJobUpdate,
  warnings: (job, old) => {
    if (old && old.metadata?.generation === job.metadata?.generation) return [];
    return [...nameWarnings(job, old), ...jobWarnings(job.spec, 'spec')];
  },
});

import { ageColumn, integer, nameColumn, text } from '../../machinery/columns.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import { ageOf } from '../../machinery/duration.ts';
import { addErrors, type FieldError, invalid, notSupported } from '../../machinery/field-error.ts';
import { statusSubresource } from '../../machinery/subresources.ts';
import { containerColumns, nameWarnings, selectorColumn } from '../apps/workload.ts';
import { scheduleProblem } from './cron-schedule.ts';
import { applyTemplateDefaults, jobWarnings, validateJobSpec } from './job-spec.ts';
import { validateTimeZone } from './time-zone.ts';
import { CronJob, type CronJobSpec, type JobSpec } from '../../types/batch/v1.gen.ts';

const DEFAULT_SUCCESSFUL_HISTORY = 3;
const DEFAULT_FAILED_HISTORY = 1;
/** The controller appends `-` and ten digits for the name of a Job, which is a label. */
const MAX_NAME = 52;
const TEMPLATE = 'spec.jobTemplate.spec';
/** Upstream's path says `spec` twice, too. */
const ZONE_WARNING =
  'cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead, see ' +
  'https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details';

function applyDefaults({ spec }: CronJob): void {
  if (!spec) return;
  spec.concurrencyPolicy ||= 'Allow';
  spec.suspend ??= false;
  spec.successfulJobsHistoryLimit ??= DEFAULT_SUCCESSFUL_HISTORY;
  spec.failedJobsHistoryLimit ??= DEFAULT_FAILED_HISTORY;
  applyTemplateDefaults(spec.jobTemplate.spec);
}

const namesZone = (schedule: string | undefined): boolean => schedule?.includes('TZ') ?? false;

/** A zone within the schedule was accepted once, and is as long as it is there. An empty schedule violates the schema. */
function validateSchedule({ schedule, timeZone }: CronJobSpec, old?: CronJobSpec): FieldError[] {
  if (schedule === '') return [];
  const path = 'spec.schedule';
  const errors: FieldError[] = [];
  const problem = scheduleProblem(schedule);
  if (problem !== undefined) errors.push(invalid(path, schedule, problem));
  if (!namesZone(schedule)) return errors;
  if (!namesZone(old?.schedule)) {
    errors.push(invalid(path, schedule, 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead'));
  } else if (timeZone !== undefined) {
    errors.push(invalid(path, schedule, 'cannot use both timeZone field and TZ or CRON_TZ in schedule'));
  }
  return errors;
}

/** Its selector is generated for each Job. */
function validateTemplate(spec: JobSpec, old: JobSpec | undefined): FieldError[] {
  const errors = validateJobSpec(spec, TEMPLATE, old);
  if (spec.selector) {
    errors.push(invalid(`${TEMPLATE}.selector`, spec.selector, '`selector` will be auto-generated'));
  }
  if (spec.manualSelector) errors.push(notSupported(`${TEMPLATE}.manualSelector`, true, ['nil', 'false']));
  return errors;
}

function validate({ metadata, spec }: CronJob, old?: CronJob): FieldError[] {
  const errors = spec ? validateSchedule(spec, old?.spec) : [];
  if (!old || old.spec?.timeZone !== spec?.timeZone) {
    addErrors(errors, validateTimeZone(spec?.timeZone, 'spec.timeZone'));
  }
  addErrors(errors, validateTemplate(spec?.jobTemplate.spec ?? { template: {} }, old?.spec?.jobTemplate.spec));
  if (!old && (metadata?.name?.length ?? 0) > MAX_NAME) {
    errors.push(invalid('metadata.name', metadata?.name, `must be no more than ${MAX_NAME} characters`));
  }
  return errors;
}

function warnings(cronJob: CronJob, old?: CronJob): string[] {
  const { spec } = cronJob;
  const isChanged = !old || old.metadata?.generation !== cronJob.metadata?.generation;
  const found = [...nameWarnings(cronJob, old), ...(isChanged ? jobWarnings(spec?.jobTemplate.spec, TEMPLATE) : [])];
  if (old && namesZone(spec?.schedule)) found.push(ZONE_WARNING);
  return found;
}

const templateOf = ({ spec }: CronJob): JobSpec | undefined => spec?.jobTemplate.spec;

export const cronJobs = defineKind<CronJob>({
  group: 'batch',
  version: 'v1',
  kind: 'CronJob',
  plural: 'cronjobs',
  shortNames: ['cj'],
  categories: ['all'],
  namespaced: true,
  schema: CronJob,
  subresources: [statusSubresource()],
  hasGeneration: true,
  columns: [
    nameColumn(),
    text('Schedule', ({ spec }) => spec?.schedule ?? ''),
    text('Timezone', ({ spec }) => spec?.timeZone ?? '<none>'),
    { ...text<CronJob>('Suspend', ({ spec }) => (spec?.suspend ? 'True' : 'False')), type: 'boolean' },
    integer('Active', ({ status }) => status?.active?.length ?? 0),
    text('Last Schedule', ({ status }, now) =>
      status?.lastScheduleTime ? ageOf(status.lastScheduleTime, now) : '<none>',
    ),
    ageColumn(),
    ...containerColumns<CronJob>((cronJob) => templateOf(cronJob)?.template),
    selectorColumn((cronJob) => templateOf(cronJob)?.selector),
  ],
  applyDefaults,
  prepareForCreate: (cronJob) => {
    cronJob.status = {};
  },
  validate,
  warnings,
});

/** What an update may change of a Job: upstream's `ValidateJobSpecUpdate`. */
import { semanticallyEqual } from '../../machinery/deep-equal.ts';
import { addErrors, type FieldError, immutableField, invalid } from '../../machinery/field-error.ts';
import { hasCondition } from './job-conditions.ts';
import type { Job, JobSpec } from '../../types/batch/v1.gen.ts';
import type { Container, PodSpec, PodTemplateSpec } from '../../types/core/v1.gen.ts';

const IMMUTABLE = ['completionMode', 'podFailurePolicy', 'backoffLimitPerIndex', 'managedBy', 'successPolicy'] as const;

const changed = (value: unknown, old: unknown, path: string): FieldError[] =>
  semanticallyEqual(value, old) ? [] : [immutableField(path, value)];

/** Indexed Jobs are scaled by changing completions and parallelism together. */
function validateCompletions({ completions, completionMode, parallelism }: JobSpec, old: JobSpec): FieldError[] {
  const path = 'spec.completions';
  if (completionMode !== 'Indexed') return changed(completions, old.completions, path);
  if (completions === old.completions || completions === undefined || completions === parallelism) return [];
  return [invalid(path, completions, 'can only be modified in tandem with spec.parallelism')];
}

/** The old template with what may change of a Job that has no pods yet: where they run and how they are labelled. */
function withDirectives(old: PodTemplateSpec, { metadata, spec }: PodTemplateSpec): PodTemplateSpec {
  return {
    ...old,
    metadata: { ...old.metadata, labels: metadata?.labels, annotations: metadata?.annotations },
    spec: {
      ...(old.spec ?? { containers: [] }),
      affinity: { ...old.spec?.affinity, nodeAffinity: spec?.affinity?.nodeAffinity },
      nodeSelector: spec?.nodeSelector,
      tolerations: spec?.tolerations,
      schedulingGates: spec?.schedulingGates,
    },
  };
}

/** The old containers with the resources of the new ones, where these have the same names in the same places. */
function withResources(before: readonly Container[] | null | undefined, after: typeof before): Container[] {
  // A required list that is absent is decoded as null.
  const [old, wanted] = [before ?? [], after ?? []];
  if (old.length !== wanted.length) return [...old];
  return old.map((container, index) => {
    const { name, resources } = wanted[index] ?? container;
    return name === container.name ? { ...container, resources } : container;
  });
}

/** A Job that is suspended and has no pods: how its future ones are scheduled, and their resources, may change. */
function isTemplateMutable({ spec, status }: Job): boolean {
  const isQuiet = status?.startTime === undefined || hasCondition(status, 'Suspended');
  return spec?.suspend === true && isQuiet && (status?.active ?? 0) === 0;
}

function validateTemplate(template: PodTemplateSpec, old: Job & { spec: JobSpec }): FieldError[] {
  const path = 'spec.template';
  if (!isTemplateMutable(old)) return changed(template, old.spec.template, path);
  const base = withDirectives(old.spec.template, template);
  const { containers, initContainers } = template.spec ?? {};
  const allowed: PodSpec = {
    ...(base.spec ?? {}),
    containers: withResources(base.spec?.containers, containers),
    initContainers: withResources(base.spec?.initContainers, initContainers),
  };
  return changed(template.spec, allowed, `${path}.spec`);
}

export function validateJobUpdate({ spec }: Job, old: Job): FieldError[] {
  if (!spec || !old.spec) return [];
  const errors = validateCompletions(spec, old.spec);
  addErrors(errors, changed(spec.selector, old.spec.selector, 'spec.selector'));
  addErrors(errors, validateTemplate(spec.template, { ...old, spec: old.spec }));
  for (const field of IMMUTABLE) addErrors(errors, changed(spec[field], old.spec[field], `spec.${field}`));
  return errors;
}

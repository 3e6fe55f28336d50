import { CLUSTER_CRITICAL, NODE_CRITICAL } from '../../domain/system-priority.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import { ageColumn, integer, nameColumn, text } from '../../machinery/columns.ts';
import { type FieldError, forbidden } from '../../machinery/field-error.ts';
import { PriorityClass } from '../../types/scheduling/v1.gen.ts';

const MAX_USER_PRIORITY = 1_000_000_000;
/** The classes that every cluster has, by name. */
export const SYSTEM_CLASSES: ReadonlyMap<string, number> = new Map(
  [NODE_CRITICAL, CLUSTER_CRITICAL].map(({ name, value }) => [name, value]),
);

export const priorityClasses = defineKind<PriorityClass>({
  group: 'scheduling.k8s.io',
  version: 'v1',
  kind: 'PriorityClass',
  plural: 'priorityclasses',
  shortNames: ['pc'],
  namespaced: false,
  schema: PriorityClass,
  hasGeneration: true,
  columns: [
    nameColumn(),
    integer('Value', ({ value }) => value ?? 0),
    { ...text('Global-Default', ({ globalDefault }: PriorityClass) => globalDefault ?? false), type: 'boolean' },
    ageColumn(),
    text('PreemptionPolicy', ({ preemptionPolicy }) => preemptionPolicy ?? ''),
  ],
  applyDefaults: (priorityClass) => {
    priorityClass.preemptionPolicy ??= 'PreemptLowerPriority';
  },
  validate: ({ metadata, value = 0, globalDefault }) => {
    const errors: FieldError[] = [];
    const name = metadata?.name ?? '';
    if (name.startsWith('system-')) {
      if (SYSTEM_CLASSES.get(name) !== value || globalDefault) {
        errors.push(
          forbidden('metadata.name', "priority class names with 'system-' prefix are reserved for system use only"),
        );
      }
    } else if (value > MAX_USER_PRIORITY) {
      errors.push(forbidden('value', `maximum allowed value of a user defined priority is ${MAX_USER_PRIORITY}`));
    }
    return errors;
  },
  validateUpdate: ({ value }, old) =>
    (value ?? 0) === (old.value ?? 0) ? [] : [forbidden('value', 'may not be changed in an update.')],
});

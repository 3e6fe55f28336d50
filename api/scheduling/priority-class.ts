import { defineKind } from '../machinery/define-kind.ts';
import { always, boolean, int32, oneOf, string, struct, type Static } from '../machinery/schema.ts';
import { ObjectMeta } from '../meta/object-meta.ts';

export const PriorityClass = struct(
  'io.k8s.api.scheduling.v1.PriorityClass',
  {},
  {
    apiVersion: string(),
    description: string(),
    globalDefault: boolean(),
    kind: string(),
    metadata: always(ObjectMeta),
    preemptionPolicy: oneOf('Never', 'PreemptLowerPriority'),
    value: always(int32()),
  },
);
export type PriorityClass = Static<typeof PriorityClass>;

export const priorityClasses = defineKind<PriorityClass>({
  group: 'scheduling.k8s.io',
  version: 'v1',
  kind: 'PriorityClass',
  plural: 'priorityclasses',
  shortNames: ['pc'],
  namespaced: false,
  schema: PriorityClass,
});

import { defineKind } from '../../machinery/define-kind.ts';
import { type FieldError, invalid, required } from '../../machinery/field-error.ts';
import { eventColumns } from './event-columns.ts';
import { Event } from '../../types/core/v1.gen.ts';

/** The fields of the reference to its object that events can be selected by, in both versions. */
export const REFERENCE_FIELDS = [
  'kind',
  'namespace',
  'name',
  'uid',
  'apiVersion',
  'resourceVersion',
  'fieldPath',
] as const;

/** The namespaces of events about cluster-scoped objects. */
const CLUSTER_EVENT_NAMESPACES = ['default', 'kube-system'];

/** An event is in the namespace of its object; one with `eventTime` names its reporter. */
export function validateEvent(event: Event): FieldError[] {
  const { involvedObject, metadata, eventTime } = event;
  const namespace = metadata.namespace ?? '';
  const about = involvedObject.namespace ?? '';
  const errors: FieldError[] = [];
  if (about === '' ? !CLUSTER_EVENT_NAMESPACES.includes(namespace) : about !== namespace) {
    errors.push(invalid('involvedObject.namespace', about, 'does not match event.namespace'));
  }
  if (eventTime) {
    for (const field of ['reportingComponent', 'reportingInstance', 'action', 'reason'] as const) {
      const name = field === 'reportingComponent' ? 'reportingController' : field;
      if (!event[field]) errors.push(required(name));
    }
  }
  return errors;
}

export const events = defineKind<Event>({
  group: '',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  shortNames: ['ev'],
  namespaced: true,
  schema: Event,
  createOnUpdate: true,
  columns: eventColumns<Event>((event) => event),
  selectableFields: {
    ...Object.fromEntries(
      REFERENCE_FIELDS.map((field) => [
        `involvedObject.${field}`,
        ({ involvedObject }: Event) => involvedObject[field] ?? '',
      ]),
    ),
    reason: ({ reason }) => reason ?? '',
    reportingComponent: ({ reportingComponent }) => reportingComponent ?? '',
    source: ({ source, reportingComponent }) => source?.component || reportingComponent || '',
    type: ({ type }) => type ?? '',
  },
  validate: validateEvent,
});

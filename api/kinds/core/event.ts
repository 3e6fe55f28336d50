import { defineKind } from '../../machinery/define-kind.ts';
import { type FieldError, invalid, required } from '../../machinery/field-error.ts';
import { validatePathSegmentName, validateQualifiedName } from '../../machinery/names.ts';
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
/** Those of events without `eventTime`. */
const OLD_CLUSTER_EVENT_NAMESPACES = ['default'];
const MAX_NAME_BYTES = 128;
const MAX_MESSAGE_BYTES = 1024;

/** What messages call the reporter, which depends on the version of the request. */
type ReporterField = 'reportingComponent' | 'reportingController';

/**
 * What holds in every version: one with `eventTime` says who reports what; one without is in the namespace of its object.
 * Upstream: `legacyValidateEvent`.
 */
export function validateEvent(event: Event, reporter: ReporterField): FieldError[] {
  const { involvedObject, metadata, eventTime } = event;
  const namespace = metadata.namespace ?? '';
  const about = involvedObject.namespace ?? '';
  const homes = eventTime ? CLUSTER_EVENT_NAMESPACES : OLD_CLUSTER_EVENT_NAMESPACES;
  const isAtHome = about === '' ? homes.includes(namespace) : Boolean(eventTime) || about === namespace;
  const errors = isAtHome ? [] : [invalid('involvedObject.namespace', about, 'does not match event.namespace')];
  if (!eventTime) return errors;
  const { reportingComponent = '' } = event;
  if (!reportingComponent) errors.push(required(reporter));
  for (const problem of validateQualifiedName(reportingComponent)) {
    errors.push(invalid(reporter, reportingComponent, problem));
  }
  const limit = (field: 'reportingInstance' | 'action' | 'reason' | 'message', maxBytes: number): void => {
    if (Buffer.byteLength(event[field] ?? '') <= maxBytes) return;
    errors.push(invalid(field, '', `can have at most ${maxBytes} characters`));
  };
  for (const field of ['reportingInstance', 'action', 'reason'] as const) {
    if (!event[field]) errors.push(required(field));
    limit(field, MAX_NAME_BYTES);
  }
  limit('message', MAX_MESSAGE_BYTES);
  return errors;
}

export const events = defineKind<Event>({
  group: '',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  shortNames: ['ev'],
  namespaced: true,
  freeFinalizers: true,
  validateName: validatePathSegmentName,
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
  validate: (event) => validateEvent(event, 'reportingComponent'),
});

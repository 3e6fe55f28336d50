/** What events.k8s.io/v1 requires of events beyond core/v1, in which they are stored: errors have core/v1's names of fields. */
import { semanticallyEqual } from '../../machinery/deep-equal.ts';
import { type FieldError, immutableField, invalid, required } from '../../machinery/field-error.ts';
import type { Event } from '../../types/core/v1.gen.ts';

const TYPES: ReadonlySet<string> = new Set(['Normal', 'Warning']);
const FIXED_FIELDS = [
  ...(['involvedObject', 'reason', 'message', 'source', 'firstTimestamp', 'lastTimestamp', 'count', 'type'] as const),
  ...(['eventTime', 'action', 'related', 'reportingComponent', 'reportingInstance'] as const),
];

function validateSeries({ series }: Event): FieldError[] {
  const errors: FieldError[] = [];
  if (!series) return errors;
  if ((series.count ?? 0) < 2) errors.push(invalid('series.count', '', 'should be at least 2'));
  if (!series.lastObservedTime) errors.push(required('series.lastObservedTime'));
  return errors;
}

/** A new event is complete, and has nothing that is deprecated. Upstream: `ValidateEventCreate`. */
export function validateNewEvent(event: Event): FieldError[] {
  const errors = validateSeries(event);
  const { eventTime, type = '', source } = event;
  if (!eventTime) errors.push(required('eventTime'));
  if (!TYPES.has(type)) errors.push(invalid('type', '', `has invalid value: ${type}`));
  const isSet = {
    firstTimestamp: event.firstTimestamp,
    lastTimestamp: event.lastTimestamp,
    count: event.count,
    source: source?.component || source?.host,
  };
  for (const [field, value] of Object.entries(isSet)) {
    if (value) errors.push(invalid(field, '', 'needs to be unset'));
  }
  return errors;
}

/** Only the series and the metadata of an event change. Upstream: `ValidateEventUpdate`. */
export function validateChangedEvent(event: Event, old: Event): FieldError[] {
  const errors = semanticallyEqual(event.series, old.series) ? [] : validateSeries(event);
  for (const field of FIXED_FIELDS) {
    if (semanticallyEqual(event[field], old[field])) continue;
    const name = field === 'reportingComponent' ? 'reportingController' : field;
    errors.push(immutableField(name, event[field] ?? ''));
  }
  return errors;
}

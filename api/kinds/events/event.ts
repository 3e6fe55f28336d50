import { semanticallyEqual } from '../../machinery/deep-equal.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import { type FieldError, invalid, required } from '../../machinery/field-error.ts';
import { eventColumns } from '../core/event-columns.ts';
import { events as coreEvents, REFERENCE_FIELDS, validateEvent } from '../core/event.ts';
import { storedAs } from '../../machinery/stored-as.ts';
import type { Event as CoreEvent } from '../../types/core/v1.gen.ts';
import { Event } from '../../types/events/v1.gen.ts';

/** Converts to core/v1, in which events are stored: upstream's `events/v1` conversion. */
export function toCoreEvent(event: Event): CoreEvent {
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: event.metadata ?? {},
    involvedObject: event.regarding ?? {},
    reason: event.reason,
    message: event.note,
    source: event.deprecatedSource ?? {},
    firstTimestamp: event.deprecatedFirstTimestamp,
    lastTimestamp: event.deprecatedLastTimestamp,
    count: event.deprecatedCount,
    type: event.type,
    eventTime: event.eventTime,
    series: event.series,
    action: event.action,
    related: event.related,
    reportingComponent: event.reportingController,
    reportingInstance: event.reportingInstance,
  };
}

export function fromCoreEvent(event: CoreEvent): Event {
  const { count = 0, lastObservedTime = null } = event.series ?? {};
  return {
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: event.metadata,
    eventTime: event.eventTime ?? null,
    series: event.series && { count, lastObservedTime },
    reportingController: event.reportingComponent,
    reportingInstance: event.reportingInstance,
    action: event.action,
    reason: event.reason,
    regarding: event.involvedObject,
    related: event.related,
    note: event.message,
    type: event.type,
    deprecatedSource: event.source,
    deprecatedFirstTimestamp: event.firstTimestamp,
    deprecatedLastTimestamp: event.lastTimestamp,
    deprecatedCount: event.count,
  };
}

function validateSeries({ series }: CoreEvent): FieldError[] {
  const errors: FieldError[] = [];
  if (!series) return errors;
  if ((series.count ?? 0) < 2) errors.push(invalid('series.count', '', 'should be at least 2'));
  if (!series.lastObservedTime) errors.push(required('series.lastObservedTime'));
  return errors;
}

/** What this version requires of a new event beyond core/v1, by the names of core/v1. Upstream: `ValidateEventCreate`. */
function validateNew(event: CoreEvent): FieldError[] {
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

/** In this version only the series and the metadata of an event change. Upstream: `ValidateEventUpdate`. */
function validateChange(event: CoreEvent, old: CoreEvent): FieldError[] {
  const errors = semanticallyEqual(event.series, old.series) ? [] : validateSeries(event);
  for (const field of FIXED_FIELDS) {
    if (semanticallyEqual(event[field], old[field])) continue;
    const name = field === 'reportingComponent' ? 'reportingController' : field;
    errors.push(invalid(name, event[field] ?? '', 'field is immutable'));
  }
  return errors;
}

const TYPES: ReadonlySet<string> = new Set(['Normal', 'Warning']);
const FIXED_FIELDS = [
  ...(['involvedObject', 'reason', 'message', 'source', 'firstTimestamp', 'lastTimestamp', 'count', 'type'] as const),
  ...(['eventTime', 'action', 'related', 'reportingComponent', 'reportingInstance'] as const),
];

export const events = defineKind<Event>({
  group: 'events.k8s.io',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  shortNames: ['ev'],
  namespaced: true,
  schema: Event,
  createOnUpdate: true,
  storedAs: storedAs(coreEvents, {
    toStored: toCoreEvent,
    fromStored: fromCoreEvent,
    fields: {
      ...Object.fromEntries(REFERENCE_FIELDS.map((field) => [`regarding.${field}`, `involvedObject.${field}`])),
      reason: 'reason',
      reportingController: 'reportingComponent',
      type: 'type',
    },
  }),
  columns: eventColumns<Event>(toCoreEvent),
  validate: (event, old) => {
    const core = toCoreEvent(event);
    const rules = old ? validateChange(core, toCoreEvent(old)) : validateNew(core);
    return [...validateEvent(core, 'reportingController'), ...rules];
  },
});

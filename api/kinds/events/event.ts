import { defineKind } from '../../machinery/define-kind.ts';
import { eventColumns } from '../core/event-columns.ts';
import { events as coreEvents, REFERENCE_FIELDS, validateEvent } from '../core/event.ts';
import { storedAs } from '../../machinery/stored-as.ts';
import type { Event as CoreEvent } from '../../types/core/v1.gen.ts';
import { Event } from '../../types/events/v1.gen.ts';
import { validateChangedEvent, validateNewEvent } from './event-validation.ts';

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
    const rules = old ? validateChangedEvent(core, toCoreEvent(old)) : validateNewEvent(core);
    return [...validateEvent(core, 'reportingController'), ...rules];
  },
});

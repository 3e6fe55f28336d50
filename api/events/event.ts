import { defineKind } from '../machinery/define-kind.ts';
import { always, int32, microTime, string, struct, time, type Static } from '../machinery/schema.ts';
import { EventSource, ObjectReference } from '../core/references.ts';
import { ObjectMeta } from '../meta/object-meta.ts';
import { eventColumns } from '../core/event-columns.ts';
import { validateEvent } from '../core/event.ts';
import type { Event as CoreEvent } from '../core/event.ts';

export const EventSeries = struct(
  'io.k8s.api.events.v1.EventSeries',
  {
    count: int32(),
    lastObservedTime: microTime(),
  },
  {},
);
export type EventSeries = Static<typeof EventSeries>;

export const Event = struct(
  'io.k8s.api.events.v1.Event',
  {
    eventTime: microTime(),
  },
  {
    action: string(),
    apiVersion: string(),
    deprecatedCount: int32(),
    deprecatedFirstTimestamp: always(time()),
    deprecatedLastTimestamp: always(time()),
    deprecatedSource: always(EventSource),
    kind: string(),
    metadata: always(ObjectMeta),
    note: string(),
    reason: string(),
    regarding: always(ObjectReference),
    related: ObjectReference,
    reportingController: string(),
    reportingInstance: string(),
    series: EventSeries,
    type: string(),
  },
);
export type Event = Static<typeof Event>;

/** The same event as the core group has it, which is how events are stored. */
export function asCoreEvent(event: Event): CoreEvent {
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

export const events = defineKind<Event>({
  group: 'events.k8s.io',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  shortNames: ['ev'],
  namespaced: true,
  schema: Event,
  createOnUpdate: true,
  storedAs: 'events',
  columns: eventColumns<Event>(asCoreEvent),
  selectableFields: {
    'regarding.kind': ({ regarding }) => regarding?.kind ?? '',
    'regarding.namespace': ({ regarding }) => regarding?.namespace ?? '',
    'regarding.name': ({ regarding }) => regarding?.name ?? '',
    'regarding.uid': ({ regarding }) => regarding?.uid ?? '',
    'regarding.apiVersion': ({ regarding }) => regarding?.apiVersion ?? '',
    'regarding.resourceVersion': ({ regarding }) => regarding?.resourceVersion ?? '',
    'regarding.fieldPath': ({ regarding }) => regarding?.fieldPath ?? '',
    reason: ({ reason }) => reason ?? '',
    reportingController: ({ reportingController }) => reportingController ?? '',
    type: ({ type }) => type ?? '',
  },
  validate: (event) => validateEvent(asCoreEvent(event)),
});

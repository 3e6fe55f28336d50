import { defineKind } from '../machinery/define-kind.ts';
import { always, int32, microTime, string, struct, time, type Static } from '../machinery/schema.ts';
import { EventSource, ObjectReference } from '../core/references.ts';
import { ObjectMeta } from '../meta/object-meta.ts';

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

export const events = defineKind<Event>({
  group: 'events.k8s.io',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  shortNames: ['ev'],
  namespaced: true,
  schema: Event,
});

import { defineKind } from '../machinery/define-kind.ts';
import { always, int32, microTime, string, struct, time, type Static } from '../machinery/schema.ts';
import { EventSource, ObjectReference } from './references.ts';
import { ObjectMeta } from '../meta/object-meta.ts';

export const EventSeries = struct(
  'io.k8s.api.core.v1.EventSeries',
  {},
  {
    count: int32(),
    lastObservedTime: always(microTime()),
  },
);
export type EventSeries = Static<typeof EventSeries>;

export const Event = struct(
  'io.k8s.api.core.v1.Event',
  {
    involvedObject: ObjectReference,
    metadata: ObjectMeta,
  },
  {
    action: string(),
    apiVersion: string(),
    count: int32(),
    eventTime: always(microTime()),
    firstTimestamp: always(time()),
    kind: string(),
    lastTimestamp: always(time()),
    message: string(),
    reason: string(),
    related: ObjectReference,
    reportingComponent: always(string()),
    reportingInstance: always(string()),
    series: EventSeries,
    source: always(EventSource),
    type: string(),
  },
);
export type Event = Static<typeof Event>;

export const events = defineKind<Event>({
  group: '',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  shortNames: ['ev'],
  namespaced: true,
  schema: Event,
});

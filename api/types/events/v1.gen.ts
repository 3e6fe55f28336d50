// Generated from api/types/facts.txt by `npm run generate`.
import { int32, microTime, optional, required, string, struct, time } from '../../machinery/schema.ts';
import { EventSource, ObjectReference } from '../core/v1.gen.ts';
import { ObjectMeta } from '../meta/v1.gen.ts';

export const Event = struct('io.k8s.api.events.v1.Event', () => ({
  eventTime: required(2, microTime),
  action: optional(6, string),
  apiVersion: optional(undefined, string),
  deprecatedCount: optional(15, int32),
  deprecatedFirstTimestamp: optional(13, time, { always: true }),
  deprecatedLastTimestamp: optional(14, time, { always: true }),
  deprecatedSource: optional(12, EventSource, { always: true }),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  note: optional(10, string),
  reason: optional(7, string),
  regarding: optional(8, ObjectReference, { always: true }),
  related: optional(9, ObjectReference),
  reportingController: optional(4, string),
  reportingInstance: optional(5, string),
  series: optional(3, EventSeries),
  type: optional(11, string),
}));
export type Event = {
  eventTime: string | null;
  action?: string;
  apiVersion?: string;
  deprecatedCount?: number;
  deprecatedFirstTimestamp?: string | null;
  deprecatedLastTimestamp?: string | null;
  deprecatedSource?: EventSource;
  kind?: string;
  metadata?: ObjectMeta;
  note?: string;
  reason?: string;
  regarding?: ObjectReference;
  related?: ObjectReference;
  reportingController?: string;
  reportingInstance?: string;
  series?: EventSeries;
  type?: string;
};

export const EventSeries = struct('io.k8s.api.events.v1.EventSeries', () => ({
  count: required(1, int32),
  lastObservedTime: required(2, microTime),
}));
export type EventSeries = {
  count: number;
  lastObservedTime: string | null;
};

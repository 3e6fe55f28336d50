/** What `kubectl get events` shows, for events of both groups. */
import { nameColumn, text, wide } from '../../machinery/columns.ts';
import { ageOf } from '../../machinery/duration.ts';
import type { Column, KubeObject } from '../../machinery/kind.ts';
import type { Event } from '../../types/core/v1.gen.ts';

const isTime = (time: string | null | undefined): time is string => typeof time === 'string' && time !== '';

const firstSeen = ({ firstTimestamp, eventTime }: Event, now: number): string =>
  ageOf(isTime(firstTimestamp) ? firstTimestamp : eventTime, now);

function lastSeen(event: Event, now: number): string {
  if (event.series) return ageOf(event.series.lastObservedTime, now);
  return isTime(event.lastTimestamp) ? ageOf(event.lastTimestamp, now) : firstSeen(event, now);
}

function objectOf({ involvedObject }: Event): string {
  const kind = (involvedObject.kind ?? '').toLowerCase();
  return involvedObject.name ? `${kind}/${involvedObject.name}` : kind;
}

function sourceOf({ source, reportingComponent, reportingInstance }: Event): string {
  const component = source?.component || reportingComponent || '';
  const host = source?.host || reportingInstance;
  return host ? `${component}, ${host}` : component;
}

/** @param asCore converts an event of the kind to core/v1 */
export const eventColumns = <T extends KubeObject>(asCore: (event: T) => Event): readonly Column<T>[] => [
  text('Last Seen', (event, now) => lastSeen(asCore(event), now)),
  text('Type', (event) => asCore(event).type ?? ''),
  text('Reason', (event) => asCore(event).reason ?? ''),
  text('Object', (event) => objectOf(asCore(event))),
  wide('Subobject', (event) => asCore(event).involvedObject.fieldPath ?? ''),
  wide('Source', (event) => sourceOf(asCore(event))),
  text('Message', (event) => (asCore(event).message ?? '').trim()),
  wide('First Seen', (event, now) => firstSeen(asCore(event), now)),
  wide('Count', (event) => {
    const { series, count } = asCore(event);
    return series ? (series.count ?? 0) : count || 1;
  }),
  { ...nameColumn<T>(), priority: 1 },
];

/** Events are stored in the form of the core group and served in two: upstream's `core/v1` <-> `events.k8s.io/v1`. */
import { asCoreEvent } from '../../../api/kinds/events/event.ts';
import type { KubeObject } from '../../../api/machinery/kind.ts';
import type { Conversion } from './served-resource.ts';
import type { Event as CoreEvent } from '../../../api/types/core/v1.gen.ts';
import type { Event } from '../../../api/types/events/v1.gen.ts';

export const eventConversion: Conversion = {
  toStored(object: KubeObject): KubeObject {
    return asCoreEvent(object as Event);
  },
  fromStored(object: KubeObject): KubeObject {
    const event = object as CoreEvent;
    const { count, lastObservedTime } = event.series ?? {};
    const served: Partial<Event> = {
      kind: 'Event',
      apiVersion: 'events.k8s.io/v1',
      metadata: event.metadata,
      eventTime: event.eventTime,
      series: event.series && { count: count ?? 0, lastObservedTime: lastObservedTime ?? '' },
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
    return served;
  },
  storedField: (field) =>
    field === 'reportingController' ? 'reportingComponent' : field.replace(/^regarding\./, 'involvedObject.'),
};

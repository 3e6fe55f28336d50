/** EndpointSlices as their two controllers share them: who manages a slice, for which Service, and how a plan is carried out. */
import { LAST_CHANGE_TRIGGER_TIME, SERVICE_NAME_LABEL } from '../../../api/kinds/discovery/endpoint-slice.ts';
import type { ApiClient } from '../../../client/api-client.ts';
import { objectKey } from '../../../client/informer.ts';
import { endpointSlices } from '../../../client/resources.gen.ts';
import type { Expectations } from '../framework/expectations.ts';
import { allOrFirstFailure, unlessGone, unlessTerminating } from '../framework/outcomes.ts';
import type { KeyQueue } from '../framework/watch.ts';
import type { InformerHandlers } from '../../../client/informer.ts';
import type { ObjectMeta } from '../../../api/types/meta/v1.gen.ts';
import type { EndpointSlice } from '../../../api/types/discovery/v1.gen.ts';

export const MANAGED_BY = 'endpointslice.kubernetes.io/managed-by';
/** Annotations of a Service or of Endpoints that say nothing about their slices. */
export const NOT_COPIED: ReadonlySet<string> = new Set([
  LAST_CHANGE_TRIGGER_TIME,
  'kubectl.kubernetes.io/last-applied-configuration',
]);

/** An object that is going to be written, and when the change that it shows came about; it keeps no time of an earlier change. */
export function withTriggerTime<O extends { readonly metadata?: ObjectMeta }>(
  object: O,
  triggeredAt: number | undefined,
): O {
  const before = Object.entries(object.metadata?.annotations ?? {});
  const annotations = Object.fromEntries(before.filter(([name]) => name !== LAST_CHANGE_TRIGGER_TIME));
  const stamp = triggeredAt !== undefined && { [LAST_CHANGE_TRIGGER_TIME]: new Date(triggeredAt).toISOString() };
  return { ...object, metadata: { ...object.metadata, annotations: { ...annotations, ...stamp } } };
}

export interface SlicePlan {
  readonly create: readonly EndpointSlice[];
  readonly update: readonly EndpointSlice[];
  readonly remove: readonly EndpointSlice[];
}

type Labelled = Pick<EndpointSlice, 'metadata'>;

export const isManagedBy = ({ metadata }: Labelled, manager: string): boolean =>
  metadata?.labels?.[MANAGED_BY] === manager;

/** Wakes the controller for slices that others change or delete, and observes those that it has created. */
export function sliceHandlers(
  manager: string,
  queue: KeyQueue,
  expectations: Expectations,
): InformerHandlers<EndpointSlice> {
  const wake = (slice: EndpointSlice): void => {
    if (isManagedBy(slice, manager)) queue.add(serviceKeyOf(slice));
  };
  return {
    onAdd: (slice, key) => {
      if (isManagedBy(slice, manager)) expectations.observeCreation(serviceKeyOf(slice), key);
      wake(slice);
    },
    onUpdate: (_, slice) => wake(slice),
    onDelete: wake,
  };
}

const serviceKeyOf = ({ metadata }: Labelled): string =>
  objectKey(metadata?.namespace, metadata?.labels?.[SERVICE_NAME_LABEL] ?? '');

/** Creations are expected under the key of the Service. */
export async function applySlicePlan(
  key: string,
  plan: SlicePlan,
  expectations: Expectations,
  { client, signal }: { readonly client: ApiClient; readonly signal: AbortSignal },
): Promise<void> {
  if (plan.create.length > 0) expectations.begin(key, performance.now());
  const creating = plan.create.map(async (slice) => {
    const created = await unlessTerminating(client.create(endpointSlices, slice, { signal }));
    if (created) expectations.expectCreation(key, objectKey(created.metadata?.namespace, created.metadata?.name ?? ''));
  });
  const updating = plan.update.map((slice) => client.update(endpointSlices, slice, { signal }));
  const removing = plan.remove.map(({ metadata = {} }) =>
    unlessGone(
      client.delete(endpointSlices, metadata.namespace ?? '', metadata.name ?? '', { uid: metadata.uid, signal }),
    ),
  );
  await allOrFirstFailure([...creating, ...updating, ...removing]);
}

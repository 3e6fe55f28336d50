/** The EndpointSlice mirroring controller: Endpoints that are written by hand reach the proxies as slices. */
import { isNotFound } from '../../../api/machinery/status-error.ts';
import { objectKey } from '../../../client/informer.ts';
import { endpointSlices } from '../../../client/resources.gen.ts';
import { createQueue, isNamespaceTerminating, type ControllerContext } from '../context.ts';
import { Expectations } from '../expectations.ts';
import { MANAGED_BY, SERVICE_NAME, type SlicePlan } from './endpoint-slice-plan.ts';
import { isMirrored, MIRROR_NAME, mirrorEndpoints } from './slice-mirror-plan.ts';
import type { EndpointSlice } from '../../../api/types/discovery/v1.gen.ts';

/** Follows Endpoints and Services until the signal is aborted. The informers run elsewhere. */
export async function runSliceMirrorController(context: ControllerContext): Promise<void> {
  const { client, informers, signal } = context;
  const queue = createQueue(context, 'slice-mirror');
  const expectations = new Expectations();

  const wake = (_: unknown, key: string): void => queue.add(key);
  informers.endpoints.addHandlers({
    onAdd: wake,
    onUpdate: (_, endpoints, key) => wake(endpoints, key),
    onDelete: wake,
  });
  informers.services.addHandlers({
    onAdd: wake,
    onUpdate: (old, service, key) => {
      if (!old.spec?.selector !== !service.spec?.selector) queue.add(key);
    },
    onDelete: (_, key) => {
      expectations.forget(key);
      queue.add(key);
    },
  });
  // Slices that somebody else changes or deletes are put right.
  const wakeSlice = (slice: Pick<EndpointSlice, 'metadata'>): void => {
    if (isOwn(slice)) queue.add(serviceKeyOf(slice));
  };
  informers.endpointSlices.addHandlers({
    onAdd: (slice, key) => {
      if (isOwn(slice)) expectations.observe(serviceKeyOf(slice), key);
      wakeSlice(slice);
    },
    onUpdate: (_, slice) => wakeSlice(slice),
    onDelete: wakeSlice,
  });

  async function sync(key: string): Promise<void> {
    // The picture lags behind what was created last: another look follows when it has caught up.
    if (!expectations.isSatisfied(key, Date.now())) return;
    const endpoints = informers.endpoints.getByKey(key);
    const slices = informers.endpointSlices
      .byIndex('service', key)
      .filter((slice) => isOwn(slice) && !slice.metadata?.deletionTimestamp);
    const plan: SlicePlan = isMirrored(endpoints, informers.services.getByKey(key))
      ? mirrorEndpoints(endpoints, slices)
      : { create: [], update: [], remove: slices };
    if (plan.create.length > 0) expectations.begin(key, Date.now());
    const creating = plan.create.map(async (slice) => {
      try {
        const { metadata } = await client.create(endpointSlices, slice, { signal });
        expectations.await(key, objectKey(metadata?.namespace, metadata?.name ?? ''));
      } catch (error) {
        if (!isNamespaceTerminating(error)) throw error;
      }
    });
    const updating = plan.update.map((slice) => client.update(endpointSlices, slice, { signal }));
    const removing = plan.remove.map(({ metadata = {} }) =>
      client
        .delete(endpointSlices, metadata.namespace ?? '', metadata.name ?? '', { signal })
        .catch((error: unknown) => {
          if (!isNotFound(error)) throw error;
        }),
    );
    await Promise.all([...creating, ...updating, ...removing]);
  }

  await Promise.all([
    informers.services.hasSynced(),
    informers.endpoints.hasSynced(),
    informers.endpointSlices.hasSynced(),
  ]);
  await queue.run(sync, signal);
}

const isOwn = ({ metadata }: Pick<EndpointSlice, 'metadata'>): boolean =>
  metadata?.labels?.[MANAGED_BY] === MIRROR_NAME;

const serviceKeyOf = ({ metadata }: Pick<EndpointSlice, 'metadata'>): string =>
  objectKey(metadata?.namespace, metadata?.labels?.[SERVICE_NAME] ?? '');

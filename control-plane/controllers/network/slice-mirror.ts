/**
 * The EndpointSlice mirroring controller: Endpoints that are written by hand reach the proxies as slices. Upstream:
 * pkg/controller/endpointslicemirroring.
 */
import { endpointSliceCache, endpointsCache, serviceCache } from '../caches/definitions.ts';
import type { Controller, ControllerContext, ControllerDescriptor } from '../framework/controller.ts';
import { Expectations, EXPECTATIONS_TIMEOUT_MS } from '../framework/expectations.ts';
import { ownKeys, watch } from '../framework/watch.ts';
import { applySlicePlan, isManagedBy, sliceHandlers, type SlicePlan } from './endpoint-slices.ts';
import { isMirrored, MIRROR_NAME, mirrorEndpoints } from './slice-mirror-plan.ts';

export const sliceMirrorController: ControllerDescriptor = {
  name: 'endpointslice-mirroring-controller',
  workers: 5,
  create,
};

function create({ client, informer, queue }: ControllerContext): Controller {
  const allEndpoints = informer(endpointsCache);
  const services = informer(serviceCache);
  const slicesOfAll = informer(endpointSliceCache);
  const expectations = new Expectations();

  async function reconcile(key: string, signal: AbortSignal): Promise<number | undefined> {
    // The cache lags behind what was created last: another look follows when it has caught up.
    if (!expectations.isSatisfied(key, performance.now())) return EXPECTATIONS_TIMEOUT_MS;
    const endpoints = allEndpoints.getByKey(key);
    const slices = slicesOfAll
      .byIndex('service', key)
      .filter((slice) => isManagedBy(slice, MIRROR_NAME) && !slice.metadata?.deletionTimestamp);
    const plan: SlicePlan = isMirrored(endpoints, services.getByKey(key))
      ? mirrorEndpoints(endpoints, slices)
      : { create: [], update: [], remove: slices };
    await applySlicePlan(key, plan, expectations, { client, signal });
    return undefined;
  }

  return {
    watches: () => [
      watch(allEndpoints, ownKeys(queue)),
      watch(services, {
        onAdd: (_, key) => queue.add(key),
        onUpdate: (old, service, key) => {
          if (!old.spec?.selector !== !service.spec?.selector) queue.add(key);
        },
        onDelete: (_, key) => {
          expectations.forget(key);
          queue.add(key);
        },
      }),
      watch(slicesOfAll, sliceHandlers(MIRROR_NAME, queue, expectations)),
    ],
    reconcile,
  };
}

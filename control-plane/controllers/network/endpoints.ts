/**
 * The EndpointSlice and Endpoints controllers, which are one here: both write which pods stand behind a Service, and find that out
 * once. Upstream: pkg/controller/endpointslice, pkg/controller/endpoint.
 */
import { isDeepStrictEqual } from 'node:util';
import { ZONE_LABEL } from '../../../api/domain/topology-labels.ts';
import { own } from '../../../api/machinery/own.ts';
import { isAlreadyExists } from '../../../api/machinery/status-error.ts';
import { objectKey, splitKey } from '../../../client/informer.ts';
import { endpoints as endpointsResource } from '../../../client/resources.gen.ts';
import { endpointSliceCache, endpointsCache, nodeCache, podCache, serviceCache } from '../caches/definitions.ts';
import { matchesLabels, type PodView } from '../caches/pod-view.ts';
import type { Controller, ControllerContext, ControllerDescriptor } from '../framework/controller.ts';
import { Expectations, EXPECTATIONS_TIMEOUT_MS } from '../framework/expectations.ts';
import { allOrFirstFailure, unlessGone, unlessTerminating } from '../framework/outcomes.ts';
import { ownKeys, watch } from '../framework/watch.ts';
import { CONTROLLER_NAME, reconcileEndpointSlices } from './endpoint-slice-plan.ts';
import { applySlicePlan, isManagedBy, sliceHandlers, withTriggerTime } from './endpoint-slices.ts';
import { TopologyState } from './topology-state.ts';
import { TriggerTimes } from './trigger-times.ts';
import { ENDPOINTS_MANAGED_BY, desiredEndpoints } from './endpoints-plan.ts';
import type { Endpoints, Service } from '../../../api/types/core/v1.gen.ts';

export const endpointsController: ControllerDescriptor = { name: 'endpointslice-controller', workers: 5, create };

function create({ client, informer, queue, recorder }: ControllerContext): Controller {
  const services = informer(serviceCache);
  const pods = informer(podCache);
  const nodes = informer(nodeCache);
  const allEndpoints = informer(endpointsCache);
  const slicesOfAll = informer(endpointSliceCache);
  const expectations = new Expectations();
  const triggerTimes = new TriggerTimes();
  const topology = new TopologyState(() => nodes.list(), recorder('endpoint-slice-controller'));

  async function reconcile(key: string, signal: AbortSignal): Promise<number | undefined> {
    const service = services.getByKey(key);
    if (!service) return await removeEndpoints(key, signal);
    const selected = podsOf(service);
    // Otherwise the cache lags behind what was created last: another look follows when it has caught up.
    const isCurrent = expectations.isSatisfied(key, performance.now());
    if (!isCurrent) {
      await syncEndpoints(key, service, selected, undefined, signal);
      return EXPECTATIONS_TIMEOUT_MS;
    }
    const created = Date.parse(service.metadata?.creationTimestamp ?? '');
    const triggeredAt = triggerTimes.look(key, created, selected, slicesOfAll.byIndex('service', key).length === 0);
    await allOrFirstFailure([
      syncSlices(key, service, selected, triggeredAt, signal),
      syncEndpoints(key, service, selected, triggeredAt, signal),
    ]);
    return undefined;
  }

  function podsOf({ metadata, spec }: Service): PodView[] {
    const { selector } = spec ?? {};
    if (!selector) return [];
    return pods.byIndex('namespace', metadata?.namespace ?? '').filter(({ labels }) => matchesLabels(selector, labels));
  }

  async function syncSlices(
    key: string,
    service: Service,
    selected: readonly PodView[],
    triggeredAt: number | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const slices = slicesOfAll
      .byIndex('service', key)
      .filter((slice) => isManagedBy(slice, CONTROLLER_NAME) && !slice.metadata?.deletionTimestamp);
    const zoneOf = (nodeName: string): string | undefined => nodes.get('', nodeName)?.labels[ZONE_LABEL];
    const plan = reconcileEndpointSlices({
      service,
      pods: selected,
      slices,
      zoneOf,
      triggeredAt,
      shares: topology.shares,
    });
    topology.report(key, service, plan.topology);
    await applySlicePlan(key, plan, expectations, { client, signal });
  }

  async function syncEndpoints(
    key: string,
    service: Service,
    selected: readonly PodView[],
    triggeredAt: number | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const wanted = desiredEndpoints(service, selected);
    if (!wanted) return;
    const current = allEndpoints.getByKey(key);
    if (!current) {
      try {
        await unlessTerminating(client.create(endpointsResource, withTriggerTime(wanted, triggeredAt), { signal }));
      } catch (error) {
        // It was created a moment ago and is not in the cache yet: its event comes, and with it the next look.
        if (!isAlreadyExists(error)) throw error;
      }
      return;
    }
    if (isSameEndpoints(current, wanted)) return;
    const { labels, annotations } = wanted.metadata ?? {};
    const metadata = { ...current.metadata, labels, annotations: { ...current.metadata?.annotations, ...annotations } };
    await client.update(endpointsResource, withTriggerTime({ ...wanted, metadata }, triggeredAt), { signal });
  }

  /** Endpoints of the Service's name go with it: they carry no owner. Slices do, and are collected. */
  async function removeEndpoints(key: string, signal: AbortSignal): Promise<undefined> {
    const uid = allEndpoints.getByKey(key)?.metadata?.uid;
    if (uid === undefined) return;
    const { namespace, name } = splitKey(key);
    await unlessGone(client.delete(endpointsResource, namespace, name, { uid, signal }));
  }

  return {
    watches: () => {
      const wake = (pod: PodView): void => {
        for (const { metadata, spec } of services.byIndex('namespace', pod.namespace)) {
          if (spec?.selector && matchesLabels(spec.selector, pod.labels)) {
            queue.add(objectKey(pod.namespace, metadata?.name ?? ''));
          }
        }
      };
      // Endpoints that nobody has a Service for are left alone, unless this controller made them.
      const wakeEndpoints = ({ metadata }: Endpoints, key: string): void => {
        if (services.getByKey(key) || metadata?.labels?.[ENDPOINTS_MANAGED_BY]) queue.add(key);
      };
      return [
        watch(
          services,
          ownKeys(queue, (_, key) => {
            expectations.forget(key);
            triggerTimes.forget(key);
            topology.forget(key);
          }),
        ),
        watch(pods, {
          onAdd: wake,
          onUpdate: (old, pod) => {
            if (old.labels !== pod.labels) wake(old);
            if (concernsEndpoints(old, pod)) wake(pod);
          },
          onDelete: wake,
        }),
        watch(nodes, topology.nodeHandlers(queue)),
        watch(slicesOfAll, sliceHandlers(CONTROLLER_NAME, queue, expectations)),
        watch(allEndpoints, {
          onAdd: wakeEndpoints,
          onUpdate: (_, endpoints, key) => wakeEndpoints(endpoints, key),
          onDelete: wakeEndpoints,
        }),
      ];
    },
    reconcile,
  };
}

/** Whether the change of a pod can change what stands behind a Service. */
const concernsEndpoints = (old: PodView, pod: PodView): boolean =>
  old.ready !== pod.ready ||
  old.deleting !== pod.deleting ||
  old.phase !== pod.phase ||
  old.labels !== pod.labels ||
  old.nodeName !== pod.nodeName ||
  old.ips.join() !== pod.ips.join();

const isSameEndpoints = (a: Endpoints, b: Endpoints): boolean =>
  isDeepStrictEqual(a.subsets ?? [], b.subsets ?? []) &&
  isDeepStrictEqual(a.metadata?.labels ?? {}, b.metadata?.labels ?? {}) &&
  Object.entries(b.metadata?.annotations ?? {}).every(([key, value]) => own(a.metadata?.annotations, key) === value);

/** The EndpointSlice and Endpoints controllers: which addresses stand behind each Service. */
import { isDeepStrictEqual } from 'node:util';
import { isAlreadyExists, isNotFound } from '../../../api/machinery/status-error.ts';
import { objectKey, splitKey } from '../../../client/informer.ts';
import { createQueue, isNamespaceTerminating, type ControllerContext } from '../context.ts';
import { Expectations } from '../expectations.ts';
import type { PodView } from '../pod-view.ts';
import { matchesLabels } from '../selector.ts';
import { CONTROLLER_NAME, MANAGED_BY, SERVICE_NAME, reconcileEndpointSlices } from './endpoint-slice-plan.ts';
import { ENDPOINTS_MANAGED_BY, desiredEndpoints } from './endpoints-plan.ts';
import { endpointSlices, endpoints as endpointsResource } from '../../../client/resources.gen.ts';
import { own } from '../../../api/machinery/own.ts';
import type { Endpoints, Service } from '../../../api/types/core/v1.gen.ts';
import type { EndpointSlice } from '../../../api/types/discovery/v1.gen.ts';

const ZONE = 'topology.kubernetes.io/zone';

/** Follows Services and pods until the signal is aborted. The informers run elsewhere. */
export async function runEndpointsController(context: ControllerContext): Promise<void> {
  const { client, informers, signal } = context;
  const queue = createQueue(context, 'endpoints');
  const expectations = new Expectations();

  informers.services.addHandlers({
    onAdd: (_, key) => queue.add(key),
    onUpdate: (_old, _new, key) => queue.add(key),
    onDelete: (_, key) => {
      expectations.forget(key);
      queue.add(key);
    },
  });
  const wake = (pod: PodView): void => {
    for (const { metadata, spec } of informers.services.byIndex('namespace', pod.namespace)) {
      if (spec?.selector && matchesLabels(spec.selector, pod.labels)) {
        queue.add(objectKey(pod.namespace, metadata?.name ?? ''));
      }
    }
  };
  informers.pods.addHandlers({
    onAdd: wake,
    onUpdate: (old, pod) => {
      if (old.labels !== pod.labels) wake(old);
      if (concernsEndpoints(old, pod)) wake(pod);
    },
    onDelete: wake,
  });
  // Slices that somebody else changes or deletes are put right.
  const wakeSlice = ({ metadata }: Pick<EndpointSlice, 'metadata'>): void => {
    if (metadata?.labels?.[MANAGED_BY] === CONTROLLER_NAME) queue.add(serviceKeyOf({ metadata }));
  };
  informers.endpointSlices.addHandlers({
    onAdd: (slice, key) => {
      expectations.observe(serviceKeyOf(slice), key);
      wakeSlice(slice);
    },
    onUpdate: (_, slice) => wakeSlice(slice),
    onDelete: wakeSlice,
  });
  // Endpoints that nobody has a Service for are left alone, unless this controller made them.
  const wakeEndpoints = ({ metadata }: Endpoints, key: string): void => {
    if (informers.services.getByKey(key) || metadata?.labels?.[ENDPOINTS_MANAGED_BY]) queue.add(key);
  };
  informers.endpoints.addHandlers({
    onAdd: wakeEndpoints,
    onUpdate: (_, endpoints, key) => wakeEndpoints(endpoints, key),
    onDelete: wakeEndpoints,
  });

  async function sync(key: string): Promise<void> {
    const service = informers.services.getByKey(key);
    if (!service) return await removeEndpoints(key);
    const pods = podsOf(service);
    await Promise.all([syncSlices(key, service, pods), syncEndpoints(key, service, pods)]);
  }

  function podsOf({ metadata, spec }: Service): PodView[] {
    const { selector } = spec ?? {};
    if (!selector) return [];
    return informers.pods
      .byIndex('namespace', metadata?.namespace ?? '')
      .filter(({ labels }) => matchesLabels(selector, labels));
  }

  async function syncSlices(key: string, service: Service, pods: readonly PodView[]): Promise<void> {
    // The picture lags behind what was created last: another look follows when it has caught up.
    if (!expectations.isSatisfied(key, Date.now())) return;
    const slices = informers.endpointSlices
      .byIndex('service', key)
      .filter(({ metadata }) => metadata?.labels?.[MANAGED_BY] === CONTROLLER_NAME && !metadata.deletionTimestamp);
    const zoneOf = (nodeName: string): string | undefined => informers.nodes.get('', nodeName)?.labels[ZONE];
    const plan = reconcileEndpointSlices({ service, pods, slices, zoneOf });
    if (plan.create.length > 0) expectations.begin(key, Date.now());
    const creating = plan.create.map(async (slice) => {
      const created = await ignoringTermination(client.create(endpointSlices, slice, { signal }));
      if (created) expectations.await(key, objectKey(created.metadata?.namespace, created.metadata?.name ?? ''));
    });
    const updating = plan.update.map((slice) => client.update(endpointSlices, slice, { signal }));
    const removing = plan.remove.map(({ metadata = {} }) =>
      client.delete(endpointSlices, metadata.namespace ?? '', metadata.name ?? '', { signal }).catch(ignoreNotFound),
    );
    await Promise.all([...creating, ...updating, ...removing]);
  }

  async function syncEndpoints(key: string, service: Service, pods: readonly PodView[]): Promise<void> {
    const wanted = desiredEndpoints(service, pods);
    if (!wanted) return;
    const current = informers.endpoints.getByKey(key);
    if (!current) {
      try {
        await ignoringTermination(client.create(endpointsResource, wanted, { signal }));
      } catch (error) {
        // It was created a moment ago and is not in the picture yet: its event comes, and with it the next look.
        if (!isAlreadyExists(error)) throw error;
      }
      return;
    }
    if (isSameEndpoints(current, wanted)) return;
    const { labels, annotations } = wanted.metadata ?? {};
    const metadata = { ...current.metadata, labels, annotations: { ...current.metadata?.annotations, ...annotations } };
    await client.update(endpointsResource, { ...wanted, metadata }, { signal });
  }

  /** Endpoints of the Service's name go with it: they carry no owner. Slices do, and are collected. */
  async function removeEndpoints(key: string): Promise<void> {
    if (!informers.endpoints.getByKey(key)) return;
    const { namespace, name } = splitKey(key);
    await client.delete(endpointsResource, namespace, name, { signal }).catch(ignoreNotFound);
  }

  await Promise.all([
    informers.services.hasSynced(),
    informers.pods.hasSynced(),
    informers.nodes.hasSynced(),
    informers.endpoints.hasSynced(),
    informers.endpointSlices.hasSynced(),
  ]);
  await queue.run(sync, signal);
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

function ignoreNotFound(error: unknown): void {
  if (!isNotFound(error)) throw error;
}

/** Undefined when the namespace is on its way out. */
async function ignoringTermination<T>(creating: Promise<T>): Promise<T | undefined> {
  try {
    return await creating;
  } catch (error) {
    if (!isNamespaceTerminating(error)) throw error;
    return undefined;
  }
}

const serviceKeyOf = ({ metadata }: Pick<EndpointSlice, 'metadata'>): string =>
  objectKey(metadata?.namespace, metadata?.labels?.[SERVICE_NAME] ?? '');

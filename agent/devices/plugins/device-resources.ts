/**
 * The resources that device plugins provide: their devices, and who has which. A resource that was ever provided stays known, so that a
 * container waits for its plugin instead of running without its devices.
 */
import { isExtendedResource, type ResourceList } from '../../../api/domain/resource-names.ts';
import type { Container, Pod, ResourceStatus } from '../../../api/types/core/v1.gen.ts';
import { quantityValue } from '../../../api/machinery/quantity.ts';
import type { Logger } from '../../../client/logger.ts';
import type { DeviceInventory } from '../../topology/device-assignment.ts';
import type { PodPlacement } from '../../topology/pod-placement.ts';
import { KeyedLocks } from '../keyed-locks.ts';
import { candidates, choose } from './choose-devices.ts';
import type { DeviceAnswer, DeviceNodes, DevicePlugin } from './device-plugin.ts';
import type { DeviceRecords, HeldDevices } from './device-records.ts';
import { DeviceRefusal } from './device-refusal.ts';

/** How long the devices of a plugin that has gone still count, as unhealthy: upstream's endpointStopGracePeriod. */
const GONE_MS = 5 * 60_000;
/** Each is remembered for good. */
const MAX_RESOURCES = 1_000;

export interface DeviceResourcesOptions {
  readonly records: Pick<DeviceRecords, 'read' | 'write' | 'remove' | 'readResources' | 'writeResources'>;
  /** The node has other amounts of a resource. */
  readonly onAmounts: () => void;
  /** Devices of these pods are healthy no more, or again. */
  readonly onHealth: (podUid: string) => void;
  /** Where devices of a container are to be, and which others are promised; absent: anywhere. */
  readonly placement?: () => Pick<PodPlacement, 'devicesOf' | 'haveDevices'> | undefined;
  readonly logger: Logger;
}

export interface KnownDevice {
  readonly resource: string;
  readonly id: string;
  /** Of NUMA; none where the plugin does not say. */
  readonly nodes: readonly number[];
}

interface Resource {
  plugin: DevicePlugin | undefined;
  /** With whether they are healthy. */
  devices: ReadonlyMap<string, boolean>;
  nodes: DeviceNodes;
  expiry?: NodeJS.Timeout;
}

/** What the node has of the resources: all devices, and the healthy ones. */
export interface DeviceAmounts {
  readonly capacity: ResourceList;
  readonly allocatable: ResourceList;
}

/** The lock of the record of all resources; none of them has this name. */
const PROVIDED = '';

const uidOf = ({ metadata }: Pod): string => metadata?.uid ?? '';

export class DeviceResources implements Disposable {
  readonly #options: DeviceResourcesOptions;
  readonly #resources = new Map<string, Resource>();
  /** By the uid of the pod. */
  readonly #held: Map<string, readonly HeldDevices[]>;
  readonly #locks = new KeyedLocks();

  private constructor(
    options: DeviceResourcesOptions,
    held: Map<string, readonly HeldDevices[]>,
    provided: readonly string[],
  ) {
    this.#options = options;
    this.#held = held;
    for (const resource of [...provided, ...[...held.values()].flat().map((one) => one.resource)])
      this.#resources.set(resource, { plugin: undefined, devices: new Map(), nodes: new Map() });
  }

  /** Knows what earlier agents have given to pods, and which resources they had plugins for. */
  static async open(options: DeviceResourcesOptions): Promise<DeviceResources> {
    const { records } = options;
    return new DeviceResources(options, await records.read(), await records.readResources());
  }

  /** The plugin replaces an earlier one of its resource. Before the node has any of that, it is on record that there is a plugin for it. */
  async attach(plugin: DevicePlugin, signal: AbortSignal): Promise<void> {
    await this.#locks.run([PROVIDED], signal, () => this.#remember(plugin.resource));
    signal.throwIfAborted();
    const before = this.#resources.get(plugin.resource);
    before?.plugin?.[Symbol.dispose]();
    clearTimeout(before?.expiry);
    const { devices = new Map<string, boolean>(), nodes = new Map<string, number[]>() } = before ?? {};
    this.#resources.set(plugin.resource, { plugin, devices, nodes });
  }

  async #remember(resource: string): Promise<void> {
    if (this.#resources.has(resource)) return;
    const all = [...this.#resources.keys(), resource];
    if (all.length > MAX_RESOURCES) throw new Error(`plugins have provided ${MAX_RESOURCES} resources already`);
    await this.#options.records.writeResources(all);
    this.#resources.set(resource, { plugin: undefined, devices: new Map(), nodes: new Map() });
  }

  /** What the plugin, which may have been replaced by now, says of its devices. */
  listed(plugin: DevicePlugin, devices: ReadonlyMap<string, boolean>, nodes: DeviceNodes = new Map()): void {
    const resource = this.#resources.get(plugin.resource);
    if (resource?.plugin !== plugin) return;
    resource.nodes = nodes;
    this.#change(plugin.resource, resource, devices);
  }

  /** Its devices count as unhealthy, and after a while not at all. */
  detach(plugin: DevicePlugin): void {
    plugin[Symbol.dispose]();
    const resource = this.#resources.get(plugin.resource);
    if (resource?.plugin !== plugin) return;
    resource.plugin = undefined;
    resource.expiry = setTimeout(() => this.#change(plugin.resource, resource, new Map()), GONE_MS).unref();
    this.#change(plugin.resource, resource, new Map([...resource.devices.keys()].map((id) => [id, false])));
  }

  #change(name: string, resource: Resource, devices: ReadonlyMap<string, boolean>): void {
    const before = resource.devices;
    const changed = new Set([...before, ...devices].flatMap(([id]) => (before.get(id) === devices.get(id) ? [] : id)));
    if (changed.size === 0) return;
    resource.devices = devices;
    const healthy = [...devices.values()].filter(Boolean).length;
    this.#options.logger.info({ resource: name, devices: devices.size, healthy }, 'devices of plugin changed');
    this.#options.onAmounts();
    for (const [podUid, held] of this.#held)
      if (held.some((one) => one.resource === name && one.ids.some((id) => changed.has(id))))
        this.#options.onHealth(podUid);
  }

  get amounts(): DeviceAmounts {
    const all = [...this.#resources];
    const counted = (of: (healthy: boolean) => boolean): ResourceList =>
      Object.fromEntries(all.map(([name, { devices }]) => [name, String([...devices.values()].filter(of).length)]));
    return { capacity: counted(() => true), allocatable: counted((isHealthy) => isHealthy) };
  }

  /** The devices of a container. */
  heldBy(podUid: string, container: string): readonly KnownDevice[] {
    const held = (this.#held.get(podUid) ?? []).filter((one) => one.container === container);
    return held.flatMap(({ resource, ids }) => ids.map((id) => this.#known(resource, id)));
  }

  /** All healthy devices, whoever has them. */
  healthy(): readonly KnownDevice[] {
    return [...this.#resources].flatMap(([resource, { devices }]) =>
      [...devices].flatMap(([id, isHealthy]) => (isHealthy ? [this.#known(resource, id)] : [])),
    );
  }

  #known(resource: string, id: string): KnownDevice {
    return { resource, id, nodes: this.#resources.get(resource)?.nodes.get(id) ?? [] };
  }

  /** For the topology policy. */
  get inventory(): DeviceInventory {
    return new Map(
      [...this.#resources].map(([resource, { devices, nodes }]) => {
        const held = [...this.#held].flatMap(([podUid, some]) =>
          some.flatMap(({ container, ids, resource: of }) => (of === resource ? [{ podUid, container, ids }] : [])),
        );
        return [resource, { devices, nodes, held }];
      }),
    );
  }

  holds(podUid: string): boolean {
    return this.#held.has(podUid);
  }

  podUids(): readonly string[] {
    return [...this.#held.keys()];
  }

  statusOf(pod: Pod): ReadonlyMap<string, ResourceStatus[]> {
    const found = new Map<string, ResourceStatus[]>();
    for (const { container, resource, ids } of this.#held.get(uidOf(pod)) ?? []) {
      const devices = this.#resources.get(resource)?.devices;
      const resources = ids.map((resourceID) => {
        const isHealthy = devices?.get(resourceID);
        return { resourceID, health: isHealthy === undefined ? 'Unknown' : isHealthy ? 'Healthy' : 'Unhealthy' };
      });
      found.set(container, [...(found.get(container) ?? []), { name: resource, resources }]);
    }
    return found;
  }

  async release(podUid: string): Promise<void> {
    if (!this.#held.has(podUid)) return;
    await this.#options.records.remove(podUid);
    this.#held.delete(podUid);
  }

  /**
   * Gives the container the devices that its limits name, those that it has had already if there are any. Idempotent; to be called before
   * each start. Throws DeviceRefusal when there are not enough, and with the words of the plugin.
   */
  async devicesOf(pod: Pod, container: Container, signal: AbortSignal): Promise<readonly DeviceAnswer[]> {
    const answers: DeviceAnswer[] = [];
    for (const [resource, amount] of Object.entries(container.resources?.limits ?? {})) {
      const needed = isExtendedResource(resource) && this.#resources.has(resource) ? quantityValue(amount) : 0;
      if (needed === 0 || isFromClaim(pod, container, resource)) continue;
      // Containers of one pod share a record.
      const held = await this.#locks.run([resource, uidOf(pod)], signal, () =>
        this.#give(pod, container, { resource, needed }, signal),
      );
      await this.#resources.get(resource)?.plugin?.beforeStart(held.ids, signal);
      answers.push(held.answer);
    }
    return answers;
  }

  async #give(
    pod: Pod,
    container: Container,
    { resource: name, needed }: { readonly resource: string; readonly needed: number },
    signal: AbortSignal,
  ): Promise<HeldDevices> {
    const own = this.#held.get(uidOf(pod)) ?? [];
    const before = own.find((one) => one.container === container.name && one.resource === name);
    if (before) return before;
    const { plugin, devices = new Map<string, boolean>() } = this.#resources.get(name) ?? {};
    const taken = new Set([...this.#held.values()].flat().flatMap((one) => (one.resource === name ? one.ids : [])));
    if (!plugin) throw new DeviceRefusal(`the device plugin of ${name} is not registered`);
    const placement = this.#options.placement?.();
    const where = placement?.devicesOf(pod, container, name);
    if (where && 'reason' in where) throw new DeviceRefusal(`${name}: ${where.message}`);
    const found = candidates({
      ...{ needed, devices, reusable: passedOn(pod, container, own, name), isNear: where?.isNear },
      taken: taken.union(where?.promised ?? new Set()),
    });
    if (found.available.length < needed)
      throw new DeviceRefusal(
        `requested number of devices unavailable for ${name}. Requested: ${needed}, Available: ${found.available.length}`,
      );
    if (where?.isStrict && found.near < needed)
      throw new DeviceRefusal(`not enough healthy devices of ${name} are on the NUMA nodes that the container has`);
    const preferred = await plugin.preferred(found.available, found.mustInclude, needed, signal);
    const ids = choose(needed, found, preferred);
    const answer = await plugin.allocate(ids, signal);
    const held: HeldDevices = { container: container.name, resource: name, ids, answer };
    const all = [...(this.#held.get(uidOf(pod)) ?? []), held];
    await this.#options.records.write(uidOf(pod), all);
    this.#held.set(uidOf(pod), all);
    placement?.haveDevices(uidOf(pod), container.name, name);
    return held;
  }

  [Symbol.dispose](): void {
    for (const { plugin, expiry } of this.#resources.values()) {
      plugin?.[Symbol.dispose]();
      clearTimeout(expiry);
    }
  }
}

/** The scheduler has made a ResourceClaim for it: a DRA driver provides the devices. */
const isFromClaim = ({ status }: Pod, container: Container, resource: string): boolean =>
  (status?.extendedResourceClaimStatus?.requestMappings ?? []).some(
    ({ containerName, resourceName }) => containerName === container.name && resourceName === resource,
  );

/** The devices of init containers that have ended when the container starts, unless another one of the pod has them by now. */
function passedOn(pod: Pod, { name }: Container, own: readonly HeldDevices[], resource: string): ReadonlySet<string> {
  const ended = new Set(containersThatEnd(pod, name));
  const idsOf = (isWanted: (container: string) => boolean): ReadonlySet<string> =>
    new Set(own.filter((one) => one.resource === resource && isWanted(one.container)).flatMap(({ ids }) => ids));
  return idsOf((container) => ended.has(container)).difference(idsOf((container) => !ended.has(container)));
}

/** The init containers before the container that have ended when it starts. */
function containersThatEnd({ spec }: Pod, name: string): readonly string[] {
  const inits = spec?.initContainers ?? [];
  const own = inits.findIndex((init) => init.name === name);
  const before = own < 0 ? inits : inits.slice(0, own);
  return before.flatMap((init) => (init.restartPolicy === 'Always' ? [] : init.name));
}

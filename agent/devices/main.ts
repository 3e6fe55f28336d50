/** Composition of the devices room: dynamic resource allocation on the node, and device plugins. */
import { join } from 'node:path';
import type { ApiClient } from '../../client/api-client.ts';
import type { Logger } from '../../client/logger.ts';
import type { PluginHandler } from '../plugins/plugin-registrations.ts';
import { AllDevices } from './all-devices.ts';
import { ClaimRecords } from './claim-records.ts';
import { DeviceClaims, type DeviceMetrics } from './device-claims.ts';
import { DeviceHealth } from './device-health.ts';
import { DraDrivers } from './dra-drivers.ts';
import type { DraCallMetrics } from './dra-plugin.ts';
import type { DeviceInventory } from '../topology/device-assignment.ts';
import type { PodPlacement } from '../topology/pod-placement.ts';
import type { PodDevices } from './pod-devices.ts';
import { DeviceRecords } from './plugins/device-records.ts';
import { DeviceResources, type DeviceAmounts } from './plugins/device-resources.ts';
import { PluginServer } from './plugins/plugin-server.ts';
import type { ResourceFacts } from './pod-resources/pod-resources.ts';
import { SliceCleanup } from './slice-cleanup.ts';

export interface DevicesOptions {
  readonly client: ApiClient;
  readonly nodeName: string;
  readonly dataDir: string;
  /** `/var/lib/kubelet` of real hosts. */
  readonly kubeletDir: string;
  readonly metrics?: DeviceMetrics & DraCallMetrics;
  /** The status of the pod's devices has changed. */
  readonly onPodChange: (podUid: string) => void;
  /** The node has other amounts of the resources of device plugins. */
  readonly onAmounts: () => void;
  readonly placement?: () => Pick<PodPlacement, 'devicesOf' | 'haveDevices'> | undefined;
  readonly logger: Logger;
}

export interface Devices extends Disposable {
  readonly ofPods: PodDevices;
  /** Of plugins of the type DRAPlugin. */
  readonly drivers: PluginHandler;
  /** Of those of the type DevicePlugin. */
  readonly plugins: PluginHandler;
  /** What containers have, and the node. */
  readonly facts: Pick<ResourceFacts, 'devicesOf' | 'claimsOf' | 'healthyDevices'>;
  /** What the node has of the resources of device plugins. */
  readonly amounts: () => DeviceAmounts;
  /** The devices of plugins, for the topology policy. */
  readonly inventory: () => DeviceInventory;
  /** Has device plugins register, and removes ResourceSlices of drivers that have gone, until the signal is aborted. */
  run(signal: AbortSignal): Promise<void>;
}

export async function createDevices(options: DevicesOptions): Promise<Devices> {
  const { client, nodeName, dataDir, kubeletDir, metrics, onPodChange, onAmounts, placement, logger } = options;
  const health: DeviceHealth = new DeviceHealth({
    onChange: (driver) => {
      for (const uid of claims.podsUsing(driver)) onPodChange(uid);
    },
  });
  const drivers: DraDrivers = new DraDrivers({
    metrics,
    onChange: (driver) => cleanup.changed(driver),
    onHealth: (driver, devices) => (devices ? health.report(driver, devices) : health.clear(driver)),
  });
  const cleanup = new SliceCleanup({ client, nodeName, isUsable: (driver) => drivers.isUsable(driver), logger });
  const records = new ClaimRecords(join(dataDir, 'devices'), logger);
  const plugin = (driver: string) => drivers.plugin(driver);
  const healthOf: DeviceHealth['of'] = (...device) => health.of(...device);
  const claims = await DeviceClaims.open({ client, records, plugin, metrics, healthOf });
  const resources = await DeviceResources.open({
    records: new DeviceRecords(join(dataDir, 'plugin-devices'), logger),
    ...{ onAmounts, onHealth: onPodChange, placement, logger },
  });
  const plugins = new PluginServer({ directory: join(kubeletDir, 'device-plugins'), resources, logger });
  return {
    ...{ ofPods: new AllDevices(claims, resources), drivers, plugins },
    amounts: () => resources.amounts,
    inventory: () => resources.inventory,
    facts: {
      devicesOf: (podUid, container) => resources.heldBy(podUid, container),
      claimsOf: (pod, container) => claims.devicesHeldBy(pod, container),
      healthyDevices: () => resources.healthy(),
    },
    run: async (signal) => {
      await Promise.all([cleanup.run(signal), plugins.run(signal)]);
    },
    [Symbol.dispose]: () => {
      resources[Symbol.dispose]();
      drivers[Symbol.dispose]();
      health[Symbol.dispose]();
    },
  };
}

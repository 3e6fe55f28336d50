/** Composition of the devices room: dynamic resource allocation on the node. */
import { join } from 'node:path';
import type { ApiClient } from '../../client/api-client.ts';
import type { Logger } from '../../client/logger.ts';
import type { PluginHandler } from '../plugins/plugin-registrations.ts';
import { ClaimRecords } from './claim-records.ts';
import { DeviceClaims, type DeviceMetrics } from './device-claims.ts';
import { DeviceHealth } from './device-health.ts';
import { DraDrivers } from './dra-drivers.ts';
import type { DraCallMetrics } from './dra-plugin.ts';
import { SliceCleanup } from './slice-cleanup.ts';

export interface DevicesOptions {
  readonly client: ApiClient;
  readonly nodeName: string;
  readonly dataDir: string;
  readonly metrics?: DeviceMetrics & DraCallMetrics;
  /** The status of the pod's devices has changed. */
  readonly onPodChange: (podUid: string) => void;
  readonly logger: Logger;
}

export interface Devices extends Disposable {
  readonly claims: DeviceClaims;
  /** Of plugins of the type DRAPlugin. */
  readonly drivers: PluginHandler;
  /** Removes ResourceSlices of drivers that have gone, until the signal is aborted. */
  run(signal: AbortSignal): Promise<void>;
}

export async function createDevices(options: DevicesOptions): Promise<Devices> {
  const { client, nodeName, dataDir, metrics, onPodChange, logger } = options;
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
  return {
    ...{ claims, drivers },
    run: (signal) => cleanup.run(signal),
    [Symbol.dispose]: () => {
      drivers[Symbol.dispose]();
      health[Symbol.dispose]();
    },
  };
}

/** The CSI drivers that have registered on this node. */
import type { PluginHandler, PluginInfo } from '../../plugins/plugin-registrations.ts';
import { CsiNodeClient, type DriverNodeInfo } from './csi-node-client.ts';

/** Where the cluster learns of the node's drivers. */
export interface DriverDirectory {
  install(driver: string, info: DriverNodeInfo, signal: AbortSignal): Promise<void>;
  uninstall(driver: string, signal: AbortSignal): Promise<void>;
}

/** Drivers of version 0 are of the time before Kubernetes 1.17; those of version 2 do not exist. */
const SUPPORTED_VERSION = /^v?1\.\d+(\.\d+)?$/;
/** Of a CSIDriver object. */
const DRIVER_NAME = /^[A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?$/;

interface Driver {
  readonly endpoint: string;
  readonly client: CsiNodeClient;
}

export class CsiDrivers implements PluginHandler, Disposable {
  readonly #directory: DriverDirectory;
  readonly #drivers = new Map<string, Driver>();

  constructor(directory: DriverDirectory) {
    this.#directory = directory;
  }

  async register({ name, endpoint, supportedVersions }: PluginInfo, signal: AbortSignal): Promise<void> {
    // It becomes a part of paths.
    if (!DRIVER_NAME.test(name)) throw new Error(`${JSON.stringify(name)} is no name of a CSI driver`);
    if (!endpoint.startsWith('/')) throw new Error(`CSI driver ${name} has no absolute path as its endpoint`);
    if (!supportedVersions.some((version) => SUPPORTED_VERSION.test(version)))
      throw new Error(
        `validation failed for CSI Driver ${name} at endpoint ${endpoint}: none of the versions ${JSON.stringify(supportedVersions)} is supported`,
      );
    const client = new CsiNodeClient(name, endpoint);
    try {
      const info = await client.nodeInfo(signal);
      if (info.nodeId === '') throw new Error(`CSI driver ${name} has given the node no id`);
      await this.#directory.install(name, info, signal);
    } catch (error) {
      client.close();
      throw error;
    }
    this.#replace(name, { endpoint, client });
  }

  async unregister({ name }: PluginInfo, isServed: boolean, signal: AbortSignal): Promise<void> {
    if (isServed) return;
    this.#replace(name, undefined);
    await this.#directory.uninstall(name, signal);
  }

  /** Calls that are in flight on the former connection end with an error, and are made again. */
  #replace(name: string, driver: Driver | undefined): void {
    this.#drivers.get(name)?.client.close();
    if (driver) this.#drivers.set(name, driver);
    else this.#drivers.delete(name);
  }

  /** Throws when the driver is not there, with upstream's words. */
  client(name: string): CsiNodeClient {
    const driver = this.#drivers.get(name);
    if (driver) return driver.client;
    throw new Error(`driver name ${name} not found in the list of registered CSI drivers`);
  }

  [Symbol.dispose](): void {
    for (const name of [...this.#drivers.keys()]) this.#replace(name, undefined);
  }
}

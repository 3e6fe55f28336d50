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

interface Plugin {
  readonly endpoint: string;
  readonly client: CsiNodeClient;
  readonly info: DriverNodeInfo;
}

export class CsiDrivers implements PluginHandler, Disposable {
  readonly #directory: DriverDirectory;
  /** Of each driver, in the order in which they have registered: while it is updated, it may have two. */
  readonly #plugins = new Map<string, readonly Plugin[]>();

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
    let info: DriverNodeInfo;
    try {
      info = await client.nodeInfo(signal);
      if (info.nodeId === '') throw new Error(`CSI driver ${name} has given the node no id`);
      await this.#directory.install(name, info, signal);
    } catch (error) {
      client.close();
      throw error;
    }
    this.#remove(name, endpoint);
    this.#plugins.set(name, [...this.#pluginsOf(name), { endpoint, client, info }]);
  }

  async unregister({ name, endpoint }: PluginInfo, signal: AbortSignal): Promise<void> {
    this.#remove(name, endpoint);
    if (this.#pluginsOf(name).length === 0) await this.#directory.uninstall(name, signal);
    // Also one that has registered meanwhile.
    const left = this.#pluginsOf(name).at(-1);
    if (left) await this.#directory.install(name, left.info, signal);
  }

  #pluginsOf(name: string): readonly Plugin[] {
    return this.#plugins.get(name) ?? [];
  }

  /** Calls that are in flight on its connection end with an error, and are made again. */
  #remove(name: string, endpoint: string): void {
    const left: Plugin[] = [];
    for (const plugin of this.#pluginsOf(name)) {
      if (plugin.endpoint === endpoint) plugin.client.close();
      else left.push(plugin);
    }
    if (left.length > 0) this.#plugins.set(name, left);
    else this.#plugins.delete(name);
  }

  /** Of the plugin that has registered last. Throws when the driver is not there, with upstream's words. */
  client(name: string): CsiNodeClient {
    const plugin = this.#pluginsOf(name).at(-1);
    if (plugin) return plugin.client;
    throw new Error(`driver name ${name} not found in the list of registered CSI drivers`);
  }

  [Symbol.dispose](): void {
    for (const { client } of [...this.#plugins.values()].flat()) client.close();
    this.#plugins.clear();
  }
}

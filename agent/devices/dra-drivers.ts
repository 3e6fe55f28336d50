/** The DRA drivers that have registered on this node: https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/ */
import { validateSubdomainName } from '../../api/machinery/names.ts';
import type { PluginHandler, PluginInfo } from '../plugins/plugin-registrations.ts';
import type { ReportedHealth } from './device-health.ts';
import { DRA_SERVICES, DraPlugin, type DraCallMetrics } from './dra-plugin.ts';

export interface DraDriversOptions {
  readonly metrics?: DraCallMetrics;
  /** The driver can be called, or not any more. */
  readonly onChange: (driver: string) => void;
  readonly onHealth: (driver: string, devices: readonly ReportedHealth[] | undefined) => void;
}

/** Upstream's DriverNameMaxLength. */
const MAX_NAME_LENGTH = 63;

export class DraDrivers implements PluginHandler, Disposable {
  readonly #options: DraDriversOptions;
  /** Of each driver, in the order in which they have registered. */
  readonly #plugins = new Map<string, DraPlugin[]>();

  constructor(options: DraDriversOptions) {
    this.#options = options;
  }

  /** A plugin that registers again replaces itself. */
  async register({ name: driver, endpoint, supportedVersions }: PluginInfo): Promise<void> {
    if (driver.length > MAX_NAME_LENGTH || validateSubdomainName(driver).length > 0)
      throw new Error(`${JSON.stringify(driver)} is no name of a DRA driver`);
    if (!endpoint.startsWith('/')) throw new Error(`DRA driver ${driver} has no absolute path as its endpoint`);
    const version = supportedVersions.find((one) => DRA_SERVICES.has(one));
    if (version === undefined) {
      const why =
        supportedVersions.length === 0
          ? 'empty list of supported gRPC services (aka supported versions)'
          : `none of services supported by the plugin (${quoted(supportedVersions)}) are supported by the kubelet (${quoted([...DRA_SERVICES.keys()])})`;
      throw new Error(`invalid supported gRPC versions of DRA driver plugin ${driver} at endpoint ${endpoint}: ${why}`);
    }
    this.#remove(driver, endpoint);
    const { metrics, onChange, onHealth } = this.#options;
    const plugin: DraPlugin = new DraPlugin({
      driver,
      endpoint,
      version,
      metrics,
      onConnection: () => onChange(driver),
      onHealth: (devices) => {
        // One that goes while another is there takes nothing back of what that has said.
        if (devices || (this.#plugins.get(driver) ?? []).every((one) => one === plugin)) onHealth(driver, devices);
      },
    });
    this.#plugins.set(driver, [...(this.#plugins.get(driver) ?? []), plugin]);
    onChange(driver);
  }

  async unregister({ name, endpoint }: PluginInfo): Promise<void> {
    this.#remove(name, endpoint);
    this.#options.onChange(name);
  }

  /** Its calls that are in flight end with an error, and are made again. */
  #remove(driver: string, endpoint: string): void {
    const plugins = this.#plugins.get(driver) ?? [];
    plugins.find((plugin) => plugin.endpoint === endpoint)?.[Symbol.dispose]();
    const left = plugins.filter((plugin) => plugin.endpoint !== endpoint);
    if (left.length > 0) this.#plugins.set(driver, left);
    else this.#plugins.delete(driver);
  }

  /** Whether one of its plugins answers. */
  isUsable(driver: string): boolean {
    return (this.#plugins.get(driver) ?? []).some(({ isConnected }) => isConnected);
  }

  /** The newest plugin that answers, or else the newest. Throws when the driver is not there, with upstream's words. */
  plugin(driver: string): DraPlugin {
    const plugins = this.#plugins.get(driver) ?? [];
    const plugin = plugins.findLast(({ isConnected }) => isConnected) ?? plugins.at(-1);
    if (plugin) return plugin;
    throw new Error(`DRA driver ${driver} is not registered`);
  }

  [Symbol.dispose](): void {
    for (const plugin of [...this.#plugins.values()].flat()) plugin[Symbol.dispose]();
    this.#plugins.clear();
  }
}

/** As Go prints a list of strings with %q. */
const quoted = (words: readonly string[]): string => `[${words.map((word) => JSON.stringify(word)).join(' ')}]`;

/**
 * Plugins of the node, as drivers of CSI: each serves a socket in the registration directory for as long as it is there, on which it
 * says what it is. The directory is compared with what is registered after each change in it, so that no event decides anything.
 * https://kubernetes.io/docs/reference/node/kubelet-files/#plugins-registry
 */
import { lstat, watch } from 'node:fs/promises';
import { join } from 'node:path';
import { own } from '../../api/machinery/own.ts';
import type { Logger } from '../../client/logger.ts';
import { logFailure } from '../../client/outage.ts';
import { WorkQueue } from '../../client/work-queue.ts';
import descriptor from '../../proto/plugin-registration-v1.json' with { type: 'json' };
import { RuntimeChannel } from '../cri/channel.ts';
import { loadProto, type Service } from '../cri/service.ts';
import { hasCode, namesIn } from '../host/files.ts';

/** What a plugin says of itself. */
export interface PluginInfo {
  /** `CSIPlugin` and so on. */
  readonly type: string;
  readonly name: string;
  /** The socket that it serves its own API on. */
  readonly endpoint: string;
  readonly supportedVersions: readonly string[];
}

/** What is done about plugins of one type. */
export interface PluginHandler {
  /** Throws with the reason, which the plugin is told, when it cannot be registered. Called again after that. */
  register(plugin: PluginInfo, signal: AbortSignal): Promise<void>;
  /**
   * The plugin is gone from its endpoint. Called again when it throws. Others of its name may be registered with other endpoints, as while
   * a driver is updated, or when it has moved.
   */
  unregister(plugin: PluginInfo, signal: AbortSignal): Promise<void>;
}

export interface PluginRegistrationsOptions {
  /** Absolute; exists. */
  readonly directory: string;
  /** By the type of plugin. */
  readonly handlers: Readonly<Record<string, PluginHandler>>;
  readonly logger: Logger;
}

/** A plugin that takes longer to say what it is counts as failed. */
const ANSWER_LIMIT_MS = 10_000;
/** A name, a path and a few versions; what is wrong with them is logged. */
const ANSWER_LIMIT_BYTES = 16 * 1024;
/** Plugins that are registered at the same time: one that hangs delays only so many others. */
const CONCURRENCY = 16;
/** Sockets beyond these are ignored: whoever can make them is root. */
const MAX_SOCKETS = 256;
const RETRY = { initialBackoffMs: 500, maxBackoffMs: 60_000 };
/** The directory is looked at this often when it cannot be watched, and after an event that the kernel has dropped. */
const LOOK_AGAIN_MS = 60_000;

interface Registered {
  readonly identity: string;
  readonly plugin: PluginInfo;
}

export class PluginRegistrations {
  readonly #options: PluginRegistrationsOptions;
  readonly #service: Service = loadProto(descriptor).service('pluginregistration.Registration');
  readonly #registered = new Map<string, Registered>();
  readonly #queue: WorkQueue;

  constructor(options: PluginRegistrationsOptions) {
    this.#options = options;
    this.#queue = new WorkQueue({
      ...RETRY,
      concurrency: CONCURRENCY,
      onError: (socket, error, retryMs) =>
        logFailure(options.logger, error as Error, { socket, retryMs }, 'failed to register plugin, retrying'),
    });
  }

  /** Registers and unregisters plugins until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const again = setInterval(() => void this.#look(), LOOK_AGAIN_MS).unref();
    try {
      await Promise.all([this.#watch(signal), this.#queue.run((path) => this.#reconcile(path, signal), signal)]);
    } finally {
      clearInterval(again);
    }
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { directory, logger } = this.#options;
    try {
      const changes = watch(directory, { signal })[Symbol.asyncIterator]();
      // It watches from the first call on. What has changed is looked up: an event may stand for several.
      for (let change = changes.next(); ; change = changes.next()) {
        await this.#look();
        if ((await change).done) return;
      }
    } catch (error) {
      if (!signal.aborted) logger.warn({ directory, err: error }, 'failed to watch plugin directory, polling it');
    }
  }

  /** Wakes what is there and what was registered. */
  async #look(): Promise<void> {
    const { directory, logger } = this.#options;
    try {
      const names = (await namesIn(directory)).filter((name) => !name.startsWith('.'));
      if (names.length > MAX_SOCKETS) logger.warn({ directory, files: names.length }, 'too many files of plugins');
      const paths = names.slice(0, MAX_SOCKETS).map((name) => join(directory, name));
      for (const path of new Set([...paths, ...this.#registered.keys()])) this.#queue.add(path);
    } catch (error) {
      logger.warn({ directory, err: error }, 'failed to read plugin directory');
    }
  }

  async #reconcile(path: string, signal: AbortSignal): Promise<void> {
    const identity = await socketIdentity(path);
    const known = this.#registered.get(path);
    if (identity === undefined) {
      if (known) await this.#unregister(path, known.plugin, signal);
    } else if (known?.identity !== identity) await this.#register(path, identity, signal);
  }

  async #unregister(path: string, plugin: PluginInfo, signal: AbortSignal): Promise<void> {
    await this.#leave(path, plugin, signal);
    this.#registered.delete(path);
    this.#options.logger.info({ plugin: plugin.name, type: plugin.type, socket: path }, 'plugin unregistered');
  }

  /** Tells the handler that the plugin is gone, unless its endpoint is registered by way of another socket, too. */
  async #leave(path: string, plugin: PluginInfo, signal: AbortSignal): Promise<void> {
    const { type, name, endpoint } = plugin;
    const same = [...this.#registered]
      .filter(([other, { plugin: one }]) => other !== path && one.type === type && one.name === name)
      .map(([, { plugin: one }]) => one);
    if (same.some((one) => one.endpoint === endpoint)) return;
    await own(this.#options.handlers, type)?.unregister(plugin, signal);
  }

  /** One that was restarted replaces itself: nothing is unregistered in between. */
  async #register(path: string, identity: string, signal: AbortSignal): Promise<void> {
    const channel = new RuntimeChannel(path, { server: 'the plugin', messageLimitBytes: ANSWER_LIMIT_BYTES });
    const limits = { signal, limitMs: ANSWER_LIMIT_MS };
    try {
      const said = await channel.call<PluginInfo>(this.#service, 'GetInfo', {}, limits);
      const plugin = { ...said, endpoint: said.endpoint || path };
      const tell = (error: string): Promise<object> =>
        channel.call(this.#service, 'NotifyRegistrationStatus', { pluginRegistered: error === '', error }, limits);
      try {
        const handler = own(this.#options.handlers, plugin.type);
        if (!handler) throw new Error(`no handler registered for plugin type: ${plugin.type} at socket ${path}`);
        await handler.register(plugin, signal);
      } catch (error) {
        signal.throwIfAborted();
        await tell((error as Error).message).catch((err: unknown) =>
          this.#options.logger.debug({ socket: path, err }, 'failed to tell plugin that it is not registered'),
        );
        throw error;
      }
      await this.#replace(path, { identity, plugin }, signal);
      await tell('');
    } finally {
      channel.close();
    }
  }

  async #replace(path: string, registered: Registered, signal: AbortSignal): Promise<void> {
    const { type, name, endpoint } = registered.plugin;
    const before = this.#registered.get(path)?.plugin;
    if (before && (before.type !== type || before.name !== name)) await this.#unregister(path, before, signal);
    else if (before && before.endpoint !== endpoint) await this.#leave(path, before, signal);
    this.#registered.set(path, registered);
    this.#options.logger.info({ plugin: name, type, socket: path }, 'plugin registered');
  }
}

/** Which socket of its path it is: a plugin that was restarted has made another. Undefined when there is none. */
async function socketIdentity(path: string): Promise<string | undefined> {
  try {
    const stats = await lstat(path);
    return stats.isSocket() ? `${stats.ino}/${stats.ctimeMs}` : undefined;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/**
 * Where device plugins register: the socket `kubelet.sock` in a directory in which they have their own sockets, too. They register when
 * they start, and again when this socket is made anew.
 * https://kubernetes.io/docs/concepts/extend-kubernetes/compute-storage-net/device-plugins/#device-plugin-registration
 */
import { once } from 'node:events';
import { mkdir, rm, lstat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Server, ServerCredentials, status, type sendUnaryData, type ServerUnaryCall } from '@grpc/grpc-js';
import { isExtendedResource } from '../../../api/domain/resource-names.ts';
import { backoffMs } from '../../../client/backoff.ts';
import type { Logger } from '../../../client/logger.ts';
import { Outage } from '../../../client/outage.ts';
import descriptor from '../../../proto/device-plugin-v1beta1.json' with { type: 'json' };
import { loadProto } from '../../cri/service.ts';
import { namesIn } from '../../host/files.ts';
import type { PluginHandler, PluginInfo } from '../../plugins/plugin-registrations.ts';
import { DEVICE_PLUGIN_VERSION, DevicePlugin } from './device-plugin.ts';
import type { DeviceResources } from './device-resources.ts';

const SOCKET = 'kubelet.sock';
const DIRECTORY_MODE = 0o750;
const RETRY = { initialMs: 1_000, maxMs: 60_000 };
/** A version, a name and a path. */
const REQUEST_LIMIT_BYTES = 16 * 1024;

interface RegisterRequest {
  readonly version: string;
  readonly endpoint: string;
  readonly resourceName: string;
}

export interface PluginServerOptions {
  /** `/var/lib/kubelet/device-plugins` of real hosts. */
  readonly directory: string;
  readonly resources: Pick<DeviceResources, 'attach' | 'listed' | 'detach'>;
  readonly logger: Logger;
}

export class PluginServer implements PluginHandler {
  readonly #options: PluginServerOptions;
  /** By the resource, of plugins that have a socket in the registration directory instead. */
  readonly #registered = new Map<string, DevicePlugin>();

  constructor(options: PluginServerOptions) {
    this.#options = options;
  }

  /** Serves the socket until the signal is aborted; tries again when it cannot be made. */
  async run(signal: AbortSignal): Promise<void> {
    const { directory, logger } = this.#options;
    const outage = new Outage({ logger });
    for (let failures = 0; !signal.aborted;) {
      try {
        await this.#serve(signal);
      } catch (error) {
        outage.failed(error, { directory }, 'failed to serve the socket where device plugins register');
        await delay(backoffMs(RETRY, ++failures), undefined, { signal }).catch(() => undefined);
      }
    }
  }

  async #serve(signal: AbortSignal): Promise<void> {
    const { directory, logger } = this.#options;
    await mkdir(directory, { recursive: true, mode: DIRECTORY_MODE });
    // Of plugins that are there no longer; the others make theirs again, as they have to when the agent is restarted.
    for (const name of await namesIn(directory))
      if ((await lstat(join(directory, name))).isSocket()) await rm(join(directory, name));
    const server = new Server({ 'grpc.max_receive_message_length': REQUEST_LIMIT_BYTES });
    const register = loadProto(descriptor).service(`${DEVICE_PLUGIN_VERSION}.Registration`).method('Register');
    server.addService(
      { Register: register },
      {
        Register: (call: ServerUnaryCall<RegisterRequest, object>, answer: sendUnaryData<object>) => {
          const refuse = (error: unknown): void => {
            logger.warn({ request: call.request, err: error }, 'refused to register device plugin');
            answer({ code: status.INVALID_ARGUMENT, details: (error as Error).message });
          };
          this.#attach(call.request, signal).then(() => answer(null, {}), refuse);
        },
      },
    );
    const socket = join(directory, SOCKET);
    await new Promise<void>((resolve, reject) => {
      server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) =>
        error ? reject(error) : resolve(),
      );
    });
    if (!signal.aborted) await once(signal, 'abort');
    server.forceShutdown();
    await rm(socket, { force: true });
  }

  async #attach({ version, endpoint, resourceName }: RegisterRequest, signal: AbortSignal): Promise<void> {
    if (version !== DEVICE_PLUGIN_VERSION)
      throw new Error(
        `requested API version ${JSON.stringify(version)} is not supported by kubelet. Supported version is ["${DEVICE_PLUGIN_VERSION}"]`,
      );
    if (
      endpoint === '' ||
      basename(endpoint) !== endpoint ||
      endpoint === '.' ||
      endpoint === '..' ||
      endpoint === SOCKET
    )
      throw new Error(`${JSON.stringify(endpoint)} is not the name of a socket in ${this.#options.directory}`);
    await this.#connect(resourceName, join(this.#options.directory, endpoint), signal);
  }

  async #connect(resource: string, socket: string, signal: AbortSignal): Promise<DevicePlugin> {
    const { resources, logger } = this.#options;
    if (!isExtendedResource(resource)) throw new Error(`the ResourceName ${JSON.stringify(resource)} is invalid`);
    const plugin = new DevicePlugin(resource, socket);
    try {
      await plugin.connect(signal);
      await resources.attach(plugin, signal);
    } catch (error) {
      plugin[Symbol.dispose]();
      throw error;
    }
    void plugin.list({
      onDevices: (devices, nodes) => resources.listed(plugin, devices, nodes),
      onGone: (error) => {
        logger.warn({ resource, socket, err: error }, 'device plugin is gone');
        resources.detach(plugin);
      },
    });
    logger.info({ resource, socket }, 'device plugin registered');
    return plugin;
  }

  /** Of those that use the registration directory of all plugins. */
  async register({ name, endpoint, supportedVersions }: PluginInfo, signal: AbortSignal): Promise<void> {
    if (!supportedVersions.includes(DEVICE_PLUGIN_VERSION))
      throw new Error(`device plugin ${name} supports none of the versions "${DEVICE_PLUGIN_VERSION}"`);
    this.#registered.set(name, await this.#connect(name, endpoint, signal));
  }

  async unregister({ name }: PluginInfo): Promise<void> {
    const plugin = this.#registered.get(name);
    this.#registered.delete(name);
    if (plugin) this.#options.resources.detach(plugin);
  }
}

/** A device plugin for tests: its own socket and its registration, on real sockets, as plugins of vendors have them. */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Client, credentials } from '@grpc/grpc-js';
import type { DeviceAnswer } from '../../agent/devices/plugins/device-plugin.ts';
import { loadProto } from '../../agent/cri/service.ts';
import descriptor from '../../proto/device-plugin-v1beta1.json' with { type: 'json' };
import { NodePlugin, type Stream } from './node-plugin.ts';

export interface TestDevicePluginOptions {
  readonly resource: string;
  /** The agent's; `/var/lib/kubelet` of real hosts. */
  readonly kubeletDirectory: string;
  readonly devices: Readonly<Record<string, boolean>>;
  /** The NUMA nodes of devices, by their ids. */
  readonly nodes?: Readonly<Record<string, number>>;
  /** What it can do, as it says when it is asked; nothing is said of it when it registers, as the API lets it. */
  readonly options?: { readonly preStartRequired?: boolean; readonly getPreferredAllocationAvailable?: boolean };
  readonly answer?: (ids: readonly string[]) => Partial<DeviceAnswer>;
  readonly preferred?: (available: readonly string[]) => readonly string[];
}

interface Asked {
  readonly containerRequests: readonly { readonly deviceIds: string[]; readonly availableDeviceIds: string[] }[];
  readonly deviceIds: string[];
}

export class TestDevicePlugin extends NodePlugin<Asked> implements AsyncDisposable {
  readonly #options: TestDevicePluginOptions;
  readonly #watchers = new Set<Stream>();
  #devices: Readonly<Record<string, boolean>>;

  constructor(options: TestDevicePluginOptions) {
    super();
    this.#options = options;
    this.#devices = options.devices;
  }

  get #directory(): string {
    return path.join(this.#options.kubeletDirectory, 'device-plugins');
  }

  /** Serves its socket, and registers. After `stop`, as a plugin that is restarted. */
  async start(): Promise<void> {
    const { answer = () => ({}), preferred = () => [], options = {} } = this.#options;
    const service = 'v1beta1.DevicePlugin';
    const methods = {
      GetDevicePluginOptions: () => options,
      GetPreferredAllocation: ({ containerRequests }: Asked) => ({
        containerResponses: containerRequests.map(({ availableDeviceIds }) => ({
          deviceIds: preferred(availableDeviceIds),
        })),
      }),
      Allocate: ({ containerRequests }: Asked) => ({
        containerResponses: containerRequests.map(({ deviceIds }) => answer(deviceIds)),
      }),
      PreStartContainer: () => ({}),
    };
    const streams = [{ descriptor, service, methods: { ListAndWatch: (stream: Stream) => this.#list(stream) } }];
    await this.listen(path.join(this.#directory, this.#endpoint), descriptor, { [service]: methods }, streams);
    await this.register();
  }

  get #endpoint(): string {
    return `${path.basename(this.#options.resource)}.sock`;
  }

  async register(more: Readonly<Record<string, string>> = {}): Promise<void> {
    const { resource: resourceName } = this.#options;
    const request = { version: 'v1beta1', endpoint: this.#endpoint, resourceName, ...more };
    const client = new Client(`unix:${path.join(this.#directory, 'kubelet.sock')}`, credentials.createInsecure());
    const {
      path: method,
      requestSerialize,
      responseDeserialize,
    } = loadProto(descriptor).service('v1beta1.Registration').method('Register');
    try {
      await new Promise<void>((resolve, reject) => {
        client.makeUnaryRequest(method, requestSerialize, responseDeserialize, request, (error) =>
          error ? reject(error) : resolve(),
        );
      });
    } finally {
      client.close();
    }
  }

  #list(stream: Stream): void {
    this.#watchers.add(stream);
    stream.on('close', () => this.#watchers.delete(stream));
    stream.write(this.#listed);
  }

  get #listed(): object {
    const devices = Object.entries(this.#devices);
    const { nodes = {} } = this.#options;
    const topologyOf = (id: string) => (Object.hasOwn(nodes, id) ? { topology: { nodes: [{ id: nodes[id] }] } } : {});
    return {
      devices: devices.map(([id, isHealthy]) => ({
        ...{ id, health: isHealthy ? 'Healthy' : 'Unhealthy' },
        ...topologyOf(id),
      })),
    };
  }

  /** Tells whoever watches. */
  change(devices: Readonly<Record<string, boolean>>): void {
    this.#devices = devices;
    for (const stream of this.#watchers) stream.write(this.#listed);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** A file that stands for a device's, with its name as its content. */
export async function fileOfDevice(directory: string, id: string): Promise<string> {
  const file = path.join(directory, id);
  await mkdir(directory, { recursive: true });
  await writeFile(file, id);
  return file;
}

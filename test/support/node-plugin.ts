/** What plugins of a node have in common in tests: gRPC services on real sockets, a registration, and a note of every call. */
import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import {
  Server,
  ServerCredentials,
  status,
  type sendUnaryData,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
} from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';
import registration from '../../proto/plugin-registration-v1.json' with { type: 'json' };

const OPTIONS = { longs: Number, enums: String, defaults: true };

export type Methods<Request> = Readonly<Record<string, (request: Request) => object | Promise<object>>>;

export type Stream = ServerWritableStream<object, object>;
export interface StreamService {
  readonly descriptor: object;
  readonly service: string;
  readonly methods: Readonly<Record<string, (stream: Stream) => void>>;
}

export class Refusal extends Error {
  readonly code: status;
  constructor(code: status, message: string) {
    super(message);
    this.code = code;
  }
}

export class NodePlugin<Request> {
  /** What the plugin was asked, in order. */
  readonly calls: { readonly call: string; readonly request: Request }[] = [];
  /** Calls of these names are not answered while they are in here. */
  readonly hanging = new Set<string>();
  /** Calls of these names fail. */
  readonly failing = new Map<string, Refusal>();
  /** What the agent has said of the registration, in order. */
  readonly registrations: { readonly pluginRegistered: boolean; readonly error: string }[] = [];
  readonly #servers: Server[] = [];
  readonly #sockets: string[] = [];

  refuse(call: string, code: keyof typeof status, message: string): void {
    this.failing.set(call, new Refusal(status[code], message));
  }

  callsOf(call: string): Request[] {
    return this.calls.filter((one) => one.call === call).map(({ request }) => request);
  }

  protected async listen(
    socket: string,
    descriptor: object,
    services: Readonly<Record<string, Methods<Request>>>,
    streams: readonly StreamService[] = [],
  ): Promise<void> {
    await mkdir(path.dirname(socket), { recursive: true });
    await rm(socket, { force: true });
    const server = new Server();
    const definitions = fromJSON(descriptor, OPTIONS);
    for (const [service, methods] of Object.entries(services)) {
      const handlers = Object.entries(methods).map(([name, answer]) => [
        name,
        (call: ServerUnaryCall<Request, object>, callback: sendUnaryData<object>) =>
          void this.#answer(name, call.request, answer, callback),
      ]);
      const streaming = streams.find((stream) => stream.service === service)?.methods;
      server.addService(definitions[service] as ServiceDefinition, {
        ...(Object.fromEntries(handlers) as Record<string, never>),
        ...(streaming as Record<string, never>),
      });
    }
    for (const { descriptor: of, service, methods } of streams.filter((stream) => !(stream.service in services)))
      server.addService(fromJSON(of, OPTIONS)[service] as ServiceDefinition, methods as Record<string, never>);
    await new Promise<void>((resolve, reject) => {
      server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) =>
        error ? reject(error) : resolve(),
      );
    });
    this.#servers.push(server);
    this.#sockets.push(socket);
  }

  protected async listenForRegistration(socket: string, info: object): Promise<void> {
    await this.listen(socket, registration, {
      'pluginregistration.Registration': {
        GetInfo: () => info,
        NotifyRegistrationStatus: (said) => {
          this.registrations.push(said as { pluginRegistered: boolean; error: string });
          return {};
        },
      },
    });
  }

  async #answer(
    call: string,
    request: Request,
    answer: (request: Request) => object | Promise<object>,
    callback: sendUnaryData<object>,
  ): Promise<void> {
    this.calls.push({ call, request });
    if (this.hanging.has(call)) return;
    try {
      const refusal = this.failing.get(call);
      if (refusal) throw refusal;
      callback(null, await answer(request));
    } catch (error) {
      const code = error instanceof Refusal ? error.code : status.INTERNAL;
      callback({ code, message: (error as Error).message });
    }
  }

  /** A plugin that is killed leaves its sockets behind. */
  async stop(how: 'ended' | 'killed' = 'ended'): Promise<void> {
    for (const server of this.#servers.splice(0)) server.forceShutdown();
    const sockets = this.#sockets.splice(0);
    if (how === 'ended') for (const socket of sockets) await rm(socket, { force: true });
  }
}

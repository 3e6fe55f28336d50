/** The real proxy, driven by the real driver, in a network namespace of the test's own, with backends beside it. */
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import type { Test } from 'tap';
import { selfSigned } from '../../../addons/ingress/default-certificate.ts';
import { ProxyDriver, type Applied } from '../../../addons/ingress/haproxy/driver.ts';
import { HaproxyProcess } from '../../../addons/ingress/haproxy/process.ts';
import type { ProxySettings } from '../../../addons/ingress/haproxy/settings.ts';
import type { CompiledCluster } from '../../../addons/ingress/gateway/compile.ts';
import { compile } from '../../../addons/ingress/model/compile.ts';
import type { Model } from '../../../addons/ingress/model/model.ts';
import { run } from '../../../agent/host/run.ts';
import { makeOwnDirectory, removeTraces } from '../../support/own-directory.ts';
import { Log } from '../../support/log.ts';
import { compileWorld, type GatewayWorld } from '../../support/gateway-world.ts';
import type { World } from '../../support/ingress-world.ts';

export const HTTP_PORT = 80;
export const HTTPS_PORT = 443;
/** Where the proxy listens and where clients come from. */
export const NODE = '10.99.0.1';

/** Addresses 10.99.0.1 to `count` on a link of this namespace. */
export async function makeAddresses(count: number): Promise<void> {
  await run('ip', ['link', 'set', 'lo', 'up']);
  await run('ip', ['link', 'add', 'pods0', 'type', 'bridge']);
  await run('ip', ['link', 'set', 'pods0', 'up']);
  for (let index = 1; index <= count; index++) await run('ip', ['addr', 'add', `10.99.0.${index}/32`, 'dev', 'pods0']);
}

/** What a backend has been asked, and which one it was. */
export interface Seen {
  readonly server: string;
  readonly method: string;
  readonly url: string;
  readonly headers: http.IncomingHttpHeaders;
}

/** A backend that tells what it was asked. */
export async function startBackend(t: Test, address: string, port = 8080): Promise<http.Server> {
  const server = http.createServer((request, response) => {
    request.resume();
    request.once('end', () => {
      const { method = '', url = '', headers } = request;
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ server: address, method, url, headers } satisfies Seen));
    });
  });
  server.listen(port, address);
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return server;
}

export class RunningProxy {
  readonly driver: ProxyDriver;
  readonly log = new Log();
  readonly directory: string;
  readonly #process: HaproxyProcess;
  readonly #stop = new AbortController();

  private constructor(directory: string, settings: ProxySettings) {
    this.directory = directory;
    this.#process = new HaproxyProcess('haproxy', this.log);
    this.driver = new ProxyDriver({
      ...{ process: this.#process, settings, logger: this.log, directory: path.join(directory, 'run') },
      onExit: () => undefined,
    });
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  static async start(t: Test, settings: Partial<ProxySettings> = {}): Promise<RunningProxy> {
    const directory = await makeOwnDirectory('kedge-ingress');
    const proxy = new RunningProxy(directory, {
      ...{ bindAddresses: [NODE], httpPort: HTTP_PORT, httpsPort: HTTPS_PORT, maxConnections: 2_000 },
      ...{ drainSeconds: 60, accessLog: false, defaultCertificate: await selfSigned() },
      ...settings,
    });
    t.teardown(async () => {
      await proxy.#process.stop();
      await removeTraces(directory);
    });
    return proxy;
  }

  async apply(world: World, allowExternalNames = false): Promise<Applied & { readonly model: Model }> {
    const without = (refused: ReadonlySet<string>): Model => compile(world, { allowExternalNames, refused });
    const model = without(new Set());
    return { model, ...(await this.driver.apply(model, without, this.#stop.signal)) };
  }

  /** As the controller does it where there are Gateways. `ports`: those that listeners may have. */
  async applyGateways(world: GatewayWorld, ports: readonly number[] = []): Promise<Applied & CompiledCluster> {
    const without = (refused: ReadonlySet<string>): CompiledCluster => compileWorld(world, { ports, refused });
    const compiled = without(new Set());
    const applied = await this.driver.apply(compiled.model, (refused) => without(refused).model, this.#stop.signal);
    return { ...compiled, ...applied };
  }
}

export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

/** One request on a connection of its own. `target` is sent as it is. */
export async function ask(
  host: string,
  target: string,
  options: {
    method?: string;
    headers?: http.OutgoingHttpHeaders;
    agent?: http.Agent;
    from?: string;
    body?: string;
    port?: number;
  } = {},
): Promise<Answer> {
  const { headers, from, body, ...rest } = options;
  const request = http.request({
    ...{ host: NODE, port: HTTP_PORT, path: target, agent: false, localAddress: from, headers: { host, ...headers } },
    ...rest,
  });
  request.end(body);
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += chunk as string;
  return { status: response.statusCode ?? 0, headers: response.headers, body: text };
}

/** What the backend that answered has seen; rejects when none did. */
export async function seen(...request: Parameters<typeof ask>): Promise<Seen> {
  const { status, body } = await ask(...request);
  if (status !== 200) throw new Error(`${status} ${body}`);
  return JSON.parse(body) as Seen;
}

export const portOf = (server: http.Server): number => (server.address() as AddressInfo).port;

/**
 * Answers load balancers whether this node has endpoints of a Service with `externalTrafficPolicy: Local`, at its
 * `healthCheckNodePort`. https://kubernetes.io/docs/reference/networking/virtual-ips/#external-traffic-policy
 */
import { createServer, type Server } from 'node:http';
import type { IpFamily } from '../../../api/domain/address.ts';
import type { Logger } from '../../../client/logger.ts';
import { localReadyCount, type ServiceEntry } from './model/service-entry.ts';
import type { Port } from './model/service-values.ts';

interface Check {
  readonly server: Server;
  readonly port: Port;
  /** Endpoints on this node: a pod has one in each family of the Service. */
  readonly local: Map<IpFamily, number>;
  body: string;
}

export class HealthChecks implements Disposable {
  readonly #checks = new Map<string, Check>();
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** `service` is undefined when it is gone, or has no address of the family. */
  update(key: string, family: IpFamily, service: ServiceEntry | undefined): void {
    const port = service?.healthCheckNodePort;
    let check = this.#checks.get(key);
    if (check && port !== check.port) {
      check.local.delete(family);
      if (port === undefined && check.local.size > 0) return;
      check.server.close();
      this.#checks.delete(key);
      check = undefined;
    }
    if (!service || port === undefined) return;
    check ??= this.#listen(key, port);
    check.local.set(family, localReadyCount(service));
    const { namespace, name } = service;
    check.body = JSON.stringify({ service: { namespace, name }, localEndpoints: localOf(check) });
  }

  [Symbol.dispose](): void {
    for (const { server } of this.#checks.values()) server.close();
    this.#checks.clear();
  }

  #listen(key: string, port: Port): Check {
    const server = createServer((_, response) => {
      const code = localOf(check) > 0 ? 200 : 503;
      response.writeHead(code, { 'content-type': 'application/json' }).end(check.body);
    });
    const check: Check = { server, port, local: new Map(), body: '' };
    server.on('error', (error) =>
      this.#logger.warn({ service: key, port, err: error }, 'failed to serve service health check'),
    );
    server.listen(port);
    this.#checks.set(key, check);
    return check;
  }
}

const localOf = ({ local }: Check): number => Math.max(...local.values());

/** Tells load balancers whether this node has endpoints of a Service with `externalTrafficPolicy: Local` (KEP-265's node port). */
import { createServer, type Server } from 'node:http';
import type { Logger } from '../../client/logger.ts';
import { localReadyCount, type ServiceEntry } from './service-table.ts';

interface Check {
  readonly server: Server;
  readonly port: number;
  body: string;
  healthy: boolean;
}

export class HealthChecks implements Disposable {
  readonly #checks = new Map<string, Check>();
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** `service` is undefined when it has gone. */
  update(key: string, service: ServiceEntry | undefined): void {
    const known = this.#checks.get(key);
    const port = service?.healthCheckNodePort ?? 0;
    if (known && known.port !== port) {
      known.server.close();
      this.#checks.delete(key);
    }
    if (!service || port === 0) return;
    const localEndpoints = localReadyCount(service);
    const check = this.#checks.get(key) ?? this.#listen(key, port);
    check.healthy = localEndpoints > 0;
    check.body = JSON.stringify({
      service: { namespace: service.namespace, name: service.name },
      localEndpoints,
    });
  }

  [Symbol.dispose](): void {
    for (const { server } of this.#checks.values()) server.close();
    this.#checks.clear();
  }

  #listen(key: string, port: number): Check {
    const server = createServer((_, response) => {
      response.writeHead(check.healthy ? 200 : 503, { 'content-type': 'application/json' }).end(check.body);
    });
    const check: Check = { server, port, body: '', healthy: false };
    server.on('error', (error) =>
      this.#logger.warn({ service: key, port, err: error }, 'failed to serve service health check'),
    );
    server.listen(port);
    this.#checks.set(key, check);
    return check;
  }
}

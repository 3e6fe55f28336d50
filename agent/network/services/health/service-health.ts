/**
 * Answers load balancers whether this node has endpoints of a Service with `externalTrafficPolicy: Local`, at its
 * `healthCheckNodePort`. https://kubernetes.io/docs/reference/networking/virtual-ips/#external-traffic-policy
 */
import type { IpFamily } from '../../../../api/domain/address.ts';
import type { Logger } from '../../../../client/logger.ts';
import { localReadyCount, type ServiceEntry } from '../model/service-entry.ts';
import type { Port } from '../model/service-values.ts';
import { HttpPort, type HttpAnswer } from '../../../../daemon/http-port.ts';

interface Check {
  readonly server: HttpPort;
  readonly port: Port;
  readonly service: Pick<ServiceEntry, 'namespace' | 'name' | 'uid'>;
  /** Endpoints on this node: a pod has one in each family of the Service. */
  readonly local: Map<IpFamily, number>;
}

export interface ServiceHealthOptions {
  /** Whether the node's rules keep up: where they do not, a load balancer is to look elsewhere. */
  readonly isProxyHealthy: () => boolean;
  /** The port cannot be listened on: another program has it. */
  readonly onError: (service: Check['service'], message: string) => void;
  readonly logger: Logger;
}

export class ServiceHealth implements Disposable {
  readonly #checks = new Map<string, Check>();
  readonly #options: ServiceHealthOptions;

  constructor(options: ServiceHealthOptions) {
    this.#options = options;
  }

  /** `service` is undefined when it is gone, or has no address of the family. */
  update(key: string, family: IpFamily, service: ServiceEntry | undefined): void {
    const port = service?.healthCheckNodePort;
    let check = this.#checks.get(key);
    if (check && port !== check.port) {
      check.local.delete(family);
      if (port === undefined && check.local.size > 0) return;
      check.server[Symbol.dispose]();
      this.#checks.delete(key);
      check = undefined;
    }
    if (!service || port === undefined) return;
    check ??= this.#open(key, port, service);
    check.local.set(family, localReadyCount(service));
  }

  [Symbol.dispose](): void {
    for (const { server } of this.#checks.values()) server[Symbol.dispose]();
    this.#checks.clear();
  }

  #open(key: string, port: Port, service: ServiceEntry): Check {
    const { logger, isProxyHealthy, onError } = this.#options;
    const local: Check['local'] = new Map();
    const server = new HttpPort({
      ...{ port, logger, fields: { serves: 'service health', service: key } },
      answer: () => answer(service, localOf(local), isProxyHealthy()),
      onError: ({ message }) => onError(service, `Failed to listen on healthCheckNodePort ${port}: ${message}`),
    });
    const { namespace, name, uid } = service;
    const check = { server, port, local, service: { namespace, name, uid } };
    this.#checks.set(key, check);
    return check;
  }
}

const localOf = (local: Check['local']): number => Math.max(0, ...local.values());

function answer({ namespace, name }: ServiceEntry, localEndpoints: number, serviceProxyHealthy: boolean): HttpAnswer {
  return {
    status: localEndpoints > 0 && serviceProxyHealthy ? 200 : 503,
    type: 'application/json',
    headers: { 'x-load-balancing-endpoint-weight': String(localEndpoints) },
    body: JSON.stringify({ service: { namespace, name }, localEndpoints, serviceProxyHealthy }),
  };
}

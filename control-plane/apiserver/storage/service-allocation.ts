/**
 * Cluster IPs and node ports of services. What is taken is read off the stored services when the server starts and held in
 * memory from then on; taking is synchronous, so two writes never get the same. One api-server writes a store.
 */
import { isIPv4 } from 'node:net';
import { invalid } from '../../../api/machinery/field-error.ts';
import { internalError, invalidObject } from '../../../api/machinery/status-error.ts';
import { needsClusterIP, needsHealthCheckPort, needsNodePort } from '../../../api/kinds/core/service-rules.ts';
import { NumberPool } from './number-pool.ts';
import type { Stored } from '../catalogue/object-meta.ts';
import { settleIPFamilies } from './service-ip-families.ts';
import type { Reservation, Reserver } from './write.ts';
import type { Service } from '../../../api/types/core/v1.gen.ts';

export interface ServiceNetwork {
  /** As `10.43.0.0/16`. */
  readonly serviceCIDR: string;
  readonly nodePorts: { readonly first: number; readonly last: number };
}

export const DEFAULT_SERVICE_NETWORK: ServiceNetwork = {
  serviceCIDR: '10.43.0.0/16',
  nodePorts: { first: 30000, last: 32767 },
};

/** The tenth address of the service network is the cluster's DNS. */
const DNS_OFFSET = 10;
const KIND = { group: '', kind: 'Service' };

export class ServiceAllocator implements Reserver {
  readonly #network: ServiceNetwork;
  readonly #base: number;
  readonly #addresses: NumberPool;
  readonly #ports: NumberPool;

  /** @param stored the services that there are. */
  constructor(network: ServiceNetwork, stored: Iterable<Service>) {
    this.#network = network;
    const [address = '', length = ''] = network.serviceCIDR.split('/');
    const size = 2 ** (32 - Number(length));
    this.#base = toNumber(address);
    // The network's own address and the last one are not for services. Bands as upstream's.
    this.#addresses = new NumberPool(1, size - 2, Math.min(Math.max(16, size >> 4), 256), [DNS_OFFSET]);
    const { first, last } = network.nodePorts;
    this.#ports = new NumberPool(first, last, Math.min(Math.max(16, (last - first + 1) >> 5), 128));
    for (const service of stored) {
      for (const ip of addressesOf(service)) this.#addresses.take(this.#offset(ip));
      for (const port of portsOf(service)) this.#ports.take(port);
    }
  }

  reserve(object: Stored, old: Stored | undefined): Reservation {
    const service = object as Service;
    const before = old as Service | undefined;
    const taken: (() => void)[] = [];
    const rollback = () => {
      for (const undo of taken.splice(0)) undo();
    };
    try {
      this.#reserveAddress(service, before, taken);
      this.#reservePorts(service, before, taken);
    } catch (error) {
      rollback();
      throw error;
    }
    const commit = () => {
      if (!before) return;
      const addresses = new Set(addressesOf(service));
      for (const ip of addressesOf(before)) if (!addresses.has(ip)) this.#addresses.release(this.#offset(ip));
      const ports = new Set(portsOf(service));
      for (const port of portsOf(before)) if (!ports.has(port)) this.#ports.release(port);
    };
    return { commit, rollback };
  }

  release(object: Stored): void {
    for (const ip of addressesOf(object as Service)) this.#addresses.release(this.#offset(ip));
    for (const port of portsOf(object as Service)) this.#ports.release(port);
  }

  #reserveAddress(service: Service, before: Service | undefined, taken: (() => void)[]): void {
    const { spec } = service;
    if (!spec || !needsClusterIP(spec)) return;
    const problems = settleIPFamilies(spec, before?.spec);
    if (problems.length > 0) throw invalidObject(KIND, service.metadata?.name ?? '', problems);
    if (spec.clusterIP === 'None') {
      spec.clusterIPs = ['None'];
      return;
    }
    const wanted = spec.clusterIP;
    if (wanted && before && addressesOf(before).includes(wanted)) return;
    const offset = wanted ? this.#takeAddress(service, wanted) : this.#addresses.takeAny();
    if (offset === undefined) throw internalError('failed to allocate a serviceIP: range is full');
    taken.push(() => this.#addresses.release(offset));
    spec.clusterIP = fromNumber(this.#base + offset);
    spec.clusterIPs = [spec.clusterIP];
  }

  #takeAddress(service: Service, ip: string): number {
    const offset = isIPv4(ip) ? this.#offset(ip) : -1;
    if (!this.#addresses.includes(offset)) {
      throw this.#refusal(
        service,
        'spec.clusterIPs',
        [ip],
        `failed to allocate IP ${ip}: the provided IP (${ip}) is not in the valid range. The range of valid IPs is ${this.#network.serviceCIDR}`,
      );
    }
    if (!this.#addresses.take(offset)) {
      throw this.#refusal(
        service,
        'spec.clusterIPs',
        [ip],
        `failed to allocate IP ${ip}: provided IP is already allocated`,
      );
    }
    return offset;
  }

  #reservePorts(service: Service, before: Service | undefined, taken: (() => void)[]): void {
    const { spec } = service;
    if (!spec) return;
    const own = new Set(before ? portsOf(before) : []);
    if (needsNodePort(spec)) {
      // TCP and UDP of one port number share a node port where nothing else is asked for.
      const byNumber = new Map<number, { readonly nodePort: number; readonly protocols: Set<string> }>();
      for (const [index, port] of (spec.ports ?? []).entries()) {
        const protocol = port.protocol ?? 'TCP';
        const sibling = byNumber.get(port.port);
        if (port.nodePort) {
          if (!own.has(port.nodePort)) this.#takePort(service, `spec.ports[${index}].nodePort`, port.nodePort, taken);
          own.add(port.nodePort);
        } else if (sibling && !sibling.protocols.has(protocol)) {
          port.nodePort = sibling.nodePort;
        } else {
          port.nodePort = this.#takeAnyPort(taken);
          own.add(port.nodePort);
        }
        if (sibling) sibling.protocols.add(protocol);
        else byNumber.set(port.port, { nodePort: port.nodePort, protocols: new Set([protocol]) });
      }
    }
    if (!needsHealthCheckPort(spec)) return;
    if (!spec.healthCheckNodePort) spec.healthCheckNodePort = this.#takeAnyPort(taken);
    else if (!own.has(spec.healthCheckNodePort)) {
      this.#takePort(service, 'spec.healthCheckNodePort', spec.healthCheckNodePort, taken);
    }
  }

  #takePort(service: Service, field: string, port: number, taken: (() => void)[]): void {
    const { first, last } = this.#network.nodePorts;
    if (!this.#ports.includes(port)) {
      const why = `provided port is not in the valid range. The range of valid ports is ${first}-${last}`;
      throw this.#refusal(service, field, port, why);
    }
    if (!this.#ports.take(port)) throw this.#refusal(service, field, port, 'provided port is already allocated');
    taken.push(() => this.#ports.release(port));
  }

  #takeAnyPort(taken: (() => void)[]): number {
    const port = this.#ports.takeAny();
    if (port === undefined) throw internalError('failed to allocate a nodePort: range is full');
    taken.push(() => this.#ports.release(port));
    return port;
  }

  #refusal(service: Service, field: string, value: unknown, why: string) {
    return invalidObject(KIND, service.metadata?.name ?? '', [invalid(field, value, why)]);
  }

  #offset(ip: string): number {
    return toNumber(ip) - this.#base;
  }
}

const addressesOf = ({ spec }: Service): string[] =>
  spec?.type === 'ExternalName' ? [] : [spec?.clusterIP ?? ''].filter((ip) => isIPv4(ip));

function portsOf({ spec }: Service): number[] {
  const ports = (spec?.ports ?? []).map(({ nodePort }) => nodePort ?? 0);
  ports.push(spec?.healthCheckNodePort ?? 0);
  return [...new Set(ports)].filter((port) => port > 0);
}

const toNumber = (ip: string): number => ip.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
const fromNumber = (number: number): string => [24, 16, 8, 0].map((shift) => (number >>> shift) & 0xff).join('.');

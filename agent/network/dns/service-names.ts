/**
 * The records of one Service as they are asked for. They are made when somebody asks first: a query costs what its answer has, however
 * many endpoints and ports whoever makes a Service and its EndpointSlices gives it.
 */
import { Type } from './message.ts';
import type { DnsEndpoint, DnsPort, DnsService } from './dns-service.ts';

/** A port at a name below that of the Service; that itself when it is empty. */
export interface ServiceTarget {
  readonly port: number;
  readonly label: string;
}

/** By IP family, each once. */
interface Addresses {
  readonly v4: string[];
  readonly v6: string[];
}

/** Names that have the same ports. */
interface PortGroup {
  readonly ports: readonly DnsPort[];
  readonly labels: readonly string[];
}

interface NamedPort {
  readonly port: number;
  readonly labels: readonly string[];
}

/** The Service itself among the labels of its endpoints. */
const SELF = '';

export class ServiceNames {
  readonly service: DnsService;
  #addresses: ReadonlyMap<string, Addresses> | undefined;
  #ports: ReadonlyMap<string, readonly NamedPort[]> | undefined;

  constructor(service: DnsService) {
    this.service = service;
  }

  /**
   * Some of the addresses of a name, others each time: clients take the first.
   * @param label of an endpoint
   */
  addresses(type: number, most: number, label = SELF): string[] {
    const found = this.#byLabel().get(label);
    if (!found) return [];
    const v4 = type === Type.A || type === Type.ANY ? sample(found.v4, most) : [];
    const v6 = type === Type.AAAA || type === Type.ANY ? sample(found.v6, most) : [];
    return v4.length === 0 || v6.length === 0 ? [...v4, ...v6] : sample([...v4, ...v6], most);
  }

  hasEndpoint(label: string): boolean {
    return label !== SELF && this.#byLabel().has(label);
  }

  /** @param key `_http._tcp`, or `_tcp` alone */
  hasPort(key: string): boolean {
    return this.#byPort().has(key);
  }

  /** @param key `_http._tcp`; all named ports when it is undefined */
  targets(key: string | undefined, most: number): ServiceTarget[] {
    const ports = key === undefined ? this.#named() : (this.#byPort().get(key) ?? []);
    const found = new Map<string, ServiceTarget>();
    for (const { port, labels } of ports)
      for (const label of labels) {
        found.set(`${port} ${label}`, { port, label });
        if (found.size >= most) return [...found.values()];
      }
    return [...found.values()];
  }

  *#named(): Generator<NamedPort> {
    for (const [key, ports] of this.#byPort()) if (key.includes('.')) yield* ports;
  }

  #byLabel(): ReadonlyMap<string, Addresses> {
    return (this.#addresses ??= addressesByLabel(this.service));
  }

  #byPort(): ReadonlyMap<string, readonly NamedPort[]> {
    return (this.#ports ??= portsByKey(portGroups(this.service)));
  }
}

export const labelOf = ({ hostname, address }: DnsEndpoint): string =>
  hostname?.toLowerCase() ?? address.replaceAll(/[.:]/g, '-');

function addressesByLabel({ addresses, endpoints = [] }: DnsService): ReadonlyMap<string, Addresses> {
  const sets = new Map<string, Set<string>>();
  const add = (label: string, address: string): void => {
    const known = sets.get(label) ?? new Set();
    sets.set(label, known.add(address));
  };
  for (const address of addresses) add(SELF, address);
  for (const endpoint of endpoints) {
    add(SELF, endpoint.address);
    add(labelOf(endpoint), endpoint.address);
  }
  return new Map(
    [...sets].map(([label, known]) => {
      const { v4 = [], v6 = [] } = Object.groupBy(known, (address) => (address.includes(':') ? 'v6' : 'v4'));
      return [label, { v4, v6 }];
    }),
  );
}

function portGroups({ ports, endpoints }: DnsService): PortGroup[] {
  if (!endpoints) return [{ ports, labels: [SELF] }];
  const groups = Map.groupBy(endpoints, (endpoint) => endpoint.ports);
  return [...groups].map(([shared, of]) => ({ ports: shared, labels: [...new Set(of.map(labelOf))] }));
}

/** By `_http._tcp`, and by `_tcp` alone for all protocols that there are. */
function portsByKey(groups: readonly PortGroup[]): ReadonlyMap<string, readonly NamedPort[]> {
  const found = new Map<string, NamedPort[]>();
  for (const { ports, labels } of groups)
    for (const { name, protocol, port } of ports) {
      if (!found.has(`_${protocol}`)) found.set(`_${protocol}`, []);
      if (name === '') continue;
      const key = `_${name}._${protocol}`;
      const known = found.get(key) ?? [];
      known.push({ port, labels });
      found.set(key, known);
    }
  return found;
}

/** So many of them at random, each as likely as any other. Their order changes. */
function sample<T>(items: T[], most: number): T[] {
  const count = Math.min(items.length, most);
  for (let index = 0; index < count; index++) {
    const other = index + Math.floor(Math.random() * (items.length - index));
    [items[index], items[other]] = [items[other]!, items[index]!];
  }
  return items.slice(0, count);
}

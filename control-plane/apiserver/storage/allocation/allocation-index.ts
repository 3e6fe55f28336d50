/** An index of the stored Services' addresses and node ports. */
import { IpAddress } from '../../../../api/domain/address.ts';
import { services } from '../../../../api/kinds/core/service.ts';
import type { Service } from '../../../../api/types/core/v1.gen.ts';
import type { LocalApi } from '../../catalogue/local-api.ts';

/** The Service that has an address or port. */
export interface Owner {
  readonly namespace: string;
  readonly name: string;
}

interface Holding {
  readonly owner: Owner;
  readonly addresses: readonly string[];
  readonly ports: readonly number[];
}

export class AllocationIndex {
  readonly #byService = new Map<string, Holding>();
  /** Several owners are possible for Services written before allocations were objects. */
  readonly #byAddress = new Map<string, Owner[]>();
  readonly #byPort = new Map<number, Owner[]>();

  constructor(api: LocalApi) {
    api.subscribe(services, ({ namespace, name, object }) => this.#set({ namespace, name }, object));
  }

  get addresses(): ReadonlyMap<string, readonly Owner[]> {
    return this.#byAddress;
  }

  get ports(): ReadonlyMap<number, readonly Owner[]> {
    return this.#byPort;
  }

  /** Whether the node port is another Service's, too. */
  isAllocatedToOther(port: number, { namespace, name }: Owner): boolean {
    const owners = this.#byPort.get(port) ?? [];
    return owners.some((owner) => owner.namespace !== namespace || owner.name !== name);
  }

  #set({ namespace, name }: Owner, service: Service | undefined): void {
    const key = `${namespace}/${name}`;
    const before = this.#byService.get(key);
    const owner = before?.owner ?? { namespace, name };
    for (const address of before?.addresses ?? []) removeOwner(this.#byAddress, address, owner);
    for (const port of before?.ports ?? []) removeOwner(this.#byPort, port, owner);
    this.#byService.delete(key);
    if (!service) return;
    const holding = { owner, addresses: addressesOf(service), ports: portsOf(service) };
    for (const address of holding.addresses) addOwner(this.#byAddress, address, owner);
    for (const port of holding.ports) addOwner(this.#byPort, port, owner);
    this.#byService.set(key, holding);
  }
}

function addOwner<K>(owners: Map<K, Owner[]>, key: K, owner: Owner): void {
  const present = owners.get(key);
  if (present) present.push(owner);
  else owners.set(key, [owner]);
}

function removeOwner<K>(owners: Map<K, Owner[]>, key: K, owner: Owner): void {
  const others = (owners.get(key) ?? []).filter((other) => other !== owner);
  if (others.length > 0) owners.set(key, others);
  else owners.delete(key);
}

/** `namespace/name`, for logs. */
export const nameOf = ({ namespace, name }: Owner): string => `${namespace}/${name}`;

/** The Service's cluster IPs in canonical form; those of a Service from before `clusterIPs` are in `clusterIP`. */
export const addressesOf = ({ spec }: Service): string[] =>
  spec?.type === 'ExternalName'
    ? []
    : (spec?.clusterIPs ?? [spec?.clusterIP ?? '']).flatMap((ip) => IpAddress.parse(ip)?.text ?? []);

/** The Service's node ports, without duplicates. */
export function portsOf({ spec }: Service): number[] {
  const ports = (spec?.ports ?? []).map(({ nodePort }) => nodePort ?? 0);
  ports.push(spec?.healthCheckNodePort ?? 0);
  return [...new Set(ports)].filter((port) => port > 0);
}

/**
 * The records of a cluster's Services and pods: https://github.com/kubernetes/dns/blob/master/docs/specification.md
 * A name with records of other types has none of the type that is asked for; one that is not there, does not exist.
 */
import { IpAddress, type Cidr } from '../../../api/domain/address.ts';
import { Rcode, Type, type Owned, type Reply } from './message.ts';
import type { DnsService } from './dns-service.ts';
import { ServiceNames } from './service-names.ts';

/** Another name: whoever asks is told so, and what that one has. */
export interface Alias {
  readonly alias: string;
  readonly answer: Owned;
}

/** What the zone knows about a name. */
export type Finding =
  | { readonly reply: Reply }
  /** An address of the cluster that nobody has given a name. */
  | { readonly reply: Reply; readonly isUnnamed: true }
  | Alias
  /** None of the zone's. */
  | undefined;

/** Seconds that clients may keep what they were told: Services change, and asking costs next to nothing. */
const TTL = 5;
/** The version of the specification, which says that it is to be had. */
const SCHEMA_VERSION = '1.1.0';
/** The name of this server, which resolves to the addresses of the cluster's DNS. */
const SERVER = ['ns', 'dns'];
/** Addresses of the targets of SRV records come along for so many. */
const MAX_ADDITIONAL_TARGETS = 8;
const REVERSE_V4 = ['in-addr', 'arpa'];
const REVERSE_V6 = ['ip6', 'arpa'];

export class ClusterZone {
  /** Of the cluster: `cluster`, `local`. */
  readonly #suffix: readonly string[];
  readonly #domain: string;
  #serverAddresses: readonly string[] = [];
  /** Of pods and Services. */
  readonly #ranges: readonly Cidr[];
  readonly #namespaces = new Map<string, Map<string, ServiceNames>>();
  /** The names of addresses of Services, and of endpoints, which are whatever whoever makes them says. */
  readonly #serviceNames = new AddressNames();
  readonly #endpointNames = new AddressNames();
  /** Changes whenever an answer may be another. */
  #version = 1;

  /**
   * @param domain `cluster.local`
   * @param ranges the cluster's own addresses: nobody else is asked for their names
   */
  constructor(domain: string, ranges: readonly Cidr[] = []) {
    this.#ranges = ranges;
    this.#domain = domain.toLowerCase();
    this.#suffix = this.#domain.split('.');
  }

  get version(): number {
    return this.#version;
  }

  /** Where this server is. */
  setServerAddresses(addresses: readonly string[]): void {
    this.#serverAddresses = addresses;
    this.#version++;
  }

  /** Undefined: the Service is gone. */
  set(namespace: string, name: string, service: DnsService | undefined): void {
    this.#version++;
    const services = this.#namespaces.get(namespace) ?? new Map<string, ServiceNames>();
    const before = services.get(name);
    if (before) this.#forgetNames(before.service);
    if (service) {
      this.#namespaces.set(namespace, services.set(name, new ServiceNames(service)));
      this.#rememberNames(service);
      return;
    }
    services.delete(name);
    if (services.size === 0) this.#namespaces.delete(namespace);
  }

  /**
   * @param asked the labels of a name, in any letters
   * @param most no more records have room for the client
   */
  find(asked: readonly string[], type: number, most: number): Finding {
    const labels = asked.map((label) => label.toLowerCase());
    if (endsWith(labels, this.#suffix)) return this.#findBelow(labels.slice(0, -this.#suffix.length), type, most);
    const address = addressOf(labels);
    if (!address) return undefined;
    const zone = labels.slice(-2).join('.');
    const names = this.#serviceNames.of(address.text) ?? this.#endpointNames.of(address.text);
    if (!names)
      return this.#ranges.some((range) => range.contains(address))
        ? { reply: this.#missing(zone), isUnnamed: true }
        : undefined;
    const answers = matches(type, Type.PTR) ? names.values().take(most).map(pointerTo).toArray() : [];
    return { reply: this.#found(answers, zone) };
  }

  #findBelow(labels: readonly string[], type: number, most: number): Finding {
    const [last, ...before] = labels.toReversed();
    if (last === 'svc') return this.#findService(before, type, most);
    if (last === 'pod') return { reply: this.#podReply(before, type) };
    if (last === undefined) return { reply: this.#apexReply(type) };
    if (labels.length === 1 && last === 'dns-version')
      return { reply: this.#found(matches(type, Type.TXT) ? [ownRecord('TXT', SCHEMA_VERSION)] : []) };
    if (last === SERVER[1] && before.length <= 1 && (before.length === 0 || before[0] === SERVER[0]))
      return { reply: this.#found(before.length === 0 ? [] : addressRecords(this.#serverAddresses, type)) };
    return { reply: this.#missing() };
  }

  #apexReply(type: number): Reply {
    const answers: Owned[] = [];
    if (matches(type, Type.SOA)) answers.push({ ...this.#authority(this.#domain), ofQuestion: true });
    if (matches(type, Type.NS)) answers.push(ownRecord('NS', `${SERVER.join('.')}.${this.#domain}`));
    return this.#found(answers);
  }

  /** @param labels from the right: namespace, name, and what is in front of it */
  #findService([namespace, name, ...front]: readonly string[], type: number, most: number): Finding {
    if (namespace === undefined) return { reply: this.#found([]) };
    const services = this.#namespaces.get(namespace);
    if (!services) return { reply: this.#missing() };
    if (name === undefined) return { reply: this.#found([]) };
    const stored = services.get(name);
    if (!stored) return { reply: this.#missing() };
    const { service } = stored;
    if (service.externalName !== undefined) {
      if (front.length > 0) return { reply: this.#missing() };
      return { alias: service.externalName, answer: ownRecord('CNAME', service.externalName) };
    }
    return { reply: this.#serviceReply(stored, front, type, most) };
  }

  #serviceReply(stored: ServiceNames, front: readonly string[], type: number, most: number): Reply {
    const { service } = stored;
    const [first, second] = front;
    // Without endpoints that are ready, a headless Service has no name.
    if (service.endpoints?.length === 0 || front.length > 2) return this.#missing();
    if (first === undefined) {
      if (type === Type.SRV) return this.#serverRecords(stored, undefined, most);
      return this.#found(addressRecords(stored.addresses(type, most), type));
    }
    if (first.startsWith('_')) {
      const key = second === undefined ? first : `${second}.${first}`;
      if (!stored.hasPort(key)) return this.#missing();
      return second !== undefined && matches(type, Type.SRV) ? this.#serverRecords(stored, key, most) : this.#found([]);
    }
    if (second !== undefined || !stored.hasEndpoint(first)) return this.#missing();
    return this.#found(addressRecords(stored.addresses(type, most, first), type));
  }

  /** @param key of a port; of all when it is undefined */
  #serverRecords(stored: ServiceNames, key: string | undefined, most: number): Reply {
    const name = this.#nameOf(stored.service);
    const nameOf = (label: string): string => (label === '' ? name : `${label}.${name}`);
    const targets = stored.targets(key, most);
    const answers = targets.map(({ port, label }) =>
      ownRecord('SRV', { priority: 0, weight: 100, port, target: nameOf(label) }),
    );
    const labels = new Set(targets.map(({ label }) => label));
    const additionals = [...(labels.size > MAX_ADDITIONAL_TARGETS ? [] : labels)].flatMap((label) =>
      addressRecords(stored.addresses(Type.ANY, most, label), Type.ANY).map((record) => ({
        ...{ ...record, name: nameOf(label), ofQuestion: false },
      })),
    );
    return { ...this.#found(answers), additionals };
  }

  /** A pod of any namespace, whether or not there is one: the name has its address (CoreDNS, `pods insecure`). */
  #podReply([namespace, dashed, ...more]: readonly string[], type: number): Reply {
    if (namespace === undefined || dashed === undefined) return this.#found([]);
    const address = more.length === 0 ? addressFromLabel(dashed) : undefined;
    return address === undefined ? this.#missing() : this.#found(addressRecords([address], type));
  }

  /** No answers: the name is there, and has no records of the type. */
  #found(answers: readonly Owned[], zone = this.#domain): Reply {
    return { rcode: Rcode.ok, answers, authorities: answers.length === 0 ? [this.#authority(zone)] : [] };
  }

  #missing(zone = this.#domain): Reply {
    return { rcode: Rcode.noSuchName, answers: [], authorities: [this.#authority(zone)] };
  }

  /** @param zone that the name asked for is in */
  #authority(zone: string): Owned {
    return {
      ...{ type: 'SOA', name: zone, ttl: TTL },
      data: {
        ...{ mname: `${SERVER.join('.')}.${this.#domain}`, rname: `hostmaster.${this.#domain}` },
        ...{ serial: this.#version, refresh: 7200, retry: 1800, expire: 86400, minimum: TTL },
      },
    };
  }

  #nameOf({ namespace, name }: DnsService): string {
    return `${name}.${namespace}.svc.${this.#domain}`;
  }

  #rememberNames(service: DnsService): void {
    const name = this.#nameOf(service);
    for (const address of service.addresses) this.#serviceNames.add(address, name, name);
    for (const { address, hostname } of service.endpoints ?? [])
      if (hostname !== undefined) this.#endpointNames.add(address, name, `${hostname.toLowerCase()}.${name}`);
  }

  #forgetNames(service: DnsService): void {
    const name = this.#nameOf(service);
    for (const address of service.addresses) this.#serviceNames.delete(address, name);
    for (const { address } of service.endpoints ?? []) this.#endpointNames.delete(address, name);
  }
}

/** The names of addresses, by the key of what says so. */
class AddressNames {
  readonly #names = new Map<string, Map<string, string>>();

  of(address: string): ReadonlyMap<string, string> | undefined {
    return this.#names.get(address);
  }

  add(address: string, key: string, name: string): void {
    const names = this.#names.get(address) ?? new Map<string, string>();
    this.#names.set(address, names.set(key, name));
  }

  delete(address: string, key: string): void {
    const names = this.#names.get(address);
    names?.delete(key);
    if (names?.size === 0) this.#names.delete(address);
  }
}

const matches = (asked: number, type: number): boolean => asked === type || asked === Type.ANY;

const endsWith = (labels: readonly string[], suffix: readonly string[]): boolean =>
  labels.length >= suffix.length &&
  suffix.every((label, index) => label === labels[labels.length - suffix.length + index]);

function ownRecord(type: 'CNAME' | 'NS' | 'PTR' | 'TXT', data: string): Owned;
function ownRecord(type: 'SRV', data: { priority: number; weight: number; port: number; target: string }): Owned;
function ownRecord(type: string, data: unknown): Owned {
  return { type, data, name: '.', ttl: TTL, ofQuestion: true } as Owned;
}

const pointerTo = (name: string): Owned => ownRecord('PTR', name);

function addressRecords(addresses: readonly string[], type: number): Owned[] {
  return addresses.flatMap((address) => {
    const isV6 = address.includes(':');
    if (!matches(type, isV6 ? Type.AAAA : Type.A)) return [];
    return { type: isV6 ? 'AAAA' : 'A', data: address, name: '.', ttl: TTL, ofQuestion: true };
  });
}

/** `10-1-2-3` or `fd00--1`. */
function addressFromLabel(label: string): string | undefined {
  if (!/^[0-9a-f-]+$/.test(label)) return undefined;
  return asWritten(label.replaceAll('-', '.')) ?? IpAddress.parse(label.replaceAll('-', ':'))?.text;
}

/** Without leading zeros. */
const asWritten = (text: string): string | undefined => (IpAddress.parse(text)?.text === text ? text : undefined);

const IPV4_OCTETS = 4;
const IPV6_NIBBLES = 32;

/** The address that a name of in-addr.arpa or ip6.arpa stands for. */
function addressOf(labels: readonly string[]): IpAddress | undefined {
  const parts = labels.slice(0, -2).reverse();
  if (endsWith(labels, REVERSE_V4) && parts.length === IPV4_OCTETS)
    return IpAddress.parse(asWritten(parts.join('.')) ?? '');
  if (!endsWith(labels, REVERSE_V6) || parts.length !== IPV6_NIBBLES || parts.some((part) => !/^[0-9a-f]$/.test(part)))
    return undefined;
  return IpAddress.parse(parts.join('').replaceAll(/(.{4})(?=.)/g, '$1:'));
}

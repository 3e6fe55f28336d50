/** Warnings about ports of a pod that are declared twice, overlap or are ambiguous, across its containers. */
import type { ContainerPort, PodSpec } from '../../types/core/v1.gen.ts';
import { allContainers, containerPath } from './all-containers.ts';
import type { WarningList } from './warning-list.ts';

interface PlacedPort {
  readonly port: ContainerPort;
  readonly path: string;
}

interface Declared {
  readonly index: number;
  readonly path: string;
}

/** The ports of one number and protocol, by what makes them conflict: comparing all with all would be quadratic. */
class Declarations {
  static of({ port, path }: PlacedPort): Declarations {
    const declarations = new Declarations();
    declarations.add(port, path);
    return declarations;
  }

  readonly #all: Declared[] = [];
  readonly #withoutHostPort: Declared[] = [];
  readonly #byHostPort = new Map<number, Declared[]>();
  /** By host port and address; the address may be empty. */
  readonly #byHostAddress = new Map<string, Declared[]>();

  /** The earlier ones that a port conflicts with, in their order. */
  conflicts({ hostPort = 0, hostIP = '' }: ContainerPort): { readonly kind: string; readonly other: Declared }[] {
    const found = new Map<Declared, string>();
    const note = (kind: string, others: readonly Declared[]): void => {
      for (const other of others) if (!found.has(other)) found.set(other, kind);
    };
    note('duplicate', this.#at(hostPort, hostIP));
    note('overlapping', hostPort === 0 ? this.#all : this.#withoutHostPort);
    if (hostPort !== 0)
      note('dangerously ambiguous', hostIP === '' ? (this.#byHostPort.get(hostPort) ?? []) : this.#at(hostPort, ''));
    return [...found]
      .map(([other, kind]) => ({ kind, other }))
      .sort((left, right) => left.other.index - right.other.index);
  }

  add({ hostPort = 0, hostIP = '' }: ContainerPort, path: string): void {
    const declared = { index: this.#all.length, path };
    this.#all.push(declared);
    if (hostPort === 0) this.#withoutHostPort.push(declared);
    append(this.#byHostPort, hostPort, declared);
    append(this.#byHostAddress, `${hostPort}/${hostIP}`, declared);
  }

  #at(hostPort: number, hostIP: string): readonly Declared[] {
    return this.#byHostAddress.get(`${hostPort}/${hostIP}`) ?? [];
  }
}

function append<K>(lists: Map<K, Declared[]>, key: K, declared: Declared): void {
  const list = lists.get(key);
  if (list) list.push(declared);
  else lists.set(key, [declared]);
}

/** As upstream prints a port. */
const shown = ({ name = '', hostPort = 0, containerPort, protocol, hostIP = '' }: ContainerPort): string =>
  `{Name:${name} HostPort:${hostPort} ContainerPort:${containerPort} Protocol:${protocol ?? ''} HostIP:${hostIP}}`;

/** Of a port that is the only one nothing is said, unless it has an address of the host. */
function isWorthALook(spec: PodSpec): boolean {
  let count = 0;
  for (const { ports } of allContainers(spec))
    for (const { hostIP } of ports ?? []) if (++count > 1 || hostIP) return true;
  return false;
}

/** @param path of the pod spec */
function placedPorts(spec: PodSpec, path: string): PlacedPort[] {
  return allContainers(spec).flatMap(({ ports }, place) => {
    const at = containerPath(spec, place, path);
    return (ports ?? []).map((port, index) => ({ port, path: `${at}.ports[${index}]` }));
  });
}

/** @param path of the pod spec */
export function addPortWarnings(spec: PodSpec, path: string, warnings: WarningList): void {
  if (isWorthALook(spec)) addWarnings(placedPorts(spec, path), warnings);
}

function addWarnings(ports: readonly PlacedPort[], warnings: WarningList): void {
  // Nearly all are the only ones of their number and protocol.
  const declared = new Map<string, PlacedPort | Declarations>();
  for (const placed of ports) {
    const { port, path } = placed;
    if (warnings.isFull) return;
    if (port.hostIP && !port.hostPort) warnings.add(`${path}: hostIP set without hostPort: ${shown(port)}`);
    const key = `${port.containerPort}/${port.protocol}`;
    const known = declared.get(key);
    if (!known) {
      declared.set(key, placed);
      continue;
    }
    const earlier = known instanceof Declarations ? known : Declarations.of(known);
    declared.set(key, earlier);
    for (const { kind, other } of earlier.conflicts(port))
      warnings.add(`${path}: ${kind} port definition with ${other.path}`);
    earlier.add(port, path);
  }
  const byName = new Map<string, string>();
  for (const { port, path } of ports) {
    const { name = '' } = port;
    const other = byName.get(name);
    if (name === '') continue;
    if (other === undefined) byName.set(name, path);
    else {
      const effect = `services and probes that select ports by name will use ${other}`;
      warnings.add(`${path}: duplicate port name "${name}" with ${other}, ${effect}`);
    }
  }
}

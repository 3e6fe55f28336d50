/** Warnings about ports of a pod that are declared twice, overlap or are ambiguous, across its containers. */
import type { ContainerPort } from '../../types/core/v1.gen.ts';
import type { WarningList } from './warning-list.ts';

export interface PlacedPort {
  readonly port: ContainerPort;
  readonly path: string;
}

interface Declared {
  readonly index: number;
  readonly path: string;
}

/** The ports of one number and protocol, by what makes them conflict: comparing all with all would be quadratic. */
class Declarations {
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

export function addPortWarnings(ports: readonly PlacedPort[], warnings: WarningList): void {
  const declared = new Map<string, Declarations>();
  for (const { port, path } of ports) {
    if (warnings.isFull) return;
    if (port.hostIP && !port.hostPort) warnings.add(`${path}: hostIP set without hostPort: ${shown(port)}`);
    const key = `${port.containerPort}/${port.protocol}`;
    const earlier = declared.get(key) ?? new Declarations();
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

/**
 * Virtual servers of IPVS: those that units want, those that the kernel has, and the commands of ipvsadm(8) that make the one of
 * the other. Pure state: nothing here accesses the kernel.
 */
import type { Units } from '../../../netfilter/owned-units.ts';

/** As ipvsadm(8) names it: `-t 10.43.0.5:80`, `-u [fd00::5]:53`. */
export type ServerName = string;

export interface VirtualServer {
  /** `-s rr`, `-s rr -p 10800` */
  readonly options: string;
  /**
   * By socket, `10.42.0.5:8080` or `[fd00::5]:8080`, the weight: new connections go to those with more than 0, and the others keep
   * what they have.
   */
  readonly realServers: ReadonlyMap<string, number>;
}
export type VirtualServers = ReadonlyMap<ServerName, VirtualServer>;

/** What the kernel has. */
export interface ServerState {
  readonly options: string;
  /** By socket, as in `VirtualServer`. */
  readonly weights: ReadonlyMap<string, number>;
}

/** A connection of these protocols has an end that IPVS sees: it is waited for. */
const HAS_ENDS = /^-t /;

type Command =
  | { readonly do: 'add' | 'edit'; readonly server: ServerName; readonly options: string }
  | { readonly do: 'remove'; readonly server: ServerName }
  | {
      readonly do: 'add-real' | 'weigh-real';
      readonly server: ServerName;
      readonly real: string;
      readonly weight: number;
    }
  | { readonly do: 'remove-real'; readonly server: ServerName; readonly real: string };

/** A line for `ipvsadm --restore`. Real servers are reached by translation (`-m`): the one way that takes another port. */
export function lineOf(command: Command): string {
  const { server } = command;
  switch (command.do) {
    case 'add':
      return `-A ${server} ${command.options}`;
    case 'edit':
      return `-E ${server} ${command.options}`;
    case 'remove':
      return `-D ${server}`;
    case 'add-real':
      return `-a ${server} -r ${command.real} -m -w ${command.weight}`;
    case 'weigh-real':
      return `-e ${server} -r ${command.real} -m -w ${command.weight}`;
    case 'remove-real':
      return `-d ${server} -r ${command.real}`;
  }
}

/**
 * What `ipvsadm --save --numeric` prints, one line for each virtual and each real server. Virtual servers that do not translate are
 * another program's.
 */
export function readSaved(text: string): Map<ServerName, ServerState> {
  const servers = new Map<ServerName, { options: string; weights: Map<string, number> }>();
  for (const line of text.split('\n')) {
    const [, verb, server = '', rest = ''] = /^-([Aa]) (-\S+ \S+) ?(.*?) *$/.exec(line) ?? [];
    if (verb === 'A') servers.set(server, { options: rest, weights: new Map() });
    if (verb !== 'a') continue;
    const [, real, weight] = /^-r (\S+) -m -w (\d+)/.exec(rest) ?? [];
    if (real === undefined) servers.delete(server);
    else servers.get(server)?.weights.set(real, Number(weight));
  }
  return servers;
}

const NO_REALS: ReadonlyMap<string, number> = new Map();

export class VirtualServerLedger {
  readonly #units = new Map<string, VirtualServers>();
  /** Those who want a server, in the order of the units' keys: the first decides. */
  readonly #claims = new Map<ServerName, readonly { readonly unit: string; readonly server: VirtualServer }[]>();
  readonly #inForce = new Map<ServerName, { options: string; readonly weights: Map<string, number> }>();
  readonly #touched = new Set<ServerName>();
  /** Real servers that get no new connections and may have old ones. */
  readonly #draining = new Map<ServerName, Set<string>>();

  put(units: Units<VirtualServers>): Units<VirtualServers> {
    const before = new Map<string, VirtualServers | undefined>();
    for (const [key, next] of units) {
      const old = this.#units.get(key);
      before.set(key, old);
      for (const name of old?.keys() ?? []) this.#unclaim(name, key);
      if (next) this.#units.set(key, next);
      else this.#units.delete(key);
      for (const [name, server] of next ?? []) this.#claim(name, key, server);
    }
    return before;
  }

  #claim(name: ServerName, unit: string, server: VirtualServer): void {
    const claims = this.#claims.get(name) ?? [];
    const index = claims.findIndex((other) => other.unit > unit);
    this.#claims.set(name, claims.toSpliced(index < 0 ? claims.length : index, 0, { unit, server }));
    this.#touched.add(name);
  }

  #unclaim(name: ServerName, unit: string): void {
    const others = this.#claims.get(name)?.filter((claim) => claim.unit !== unit) ?? [];
    if (others.length > 0) this.#claims.set(name, others);
    else this.#claims.delete(name);
    this.#touched.add(name);
  }

  #wanted(name: ServerName): VirtualServer | undefined {
    return this.#claims.get(name)?.[0]?.server;
  }

  /** What makes the kernel have what is wanted. */
  pending(): Command[] {
    return [...this.#touched].flatMap((name) => [...this.#difference(name)]);
  }

  *#difference(server: ServerName): Generator<Command> {
    const [wanted, current] = [this.#wanted(server), this.#inForce.get(server)];
    if (!wanted) {
      if (current) yield { do: 'remove', server };
      return;
    }
    if (current?.options !== wanted.options) yield { do: current ? 'edit' : 'add', server, options: wanted.options };
    for (const [real, weight] of wanted.realServers) {
      const before = current?.weights.get(real);
      if (before !== weight) yield { do: before === undefined ? 'add-real' : 'weigh-real', server, real, weight };
    }
    for (const [real, weight] of current?.weights ?? NO_REALS) {
      if (wanted.realServers.has(real)) continue;
      if (!HAS_ENDS.test(server)) yield { do: 'remove-real', server, real };
      else if (weight > 0) yield { do: 'weigh-real', server, real, weight: 0 };
    }
  }

  /** The kernel has accepted the commands. */
  written(commands: readonly Command[]): void {
    for (const command of commands) this.#apply(command);
    for (const name of this.#touched) this.#noteDraining(name);
    this.#touched.clear();
  }

  #apply(command: Command): void {
    const { server } = command;
    const current = this.#inForce.get(server);
    if (command.do === 'add') this.#inForce.set(server, { options: command.options, weights: new Map() });
    else if (command.do === 'remove') this.#inForce.delete(server);
    else if (command.do === 'edit') {
      if (current) current.options = command.options;
    } else if (command.do === 'remove-real') current?.weights.delete(command.real);
    else if ('weight' in command) current?.weights.set(command.real, command.weight);
  }

  #noteDraining(name: ServerName): void {
    const wanted = this.#wanted(name)?.realServers ?? NO_REALS;
    const draining = [...(this.#inForce.get(name)?.weights.keys() ?? [])].filter((real) => !wanted.has(real));
    if (draining.length > 0) this.#draining.set(name, new Set(draining));
    else this.#draining.delete(name);
  }

  get isDraining(): boolean {
    return this.#draining.size > 0;
  }

  /** Removes real servers that nobody is connected to any more. @param connectionsOf undefined for one that is not there */
  idle(connectionsOf: (server: ServerName, real: string) => number | undefined): Command[] {
    return [...this.#draining].flatMap(([server, reals]) =>
      [...reals]
        .filter((real) => connectionsOf(server, real) === 0)
        .map((real): Command => ({ do: 'remove-real', server, real })),
    );
  }

  /** The kernel has accepted what `idle` returned. */
  removed(commands: readonly Command[]): void {
    for (const command of commands) {
      this.#apply(command);
      this.#noteDraining(command.server);
    }
  }

  /** Learns what the kernel has. Returns the keys of units that it lacks something of. */
  adopt(servers: ReadonlyMap<ServerName, ServerState>): Set<string> {
    this.#inForce.clear();
    this.#draining.clear();
    for (const [name, { options, weights }] of servers) this.#inForce.set(name, { options, weights: new Map(weights) });
    for (const name of [...servers.keys(), ...this.#claims.keys()]) {
      this.#touched.add(name);
      this.#noteDraining(name);
    }
    const missing = new Set<string>();
    for (const [name, [first]] of this.#claims) if (first && !this.#isInForce(name)) missing.add(first.unit);
    return missing;
  }

  /** Real servers that are to go do not count. */
  #isInForce(name: ServerName): boolean {
    const [wanted, current] = [this.#wanted(name), this.#inForce.get(name)];
    if (!wanted || current?.options !== wanted.options) return false;
    return [...wanted.realServers].every(([real, weight]) => current.weights.get(real) === weight);
  }
}

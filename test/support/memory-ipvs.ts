/** Virtual servers and addresses in memory: they accept what ipvsadm(8) and ip(8) do, as far as the agent writes it. */
import { IpAddress, type IpFamily } from '../../api/domain/address.ts';
import { ProgramError } from '../../agent/host/run.ts';
import type { IpvsHost } from '../../agent/network/services/backends/ipvs/ipvs-host.ts';
import { Ipvsadm } from '../../agent/network/services/backends/ipvs/ipvsadm.ts';
import { ServiceAddresses } from '../../agent/network/services/backends/ipvs/service-addresses.ts';
import {
  readSaved,
  type ServerName,
  type ServerState,
} from '../../agent/network/services/backends/ipvs/virtual-servers.ts';

const { signal } = new AbortController();

interface Server {
  options: string;
  readonly weights: Map<string, number>;
}

class MemoryIpvsadm extends Ipvsadm {
  readonly #host: MemoryIpvs;
  constructor(host: MemoryIpvs) {
    super(signal);
    this.#host = host;
  }

  override async isLoaded(): Promise<boolean> {
    return true;
  }

  /** As the program: it goes on after a line that the kernel rejects, and not after one that it cannot read. */
  override async restore(lines: readonly string[]): Promise<void> {
    this.#host.access('ipvsadm');
    const errors: string[] = [];
    for (const line of lines) {
      this.#host.lines.push(line);
      const { rejects } = this.#host;
      if (rejects !== undefined && line.includes(rejects)) {
        errors.push('illegal real server');
        break;
      }
      const error = execute(this.#host.servers, line);
      if (error) errors.push(error);
    }
    if (errors.length > 0) throw new ProgramError('ipvsadm', [], 255, 'exit code 255', errors.join('\n'));
  }

  override async save(): Promise<ReadonlyMap<ServerName, ServerState>> {
    this.#host.access('ipvsadm');
    return readSaved(this.#host.saved());
  }

  override async connections(): Promise<ReadonlyMap<ServerName, ReadonlyMap<string, number>>> {
    this.#host.access('ipvsadm');
    const { servers, connections } = this.#host;
    return new Map(
      Array.from(servers, ([name, { weights }]) => [
        name,
        new Map(Array.from(weights.keys(), (real) => [real, connections.get(real) ?? 0])),
      ]),
    );
  }
}

function execute(servers: Map<ServerName, Server>, line: string): string | undefined {
  const [, verb = '', name = '', rest = ''] = /^-(\w) (-\S+ \S+) ?(.*)$/.exec(line) ?? [];
  const server = servers.get(name);
  if (verb === 'A') {
    if (server) return 'Service already exists';
    servers.set(name, { options: rest, weights: new Map() });
    return undefined;
  }
  if (!server) return 'No such service';
  const [, real = '', weight] = /^-r (\S+)(?: -m -w (\d+))?$/.exec(rest) ?? [];
  if (verb === 'E') server.options = rest;
  else if (verb === 'D') servers.delete(name);
  else if (verb === 'a' && server.weights.has(real)) return 'Destination already exists';
  else if (verb !== 'a' && !server.weights.has(real)) return 'No such destination';
  else if (verb === 'd') server.weights.delete(real);
  else server.weights.set(real, Number(weight));
  return undefined;
}

class MemoryAddresses extends ServiceAddresses {
  readonly #host: MemoryIpvs;
  constructor(host: MemoryIpvs) {
    super(host.family, signal);
    this.#host = host;
  }

  override async list(): Promise<ReadonlySet<string> | undefined> {
    this.#host.access('ip');
    return this.#host.addresses && new Set(this.#host.addresses);
  }

  override async create(): Promise<void> {
    this.#host.access('ip');
    if (this.#host.addresses) throw new ProgramError('ip', [], 2, 'exit code 2', 'RTNETLINK answers: File exists');
    this.#host.addresses = new Set();
  }

  override async add(addresses: Iterable<string>): Promise<void> {
    this.#change([...addresses], (own, address) => !own.has(address) && !!own.add(address));
  }

  override async remove(addresses: Iterable<string>): Promise<void> {
    this.#change([...addresses], (own, address) => own.delete(address));
  }

  override async removeLink(): Promise<void> {
    this.#host.access('ip');
    if (this.#host.addresses?.size === 0) this.#host.addresses = undefined;
  }

  #change(addresses: readonly string[], make: (own: Set<string>, address: string) => boolean): void {
    this.#host.access('ip');
    for (const address of addresses) {
      if (!this.#host.addresses || !make(this.#host.addresses, address))
        throw new ProgramError('ip', [], 1, 'exit code 1', 'RTNETLINK answers');
    }
  }
}

export class MemoryIpvs {
  readonly family: IpFamily;
  readonly servers = new Map<ServerName, Server>();
  /** Those of the link; undefined when there is none. */
  addresses: Set<string> | undefined;
  /** The host's own. */
  hostAddresses: readonly string[] = [];
  /** By real server. */
  readonly connections = new Map<string, number>();
  /** All lines that ipvsadm(8) was given. */
  readonly lines: string[] = [];
  /** Lines with this text cannot be read. */
  rejects: string | undefined;
  /** Programs that cannot be run. */
  readonly broken = new Set<string>();
  readonly host: IpvsHost;

  constructor(family: IpFamily) {
    this.family = family;
    this.host = {
      ...{ scheduler: 'rr', strictArp: false },
      ...{ ipvsadm: new MemoryIpvsadm(this), serviceAddresses: new MemoryAddresses(this) },
      otherNodes: () => [],
      hostAddresses: async () => this.hostAddresses.flatMap((text) => IpAddress.parse(text) ?? []),
    };
  }

  access(program: string): void {
    if (this.broken.has(program)) throw new ProgramError(program, [], null, 'not found', '');
  }

  flush(): void {
    this.servers.clear();
    this.addresses = undefined;
  }

  /** As `ipvsadm --save --numeric` prints it. */
  saved(): string {
    let text = '';
    for (const [name, { options, weights }] of this.servers) {
      text += `-A ${name} ${options}\n`;
      for (const [real, weight] of weights) text += `-a ${name} -r ${real} -m -w ${weight}\n`;
    }
    return text;
  }
}

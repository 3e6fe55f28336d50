/** Allocates cluster IPs and node ports of Services while they are written. */
import { IpAddress, type IpFamily } from '../../../../api/domain/address.ts';
import type { Service, ServicePort, ServiceSpec } from '../../../../api/types/core/v1.gen.ts';
import {
  allocatesNodePorts,
  mayHaveNodePorts,
  needsClusterIP,
  needsHealthCheckPort,
} from '../../../../api/kinds/core/service-rules.ts';
import { invalid } from '../../../../api/machinery/field-error.ts';
import { internalError, invalidObject } from '../../../../api/machinery/status-error.ts';
import type { Logger } from '../../../../client/logger.ts';
import type { ClusterIPs } from './cluster-ips.ts';
import type { NodePorts, PortDraft, PortRange } from './node-ports.ts';
import { addressesOf, nameOf, portsOf, type Owner, type AllocationIndex } from './allocation-index.ts';
import type { Stored } from '../../catalogue/object-meta.ts';
import { initIPFamilies, isFamily } from './service-ip-families.ts';
import type { Reservation, Reserver } from '../reserver.ts';

export interface ServiceNetwork {
  /** Such as `10.43.0.0/16`, or one of each family as `10.43.0.0/16,fd00:43::/112`. */
  readonly serviceCIDR: string;
  readonly nodePorts: PortRange;
}

export const DEFAULT_SERVICE_NETWORK: ServiceNetwork = {
  serviceCIDR: '10.43.0.0/16',
  nodePorts: { first: 30000, last: 32767 },
};

const KIND = { group: '', kind: 'Service' };

export interface ServiceAllocatorOptions {
  readonly addresses: ClusterIPs;
  readonly ports: NodePorts;
  readonly allocations: AllocationIndex;
  readonly logger: Logger;
}

/** Planned node ports of a Service; its spec is changed once they have been allocated. */
interface PortPlan {
  readonly taken: readonly number[];
  readonly nodePorts: ReadonlyMap<ServicePort, number>;
  readonly healthCheckNodePort: number | undefined;
}

export class ServiceAllocator implements Reserver {
  readonly #addresses: ClusterIPs;
  readonly #ports: NodePorts;
  readonly #allocations: AllocationIndex;
  readonly #logger: Logger;

  constructor({ addresses, ports, allocations, logger }: ServiceAllocatorOptions) {
    this.#addresses = addresses;
    this.#ports = ports;
    this.#allocations = allocations;
    this.#logger = logger;
  }

  async reserve(object: Stored, old: Stored | undefined, dryRun: boolean): Promise<Reservation> {
    const service = object as Service;
    const before = old as Service | undefined;
    const owner = ownerOf(service);
    const addresses = await this.#reserveAddresses(service, before, dryRun);
    let ports: readonly number[];
    try {
      ports = await this.#reservePorts(service, before, dryRun);
    } catch (error) {
      if (!dryRun) await this.#release(owner, addresses, []);
      throw error;
    }
    return {
      commit: async () => {
        if (!before || dryRun) return;
        const [keptAddresses, keptPorts] = [addressesOf(service), portsOf(service)];
        await this.#release(
          owner,
          addressesOf(before).filter((ip) => !keptAddresses.includes(ip)),
          portsOf(before).filter((port) => !keptPorts.includes(port)),
        );
      },
      rollback: async () => {
        if (!dryRun) await this.#release(owner, addresses, ports);
      },
    };
  }

  async release(object: Stored): Promise<void> {
    const service = object as Service;
    await this.#release(ownerOf(service), addressesOf(service), portsOf(service));
  }

  /** Never rejects: the Service has been written, and allocations that are not released now are found by the repair. */
  async #release(owner: Owner, addresses: readonly string[], ports: readonly number[]): Promise<void> {
    try {
      for (const ip of addresses) await this.#addresses.release(ip, owner);
      // Several Services may have one from before it was allocated.
      const free = ports.filter((port) => !this.#allocations.isAllocatedToOther(port, owner));
      if (free.length === 0) return;
      await this.#ports.change((draft) => {
        for (const port of free) draft.release(port);
      });
    } catch (error) {
      const service = nameOf(owner);
      this.#logger.warn({ err: error, service, addresses, ports }, 'failed to release allocations of Service');
    }
  }

  /** Returns the newly allocated addresses, in canonical form. */
  async #reserveAddresses(service: Service, before: Service | undefined, dryRun: boolean): Promise<readonly string[]> {
    const { spec } = service;
    if (!spec || !needsClusterIP(spec)) return [];
    const problems = initIPFamilies(spec, before?.spec, this.#addresses.ranges.families);
    if (problems.length > 0) throw invalidObject(KIND, service.metadata?.name ?? '', problems);
    if (spec.clusterIP === 'None') {
      spec.clusterIPs = ['None'];
      return [];
    }
    const kept = before ? addressesOf(before) : [];
    const wanted = spec.clusterIPs ?? [];
    const clusterIPs: string[] = [];
    const taken: string[] = [];
    try {
      for (const [index, family] of (spec.ipFamilies ?? []).filter(isFamily).entries()) {
        const given = wanted[index];
        if (given && kept.includes(canonical(given))) {
          clusterIPs.push(given);
          continue;
        }
        const ip = given
          ? await this.#takeAddress(service, given, family, dryRun)
          : await this.#takeAnyAddress(service, family, dryRun);
        clusterIPs.push(ip);
        taken.push(canonical(ip));
      }
    } catch (error) {
      if (!dryRun) await this.#release(ownerOf(service), taken, []);
      throw error;
    }
    spec.clusterIPs = clusterIPs;
    spec.clusterIP = clusterIPs[0];
    return taken;
  }

  async #takeAddress(service: Service, ip: string, family: IpFamily, dryRun: boolean): Promise<string> {
    const { ranges } = this.#addresses;
    const values = service.spec?.clusterIPs ?? [ip];
    const why = `failed to allocate IP ${ip}: `;
    if (!ranges.includes(ip)) {
      const valid = `The range of valid IPs is ${ranges.toString(family)}`;
      throw refusal(
        service,
        'spec.clusterIPs',
        values,
        `${why}the provided IP (${ip}) is not in the valid range. ${valid}`,
      );
    }
    const isTaken = dryRun ? this.#addresses.isTaken(ip) : !(await this.#addresses.take(ip, ownerOf(service)));
    if (isTaken) throw refusal(service, 'spec.clusterIPs', values, `${why}provided IP is already allocated`);
    return ip;
  }

  async #takeAnyAddress(service: Service, family: IpFamily, dryRun: boolean): Promise<string> {
    const ip = dryRun ? this.#addresses.pick(family) : await this.#addresses.takeAny(family, ownerOf(service));
    if (ip === undefined) throw internalError('failed to allocate a serviceIP: range is full');
    return ip;
  }

  /** Returns the newly allocated ports. */
  async #reservePorts(service: Service, before: Service | undefined, dryRun: boolean): Promise<readonly number[]> {
    const { spec } = service;
    const own = before ? portsOf(before) : [];
    if (!spec || !lacksPorts(spec, own)) return [];
    const plan = (draft: PortDraft): PortPlan => this.#planPorts(service, spec, own, draft);
    const planned = await (dryRun ? this.#ports.preview(plan) : this.#ports.change(plan));
    for (const [port, nodePort] of planned.nodePorts) port.nodePort = nodePort;
    if (planned.healthCheckNodePort) spec.healthCheckNodePort = planned.healthCheckNodePort;
    return planned.taken;
  }

  #planPorts(service: Service, spec: ServiceSpec, own: readonly number[], draft: PortDraft): PortPlan {
    const held = new Set(own);
    const taken: number[] = [];
    const take = (field: string, port: number): void => {
      if (held.has(port)) return;
      if (!this.#ports.includes(port)) {
        const why = `provided port is not in the valid range. The range of valid ports is ${this.#ports.toString()}`;
        throw refusal(service, field, port, why);
      }
      if (!draft.take(port)) throw refusal(service, field, port, 'provided port is already allocated');
      taken.push(port);
      held.add(port);
    };
    const takeAny = (): number => {
      const port = draft.takeAny();
      if (port === undefined) throw internalError('failed to allocate a nodePort: range is full');
      taken.push(port);
      held.add(port);
      return port;
    };
    const nodePorts = new Map<ServicePort, number>();
    // TCP and UDP of the same port number share a node port unless specified otherwise, as upstream.
    const byNumber = new Map<number, { readonly nodePort: number; readonly protocols: Set<string> }>();
    for (const [index, port] of (spec.ports ?? []).entries()) {
      if (!wantsNodePort(spec, port)) continue;
      const protocol = port.protocol ?? 'TCP';
      const sibling = byNumber.get(port.port);
      let { nodePort } = port;
      if (nodePort) take(`spec.ports[${index}].nodePort`, nodePort);
      else nodePort = sibling && !sibling.protocols.has(protocol) ? sibling.nodePort : takeAny();
      nodePorts.set(port, nodePort);
      if (sibling) sibling.protocols.add(protocol);
      else byNumber.set(port.port, { nodePort, protocols: new Set([protocol]) });
    }
    let { healthCheckNodePort } = spec;
    if (needsHealthCheckPort(spec)) {
      if (healthCheckNodePort) take('spec.healthCheckNodePort', healthCheckNodePort);
      else healthCheckNodePort = takeAny();
    }
    return { taken, nodePorts, healthCheckNodePort };
  }
}

/** @param ip one that validation has accepted. */
const canonical = (ip: string): string => IpAddress.parse(ip)?.text ?? ip;

/** Whether the port has to have a node port: one that it asks for is taken even where none would be allocated. */
const wantsNodePort = (spec: ServiceSpec, { nodePort }: ServicePort): boolean =>
  allocatesNodePorts(spec) || (mayHaveNodePorts(spec) && Boolean(nodePort));

/** Whether there is anything to allocate. */
function lacksPorts(spec: ServiceSpec, own: readonly number[]): boolean {
  const isOwn = (port: number | undefined): boolean => port !== undefined && own.includes(port);
  if (spec.ports?.some((port) => wantsNodePort(spec, port) && !isOwn(port.nodePort))) return true;
  return needsHealthCheckPort(spec) && !isOwn(spec.healthCheckNodePort);
}

const ownerOf = ({ metadata }: Service): Owner => ({
  namespace: metadata?.namespace ?? '',
  name: metadata?.name ?? '',
});

const refusal = (service: Service, field: string, value: unknown, why: string) =>
  invalidObject(KIND, service.metadata?.name ?? '', [invalid(field, value, why)]);

/** Virtual servers, addresses and the table's elements in the kernel beside what it should have. */
import { readTable } from '../../../netfilter/nft-table/table-text.ts';
import type { Nft } from '../../../netfilter/nft.ts';
import { compared, type KernelRules, type ListedRule } from '../rule-listing.ts';
import { compileService } from './compile-service.ts';
import type { IpvsHost } from './ipvs-host.ts';
import { TABLES } from './layout.ts';
import type { ServerState, VirtualServer } from './virtual-servers.ts';
import type { Ranges } from '../ranges.ts';

const SERVERS = 'ipvs';
const ADDRESSES = 'link kube-ipvs0';

/** Throws ProgramError when the kernel cannot be read. */
export async function readIpvs(host: IpvsHost, nft: Nft, ranges: Ranges): Promise<KernelRules> {
  const { family } = ranges.cluster;
  const table = TABLES[family];
  const name = `${table.family} ${table.name}`;
  const objects = await nft.list(table);
  const { elements } = readTable(objects ?? []);
  const isLoaded = await host.ipvsadm.isLoaded();
  const servers = isLoaded ? await host.ipvsadm.save(family) : new Map<string, ServerState>();
  const present = await host.serviceAddresses.list();
  const addresses = await host.hostAddresses();
  const problems = [
    ...(objects ? [] : [`the kernel has no table ${name}: no Service is served`]),
    ...(isLoaded ? [] : ['the kernel has no ip_vs at work: no Service is served']),
  ];
  return {
    problems,
    of(service) {
      const unit = compileService(service, {
        ...ranges,
        addresses,
        otherNodes: host.otherNodes(),
        scheduler: host.scheduler,
      });
      return [
        ...[...unit.addresses].map((address) =>
          compared(ADDRESSES, address, present?.has(address) ? address : undefined),
        ),
        ...[...unit.servers].flatMap(([server, wanted]) => serverRules(server, wanted, servers.get(server))),
        ...unit.table.elements.map(({ container, key, tail }) => {
          const found = elements.get(container)?.get(key);
          return compared(`${name} ${container}`, key + tail, found === undefined ? undefined : key + found);
        }),
      ];
    },
    // IPVS rejects no server whose scheduler it has, and the agent does not start without that.
    rejection: () => Promise.resolve(undefined),
  };
}

function serverRules(name: string, wanted: VirtualServer, found: ServerState | undefined): ListedRule[] {
  const real = (socket: string, weight: number | undefined): string => `${name} -> ${socket} weight ${weight}`;
  const draining = [...(found?.weights ?? [])].filter(([socket]) => !wanted.realServers.has(socket));
  return [
    compared(SERVERS, `${name} ${wanted.options}`, found && `${name} ${found.options}`),
    ...[...wanted.realServers].map(([socket, weight]) => {
      const present = found?.weights.get(socket);
      return compared(SERVERS, real(socket, weight), present === undefined ? undefined : real(socket, present));
    }),
    // One with weight 0 keeps the connections that it has.
    ...draining.map(([socket, weight]): ListedRule => ({
      ...{ state: weight === 0 ? 'in force' : 'foreign', where: SERVERS, text: real(socket, weight) },
    })),
  ];
}

/** The contract of backends, with a minimal fake, and with the real ones over tables in memory. */
import t from 'tap';
import { Netfilter } from '../../../../agent/network/netfilter/netfilter.ts';
import { TABLES } from '../../../../agent/network/services/backends/nftables/layout.ts';
import type {
  ProxyBackend,
  ProxyChanges,
  SyncResult,
} from '../../../../agent/network/services/backends/proxy-backend.ts';
import { proxyModes } from '../../../../agent/network/services/backends/proxy-modes.ts';
import { socketText, type ServiceEntry } from '../../../../agent/network/services/model/service-entry.ts';
import { MemoryIpvs } from '../../../support/memory-ipvs.ts';
import { MemoryNft } from '../../../support/memory-nft.ts';
import { MemoryTables } from '../../../support/memory-tables.ts';
import {
  connectionsOf,
  elementValueOf,
  serverConnectionsOf,
  tableConnectionsOf,
  testBackend,
  type BackendHost,
} from '../../../support/proxy-backend-contract.ts';
import { CLUSTER_CIDR, IPV6_CLUSTER_CIDR } from '../../../support/service-entries.ts';

/** The state of a kernel, which outlives backends. */
interface FakeKernel {
  services: Map<string, string[]>;
  rejects: string | undefined;
  isBroken: boolean;
}

const connectionsTo = ({ clusterIP, ports }: ServiceEntry): string[] =>
  ports.flatMap(({ port, cluster }) =>
    cluster.map((each) => `${socketText(clusterIP, port)} -> ${socketText(each.ip, each.port)}`),
  );

/** Writes all Services whenever anything differs. */
class FakeBackend implements ProxyBackend {
  readonly family = 'IPv4';
  readonly sysctls = [];
  readonly watched = [];
  readonly #kernel: FakeKernel;
  readonly #wanted = new Map<string, string[]>();
  #written: Map<string, string[]> | undefined;

  constructor(kernel: FakeKernel) {
    this.#kernel = kernel;
  }

  async sync({ services }: ProxyChanges): Promise<SyncResult> {
    for (const [key, service] of services) {
      if (service) this.#wanted.set(key, connectionsTo(service));
      else this.#wanted.delete(key);
    }
    const kernel = this.#access();
    const rejected = new Map<string, Error>();
    const next = new Map(this.#wanted);
    for (const [key, lines] of next) {
      if (kernel.rejects === undefined || !lines.join().includes(kernel.rejects)) continue;
      rejected.set(key, new Error(`${kernel.rejects} is rejected`));
      next.delete(key);
    }
    const text = (all: Map<string, string[]>): string => JSON.stringify([...all].sort());
    const wrote = text(kernel.services) !== text(next);
    if (wrote) kernel.services = next;
    this.#written = kernel.services;
    return { wrote, rejected };
  }

  async verify(): Promise<boolean> {
    return this.#access().services === this.#written;
  }

  async remove(): Promise<void> {
    this.#access().services = new Map();
    this.#written = undefined;
  }

  #access(): FakeKernel {
    if (this.#kernel.isBroken) throw new Error('no such kernel');
    return this.#kernel;
  }
}

testBackend(t, 'a fake', (): BackendHost => {
  const kernel: FakeKernel = { services: new Map(), rejects: undefined, isBroken: false };
  return {
    family: 'IPv4',
    start: () => new FakeBackend(kernel),
    connections: async () => [...kernel.services.values()].flat().sort(),
    flush: async () => void (kernel.services = new Map()),
    reject: (text) => void (kernel.rejects = text),
    breakDown: (isBroken) => void (kernel.isBroken = isBroken),
  };
});

for (const clusterCidr of [CLUSTER_CIDR, IPV6_CLUSTER_CIDR]) {
  const { family } = clusterCidr;
  const host = { clusterCidr, nft: new MemoryNft(), ipvs: new MemoryIpvs(family).host };
  testBackend(t, `iptables with ${family} tables in memory`, () => {
    const tables = new MemoryTables(family);
    return {
      family,
      start: () => proxyModes.iptables({ ...host, netfilter: new Netfilter(tables) }),
      connections: async () => connectionsOf(await tables.save('nat')),
      flush: async () => tables.flush(),
      reject: (text) => void (tables.rejects = text && `--to-destination ${text}`),
      breakDown: (isBroken) => void (tables.isBroken = isBroken),
    };
  });
  testBackend(t, `nftables with ${family} tables in memory`, () => {
    const nft = new MemoryNft();
    const tables = new MemoryTables(family);
    return {
      family,
      start: () => proxyModes.nftables({ ...host, nft, netfilter: new Netfilter(tables) }),
      connections: async () => tableConnectionsOf(await nft.list(TABLES[family])),
      flush: async () => nft.flush(),
      reject: (text) => void (nft.rejects = text && elementValueOf(text)),
      breakDown: (isBroken) => void (nft.isBroken = isBroken),
    };
  });
  testBackend(t, `ipvs with ${family} virtual servers in memory`, () => {
    const nft = new MemoryNft();
    const tables = new MemoryTables(family);
    const ipvs = new MemoryIpvs(family);
    return {
      family,
      start: () => proxyModes.ipvs({ clusterCidr, nft, netfilter: new Netfilter(tables), ipvs: ipvs.host }),
      connections: async () => serverConnectionsOf(ipvs.saved()),
      flush: async () => {
        nft.flush();
        ipvs.flush();
      },
      reject: (text) => void (ipvs.rejects = text && `-r ${text}`),
      breakDown: (isBroken) => void (isBroken ? ipvs.broken.add('ipvsadm') : ipvs.broken.clear()),
    };
  });
}

/** The contract of backends in a real kernel, for each proxy mode and IP family. */
import t from 'tap';
import { run } from '../../../agent/host/run.ts';
import { Iptables } from '../../../agent/network/netfilter/iptables.ts';
import { Netfilter } from '../../../agent/network/netfilter/netfilter.ts';
import { Nft, type NftTable } from '../../../agent/network/netfilter/nft.ts';
import { TABLES, type Rule, type Table } from '../../../agent/network/netfilter/rules.ts';
import { TABLES as NFT_TABLES } from '../../../agent/network/services/backends/nftables/layout.ts';
import { DEFAULT_IPVS, ipvsHost } from '../../../agent/network/services/backends/ipvs/ipvs-host.ts';
import { Ipvsadm } from '../../../agent/network/services/backends/ipvs/ipvsadm.ts';
import { SERVICE_LINK } from '../../../agent/host/link-addresses.ts';
import type { ServerName, ServerState } from '../../../agent/network/services/backends/ipvs/virtual-servers.ts';
import type { ProxyMode } from '../../../agent/network/services/backends/proxy-mode.ts';
import { proxyModes } from '../../../agent/network/services/backends/proxy-modes.ts';
import type { Cidr, IpFamily } from '../../../api/domain/address.ts';
import {
  connectionsOf,
  elementValueOf,
  serverConnectionsOf,
  tableConnectionsOf,
  testBackend,
  type BackendHost,
} from '../../support/proxy-backend-contract.ts';
import { CLUSTER_CIDR, IPV6_CLUSTER_CIDR } from '../../support/service-entries.ts';
import { enterNamespace, ip, proxyHostOf, TESTED_MODES } from './pod-namespaces.ts';

enterNamespace();
// Without any address of its own, the host takes no real server of IPVS for one.
await ip('link', 'set', 'lo', 'up');

/** The real programs, which can be missing, and one target that they cannot read. */
class FaultyIptables extends Iptables {
  isMissing = false;
  unreadable: string | undefined;

  override async restore(input: string): Promise<void> {
    await this.#find();
    const target = `--to-destination ${this.unreadable}\n`;
    await super.restore(this.unreadable ? input.replaceAll(target, '--to-destination nowhere\n') : input);
  }

  override async save(table: Table): Promise<string> {
    await this.#find();
    return super.save(table);
  }

  override async has(rule: Rule): Promise<boolean> {
    await this.#find();
    return super.has(rule);
  }

  async #find(): Promise<void> {
    if (this.isMissing) await run('kedge-no-such-program', []);
  }
}

/** The real program, which can be missing, and one endpoint that it cannot read. */
class FaultyNft extends Nft {
  isMissing = false;
  unreadable: string | undefined;

  override async applyCommands(commands: readonly string[]): Promise<void> {
    if (this.isMissing) await run('kedge-no-such-program', []);
    const { unreadable } = this;
    await super.applyCommands(
      unreadable ? commands.map((line) => line.replaceAll(` : ${unreadable}`, ' : nowhere')) : commands,
    );
  }

  override async list(table: NftTable): Promise<readonly unknown[] | undefined> {
    if (this.isMissing) await run('kedge-no-such-program', []);
    return super.list(table);
  }
}

/** The real program, which can be missing, and one endpoint that it cannot read. */
class FaultyIpvsadm extends Ipvsadm {
  isMissing = false;
  unreadable: string | undefined;

  override async restore(lines: readonly string[]): Promise<void> {
    if (this.isMissing) await run('kedge-no-such-program', []);
    const target = ` -r ${this.unreadable} `;
    await super.restore(lines.map((line) => line.replaceAll(target, ' -r nowhere ')));
  }

  override async save(family: IpFamily): Promise<ReadonlyMap<ServerName, ServerState>> {
    if (this.isMissing) await run('kedge-no-such-program', []);
    return super.save(family);
  }
}

const { signal } = new AbortController();
type Hosts = Readonly<Record<ProxyMode, (clusterCidr: Cidr, nft: Nft) => Omit<BackendHost, 'family'>>>;

const hosts: Hosts = {
  iptables: (clusterCidr, nft) => {
    const { family } = clusterCidr;
    const iptables = new FaultyIptables(family, signal);
    return {
      start: () => proxyModes.iptables(proxyHostOf(clusterCidr, { nft, netfilter: new Netfilter(iptables) })),
      connections: async () => connectionsOf(await iptables.save('nat')),
      flush: async () => {
        const program = family === 'IPv4' ? 'iptables' : 'ip6tables';
        for (const table of TABLES) for (const verb of ['-F', '-X']) await run(program, ['-t', table, verb]);
      },
      reject: (text) => void (iptables.unreadable = text),
      breakDown: (isBroken) => void (iptables.isMissing = isBroken),
    };
  },
  nftables: (clusterCidr) => {
    const { family } = clusterCidr;
    const nft = new FaultyNft(signal);
    return {
      start: () => proxyModes.nftables(proxyHostOf(clusterCidr, { nft })),
      connections: async () => tableConnectionsOf(await new Nft(signal).list(NFT_TABLES[family])),
      flush: async () => void (await run('nft', ['flush', 'ruleset'])),
      reject: (text) => void (nft.unreadable = text && elementValueOf(text)),
      breakDown: (isBroken) => void (nft.isMissing = isBroken),
    };
  },
  ipvs: (clusterCidr) => {
    const { family } = clusterCidr;
    const ipvsadm = new FaultyIpvsadm(signal);
    const ipvs = { ...ipvsHost(family, DEFAULT_IPVS, signal), ipvsadm };
    return {
      start: () => proxyModes.ipvs(proxyHostOf(clusterCidr, { ipvs })),
      connections: async () => serverConnectionsOf((await run('ipvsadm', ['--save', '--numeric'])).stdout),
      flush: async () => {
        await run('nft', ['flush', 'ruleset']);
        await run('ipvsadm', ['--clear']);
        await run('ip', ['link', 'delete', SERVICE_LINK]);
      },
      reject: (text) => void (ipvsadm.unreadable = text),
      breakDown: (isBroken) => void (ipvsadm.isMissing = isBroken),
    };
  },
};

for (const mode of TESTED_MODES) {
  const hostOf = hosts[mode];
  for (const clusterCidr of [CLUSTER_CIDR, IPV6_CLUSTER_CIDR])
    testBackend(t, `${mode}, ${clusterCidr.family}`, () => ({
      family: clusterCidr.family,
      ...hostOf(clusterCidr, new Nft(signal)),
    }));
}

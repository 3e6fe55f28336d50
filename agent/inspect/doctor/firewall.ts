import { ok, warning, type Finding } from './finding.ts';

export interface FirewallFacts {
  /** Base chains of the kernel, as `nft list chains` prints them; undefined where nftables cannot be asked. */
  readonly chains: string | undefined;
  readonly clusterCidr: string;
  readonly port: number;
  readonly vxlanPort: number;
}

interface DroppingChain {
  readonly table: string;
  readonly chain: string;
  readonly hook: 'input' | 'forward' | 'output';
}

/** The chains on the way of packets whose policy is to drop. */
export function droppingChains(text: string): DroppingChain[] {
  const found: DroppingChain[] = [];
  let table = '';
  let chain = '';
  for (const line of text.split('\n')) {
    table = /^table (\S+ \S+) \{/.exec(line)?.[1] ?? table;
    chain = /^\s+chain (\S+) \{/.exec(line)?.[1] ?? chain;
    const [, hook] = /type filter hook (input|forward|output) .*policy drop;/.exec(line) ?? [];
    if (hook !== undefined) found.push({ table, chain, hook: hook as DroppingChain['hook'] });
  }
  return found;
}

/** Pure. */
export function judgeFirewall({ chains, clusterCidr, port, vxlanPort }: FirewallFacts): Finding[] {
  if (chains === undefined) return [ok('not known: nftables cannot be asked')];
  const pods = clusterCidr || "the pods' range (cluster-cidr)";
  const wanted = {
    forward: `to and from ${pods} to be accepted`,
    input: `TCP ${port} (the node API) and UDP ${vxlanPort} (VXLAN) from other nodes, and everything from ${pods}, to be accepted`,
    output: `everything to ${pods} and to the api-server to be accepted`,
  };
  const dropping = droppingChains(chains);
  if (dropping.length === 0) return [ok('no chain drops what its rules do not name')];
  return dropping.map(({ table, chain, hook }) =>
    warning(
      `chain ${chain} of table ${table} drops ${hook === 'forward' ? 'forwarded' : hook} packets that none of its rules accepts`,
      wanted[hook],
      `look at nft list chain ${table} ${chain} for rules that do, and add them with the firewall that made it (ufw, firewalld, docker); kedge trace shows where a packet ends`,
    ),
  );
}

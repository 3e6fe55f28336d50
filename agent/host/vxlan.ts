/**
 * A VXLAN link and whom it leads to, through iproute2 (RFC 7348). The link learns nothing from packets: who is behind which address
 * is written to its forwarding database and to the neighbours' table.
 */
import { ProgramError, run } from './run.ts';

export interface VxlanLink {
  readonly name: string;
  /** The virtual network identifier. */
  readonly id: number;
  /** The source address of what it sends. */
  readonly local: string;
  /** UDP. */
  readonly port: number;
  readonly mac: string;
  readonly mtu: number;
}

/** Another host, as this one sees it through the link. */
export interface VxlanPeer {
  /** The addresses of its link, which are the gateways to what is behind it: one of each IP family at most. */
  readonly gateways: readonly string[];
  readonly mac: string;
  /** Where packets to it are sent. */
  readonly remote: string;
}

/** What `ip -details -json link` prints of it. */
interface ListedLink {
  readonly address: string;
  readonly mtu: number;
  readonly linkinfo?: {
    readonly info_kind?: string;
    readonly info_data?: { readonly id?: number; readonly local?: string; readonly port?: number };
  };
}
interface ListedForward {
  readonly mac: string;
  readonly dst?: string;
}
interface ListedNeighbour {
  readonly dst: string;
  readonly lladdr?: string;
}

const LINK_LOCAL = 'fe80:';
const NOT_THERE = /does not exist|Cannot find device/;

async function list<T>(program: 'ip' | 'bridge', args: readonly string[], signal: AbortSignal): Promise<T[]> {
  const { stdout } = await run(program, args, { signal });
  return stdout.trim() === '' ? [] : (JSON.parse(stdout) as T[]);
}

async function readLink(name: string, signal: AbortSignal): Promise<ListedLink | undefined> {
  try {
    return (await list<ListedLink>('ip', ['-details', '-json', 'link', 'show', 'dev', name], signal))[0];
  } catch (error) {
    if (error instanceof ProgramError && NOT_THERE.test(error.stderr)) return undefined;
    throw error;
  }
}

const isOf = ({ linkinfo }: ListedLink, { id, local, port }: VxlanLink): boolean => {
  const data = linkinfo?.info_data;
  return linkinfo?.info_kind === 'vxlan' && data?.id === id && data.local === local && data.port === port;
};

/**
 * Creates the link, or changes the one that is there, which keeps what can be kept of it. It has the addresses `gateways`, so that
 * the host's own packets leave with an address that is reached through the link. Throws ProgramError.
 */
export async function ensureVxlan(link: VxlanLink, gateways: readonly string[], signal: AbortSignal): Promise<void> {
  const { name, id, local, port, mac, mtu } = link;
  const ip = (...args: string[]) => run('ip', args, { signal });
  let found = await readLink(name, signal);
  if (found && !isOf(found, link)) {
    await ip('link', 'delete', name);
    found = undefined;
  }
  if (!found) {
    const wanted = ['id', String(id), 'local', local, 'dstport', String(port), 'nolearning'];
    await ip('link', 'add', name, 'mtu', String(mtu), 'address', mac, 'type', 'vxlan', ...wanted);
  } else if (found.address !== mac || found.mtu !== mtu) {
    await ip('link', 'set', 'dev', name, 'mtu', String(mtu), 'address', mac);
  }
  for (const gateway of gateways) {
    // Nobody else can have it: the host does not have to ask before it uses it.
    const whole = gateway.includes(':') ? [`${gateway}/128`, 'nodad'] : [`${gateway}/32`];
    await ip('address', 'replace', ...whole, 'dev', name);
  }
  await ip('link', 'set', 'dev', name, 'up');
}

/** Makes these the peers of the link, and no others. In order: whoever is led to is known before. Throws ProgramError. */
export async function replaceVxlanPeers(name: string, peers: readonly VxlanPeer[], signal: AbortSignal): Promise<void> {
  const forwards = new Map(
    (await list<ListedForward>('bridge', ['-json', 'fdb', 'show', 'dev', name], signal)).map(({ mac, dst }) => [
      mac,
      dst,
    ]),
  );
  const listed = [
    ...(await list<ListedNeighbour>('ip', ['-json', '-4', 'neighbour', 'show', 'dev', name], signal)),
    ...(await list<ListedNeighbour>('ip', ['-json', '-6', 'neighbour', 'show', 'dev', name], signal)),
  ];
  // What the kernel knows of link-local addresses is its own.
  const neighbours = new Map(
    listed.filter(({ dst }) => !dst.startsWith(LINK_LOCAL)).map(({ dst, lladdr }) => [dst, lladdr]),
  );
  const toForward: string[] = [];
  const toNeighbour: string[] = [];
  for (const { gateways, mac, remote } of peers) {
    if (forwards.get(mac) !== remote) toForward.push(`fdb replace ${mac} dev ${name} dst ${remote}`);
    forwards.delete(mac);
    for (const gateway of gateways) {
      if (neighbours.get(gateway) !== mac)
        toNeighbour.push(`neighbour replace ${gateway} lladdr ${mac} dev ${name} nud permanent`);
      neighbours.delete(gateway);
    }
  }
  for (const gateway of neighbours.keys()) toNeighbour.push(`neighbour delete ${gateway} dev ${name}`);
  for (const [mac, dst] of forwards) if (dst !== undefined) toForward.push(`fdb delete ${mac} dev ${name} dst ${dst}`);
  await batch('bridge', toForward, signal);
  await batch('ip', toNeighbour, signal);
}

async function batch(program: 'ip' | 'bridge', lines: readonly string[], signal: AbortSignal): Promise<void> {
  if (lines.length > 0) await run(program, ['-batch', '-'], { input: `${lines.join('\n')}\n`, signal });
}

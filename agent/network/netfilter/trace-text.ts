/** What `nft monitor trace` prints of packets on their way through the kernel's tables, read line by line. Pure. */
import { IpAddress } from '../../../api/domain/address.ts';

/** A packet as it enters a base chain. */
export interface TracedHeader {
  /** The link that it came in by, and that by which it is about to leave; undefined where there is none yet, or no more. */
  readonly iif: string | undefined;
  readonly oif: string | undefined;
  readonly source: IpAddress | undefined;
  readonly destination: IpAddress | undefined;
  readonly sourcePort: number | undefined;
  readonly port: number | undefined;
  readonly flags: ReadonlySet<TcpFlag>;
  /** `destination-unreachable port-unreachable` */
  readonly icmp: string | undefined;
}

interface Traced {
  /** Of one packet, and sooner or later of another. */
  readonly id: string;
  /** `ip kube-proxy` */
  readonly table: string;
  readonly chain: string;
}

export interface TracedPacket extends Traced {
  readonly kind: 'packet';
  readonly header: TracedHeader;
}
/** A rule that the packet matched. */
export interface TracedRule extends Traced {
  readonly kind: 'rule';
  /** As nft(8) prints it, without its comment. */
  readonly text: string;
  readonly comment: string | undefined;
  readonly handle: number | undefined;
  /** `accept`, `drop`, `continue`, `return`, or `jump` and `goto` with a chain */
  readonly verdict: string;
}
/** The end of a base chain. */
export interface TracedPolicy extends Traced {
  readonly kind: 'policy';
  readonly verdict: string;
}
export type TraceEvent = TracedPacket | TracedRule | TracedPolicy;

const FLAGS = ['fin', 'syn', 'rst', 'psh', 'ack', 'urg', 'ecn', 'cwr'] as const;
export type TcpFlag = (typeof FLAGS)[number];

const LINE = /^trace id ([0-9a-f]+) (\S+ \S+) (\S+) (packet:|rule|verdict|policy) ?(.*)$/;
const RULE = /^(.*?)(?: comment "([^"]*)")?(?: # handle (\d+))? \(verdict ([^()]+)\)$/;

/** Undefined for a line that says nothing of a packet's way: such as programs of other versions may print. */
export function parseTraceLine(line: string): TraceEvent | undefined {
  const [, id = '', table = '', chain = '', kind, rest = ''] = LINE.exec(line.trimEnd()) ?? [];
  const at = { id, table, chain };
  switch (kind) {
    case 'packet:':
      return { ...at, kind: 'packet', header: parseHeader(rest) };
    case 'rule': {
      // A rule that was made after the program had started has no text.
      const [, text = '', comment, handle, verdict] = RULE.exec(` ${rest}`) ?? [];
      if (verdict === undefined) return undefined;
      const number = handle === undefined ? undefined : Number(handle);
      return { ...at, kind: 'rule', text: text.trim(), comment, handle: number, verdict };
    }
    case 'policy':
      // What the program adds is of the packet.
      return { ...at, kind: 'policy', verdict: rest.split(' ', 1)[0] ?? '' };
    default:
      return undefined;
  }
}

function parseHeader(text: string): TracedHeader {
  const word = (pattern: RegExp): string | undefined => pattern.exec(text)?.[1];
  const number = (pattern: RegExp): number | undefined => {
    const digits = word(pattern);
    return digits === undefined ? undefined : Number(digits);
  };
  const type = word(/\bicmp(?:v6)? type (\S+)/);
  return {
    iif: word(/\biif "([^"]*)"/),
    oif: word(/\boif "([^"]*)"/),
    source: IpAddress.parse(word(/\bip6? saddr (\S+)/) ?? ''),
    destination: IpAddress.parse(word(/\bip6? daddr (\S+)/) ?? ''),
    sourcePort: number(/\b(?:tcp|udp|th) sport (\d+)/),
    port: number(/\b(?:tcp|udp|th) dport (\d+)/),
    flags: parseFlags(word(/\btcp flags == (0x[0-9a-f]+|[a-z]+(?: \| [a-z]+)*)/) ?? ''),
    icmp: type === undefined ? undefined : `${type} ${word(/\bicmp(?:v6)? code (\S+)/) ?? ''}`.trimEnd(),
  };
}

/** `syn`, `syn | ack` or `0x12`, by the version of the program. */
function parseFlags(text: string): ReadonlySet<TcpFlag> {
  if (!text.startsWith('0x')) return new Set(FLAGS.filter((flag) => text.split(' | ').includes(flag)));
  const bits = Number(text);
  return new Set(FLAGS.filter((_, index) => (bits >> index) & 1));
}

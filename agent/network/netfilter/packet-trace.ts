/**
 * Has the kernel say how it treats the packets of one connection: a table of nftables that exists for this alone asks for it, and
 * `nft monitor` prints it. What iptables has by way of nftables is printed, too.
 *
 * The table belongs to the socket of a program that ends with this process, and the kernel removes it then: nothing is left behind,
 * whatever ends this process.
 */
import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { IpAddress } from '../../../api/domain/address.ts';
import { withDeadline } from '../../../client/deadline.ts';
import { HostError } from '../../host/host-error.ts';
import { LineProgram } from '../../host/line-program.ts';
import { NftSession } from './nft-session.ts';
import { parseTraceLine, type TraceEvent } from './trace-text.ts';

/** A connection, as its first packet names it. Both addresses are of one IP family. */
export interface Connection {
  readonly protocol: 'TCP' | 'UDP';
  readonly source: IpAddress;
  readonly sourcePort: number;
  readonly destination: IpAddress;
  readonly port: number;
}

export interface ConnectionTrace<T> {
  readonly result: T;
  /** All packets of the connection, in both directions; `whoseOf` tells them apart. */
  readonly events: readonly TraceEvent[];
}

/**
 * Its chains are hooked before everything that might drop or change a packet, where connections are known first, and after everything
 * that might drop or change it: a packet that comes so far has got through.
 */
const FIRST = -350;
const TRACKED = -199;
const LAST = 399;
const CHAINS = {
  'sent-in': ['prerouting', FIRST],
  'sent-out': ['output', FIRST],
  'known-in': ['prerouting', TRACKED],
  'known-out': ['output', TRACKED],
  delivered: ['input', LAST],
  left: ['postrouting', LAST],
} as const;
type ChainName = keyof typeof CHAINS;

const COMMAND_LIMIT_MS = 5_000;
/** A program that has to read the rules of 5,000 Services first. */
const START_LIMIT_MS = 20_000;
/** Between one packet and the next of those that show that the program listens. */
const MARK_INTERVAL_MS = 25;
/** The program ends by itself so long after the longest that it may be needed. */
const SPARE_SECONDS = 5;
const LOOPBACK = '127.0.0.1';
const PREFIX = 'kedge-trace-';

const SENT = 'sent';
const ANSWER = 'answer';

/** Commands of nft(8). @param marks ports of datagrams from this host to itself, by what they mark */
export function traceTable(name: string, connection: Connection, marks: ReadonlyMap<string, number>): string[] {
  const { protocol, source, sourcePort, destination, port } = connection;
  const table = `inet ${name}`;
  const l4 = protocol.toLowerCase();
  const ip = source.family === 'IPv4' ? 'ip' : 'ip6';
  const first = `${ip} saddr ${source.text} ${ip} daddr ${destination.text} ${l4} sport ${sourcePort} ${l4} dport ${port}`;
  const known =
    `meta l4proto ${l4} ct original ${ip} saddr ${source.text} ct original ${ip} daddr ${destination.text} ` +
    `ct original proto-src ${sourcePort} ct original proto-dst ${port}`;
  const rule = (chain: ChainName, match: string, comment: string): string =>
    `add rule ${table} ${chain} ${match} meta nftrace set 1 comment "${comment}"`;
  // ICMP errors about the connection are not of its protocol.
  const related = known.replace(`meta l4proto ${l4} `, `meta l4proto { ${l4}, icmp, ipv6-icmp } `);
  return [
    `add table ${table} { flags owner; }`,
    ...Object.entries(CHAINS).map(
      ([chain, [hook, priority]]) => `add chain ${table} ${chain} { type filter hook ${hook} priority ${priority}; }`,
    ),
    rule('sent-in', first, SENT),
    rule('sent-out', first, SENT),
    ...Array.from(marks, ([what, mark]) =>
      rule('sent-out', `ip daddr ${LOOPBACK} udp sport ${mark} udp dport ${mark}`, what),
    ),
    ...(['known-in', 'known-out'] as const).flatMap((chain) => [
      rule(chain, `ct direction original ${known}`, SENT),
      rule(chain, `ct direction reply ${related}`, ANSWER),
    ]),
  ];
}

/** Whether the event is of one of those tables, and says of a packet whose it is. */
export function whoseOf(event: TraceEvent): 'sent' | 'answer' | undefined {
  if (event.kind !== 'rule' || !isTraceTable(event.table)) return undefined;
  return event.comment === SENT || event.comment === ANSWER ? event.comment : undefined;
}
export const isTraceTable = (table: string): boolean => table.startsWith(`inet ${PREFIX}`);

/** What a chain of such a table says of a packet that gets there: it has been delivered to this host, or has left it by a link. */
export const endOf = ({ table, chain }: TraceEvent): 'delivered' | 'left' | undefined =>
  isTraceTable(table) && (chain === 'delivered' || chain === 'left') ? chain : undefined;

/**
 * Calls `send`, which makes the connection, and resolves when the kernel has said all of it. `onEvent` is told at once.
 * Throws HostError when this host cannot trace, and ProgramError when nft(8) fails.
 * @param limitMs within which `send` is done.
 */
export async function traceConnection<T>(
  connection: Connection,
  { limitMs, signal, onEvent }: { limitMs: number; signal: AbortSignal; onEvent?: (event: TraceEvent) => void },
  send: () => Promise<T>,
): Promise<ConnectionTrace<T>> {
  const stop = new AbortController();
  const within = AbortSignal.any([signal, stop.signal]);
  const table = `${PREFIX}${randomBytes(6).toString('hex')}`;
  const events: TraceEvent[] = [];
  // Everybody who listens hears of the packets of all traces.
  const isOfOthers = (event: TraceEvent): boolean => isTraceTable(event.table) && event.table !== `inet ${table}`;
  const seconds = Math.ceil((limitMs + START_LIMIT_MS) / 1000) + SPARE_SECONDS;
  try {
    using begin = await Mark.create(table, 'begin');
    using end = await Mark.create(table, 'end');
    const ports = new Map([begin, end].map(({ name, port }) => [name, port]));
    await writeTable(traceTable(table, connection, ports), within);
    // Ended by a program that every host has, because it notices that nobody reads only when there is something to print.
    const args = ['-s', 'KILL', String(seconds), 'nft', '-a', 'monitor', 'trace'];
    using monitor = new LineProgram('timeout', args, (line) => {
      const event = parseTraceLine(line);
      if (!event || isOfOthers(event) || begin.take(event) || end.take(event)) return;
      events.push(event);
      onEvent?.(event);
    });
    await monitor.during(begin.seen(), { limitMs: START_LIMIT_MS, signal });
    const result = await withDeadline({ what: 'the connection', limitMs: limitMs + COMMAND_LIMIT_MS, signal }, send);
    await monitor.during(end.seen(), { limitMs: COMMAND_LIMIT_MS, signal });
    return { result, events };
  } finally {
    stop.abort();
  }
}

async function writeTable(commands: readonly string[], signal: AbortSignal): Promise<void> {
  const session = new NftSession(COMMAND_LIMIT_MS, signal);
  if (await session.run(commands.join('; '))) return;
  throw new HostError('this nft(8) has no interactive mode, without which nothing would remove the rules of a trace');
}

/**
 * Datagrams from this process to itself, which are traced, too. The kernel says what it has to say in order: once it has told of one,
 * it has told all that came before.
 */
class Mark implements Disposable {
  readonly name: string;
  readonly #socket: Socket;
  readonly #table: string;
  readonly #seen = Promise.withResolvers<void>();
  #again: NodeJS.Timeout | undefined;

  private constructor(table: string, name: string, socket: Socket) {
    this.name = name;
    this.#table = `inet ${table}`;
    this.#socket = socket;
  }

  static async create(table: string, name: string): Promise<Mark> {
    const socket = createSocket('udp4');
    socket.bind(0, LOOPBACK);
    await once(socket, 'listening');
    // One that is lost is sent again.
    return new Mark(
      table,
      name,
      socket.on('error', () => undefined),
    );
  }

  get port(): number {
    return this.#socket.address().port;
  }

  /** Whether the event is of this mark. */
  take(event: TraceEvent): boolean {
    if (event.kind !== 'rule' || event.table !== this.#table || event.comment !== this.name) return false;
    clearInterval(this.#again);
    this.#seen.resolve();
    return true;
  }

  /** Sends it until it has been told of. */
  seen(): Promise<void> {
    const send = (): void => this.#socket.send('', this.port, LOOPBACK);
    send();
    this.#again = setInterval(send, MARK_INTERVAL_MS);
    return this.#seen.promise;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#again);
    this.#socket.close();
  }
}

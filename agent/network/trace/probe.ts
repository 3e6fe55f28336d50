/**
 * One real connection, made by a process of its own that may be in a pod's network namespace: `kedge trace-probe`. It says from where
 * it is going to connect, and waits for a word before it does.
 */
import { createSocket, type Socket as Datagrams } from 'node:dgram';
import { once } from 'node:events';
import { writeSync } from 'node:fs';
import { createServer, Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { IpAddress } from '../../../api/domain/address.ts';
import { withDeadline } from '../../../client/deadline.ts';

/** What to connect to; the arguments of the process. */
export interface ProbeTarget {
  readonly protocol: 'TCP' | 'UDP';
  readonly destination: IpAddress;
  readonly port: number;
  readonly limitMs: number;
}

/** What the process says first, as JSON in one line, and what it says last. */
export type ProbeStart = { readonly source: string; readonly sourcePort: number } | { readonly error: string };
export interface ProbeOutcome {
  /** `connected` and `answered` are of TCP and UDP; the others are failures, of which `code` is the kernel's. */
  readonly kind: 'connected' | 'answered' | 'failed' | 'silent';
  readonly code?: string;
  readonly milliseconds: number;
}

export const probeArguments = ({ protocol, destination, port, limitMs }: ProbeTarget): string[] => [
  protocol,
  destination.text,
  String(port),
  String(limitMs),
];

const SETUP_LIMIT_MS = 5_000;
/** A question that name servers answer, and others may: for the name servers of the root. */
const QUESTION = Buffer.from('6b65010000010000000000000000020001', 'hex');

/** The process itself. */
export async function runTraceProbe([protocol, address, port, limit]: readonly string[]): Promise<void> {
  const destination = IpAddress.parse(address ?? '');
  if (!destination || (protocol !== 'TCP' && protocol !== 'UDP')) throw new Error('usage: PROTOCOL ADDRESS PORT MS');
  const target: ProbeTarget = { protocol, destination, port: Number(port), limitMs: Number(limit) };
  const words = createInterface({ input: process.stdin });
  // Whoever has started this is gone.
  words.on('close', () => process.exit());
  const probe = protocol === 'TCP' ? new TcpProbe(target) : new UdpProbe(target);
  try {
    say(await withDeadline({ what: 'finding a way', limitMs: SETUP_LIMIT_MS }, () => probe.prepare()));
  } catch (error) {
    say({ error: (error as NodeJS.ErrnoException).code ?? (error as Error).message });
    process.exit();
  }
  await once(words, 'line');
  say(await probe.send());
  process.exit();
}

// The process ends right after the last word.
const say = (word: ProbeStart | ProbeOutcome): void => void writeSync(1, `${JSON.stringify(word)}\n`);

const socketType = ({ destination }: ProbeTarget): 'udp4' | 'udp6' => (destination.family === 'IPv4' ? 'udp4' : 'udp6');

/** Connects a socket of datagrams, which sends nothing: the kernel finds the way, and the address to come from. */
async function connected(target: ProbeTarget): Promise<Datagrams> {
  const socket = createSocket(socketType(target));
  socket.connect(target.port, target.destination.text);
  // Rejects with the kernel's error.
  await once(socket, 'connect');
  return socket;
}

/** Resolves with the first that is called of the two functions, or when the limit is over. */
function outcome(
  limitMs: number,
  start: (end: (kind: ProbeOutcome['kind'], error?: NodeJS.ErrnoException) => void) => void,
): Promise<ProbeOutcome> {
  const { promise, resolve } = Promise.withResolvers<ProbeOutcome>();
  const startedAt = performance.now();
  const end = (kind: ProbeOutcome['kind'], error?: NodeJS.ErrnoException): void => {
    const milliseconds = Number((performance.now() - startedAt).toFixed(2));
    resolve({ kind, milliseconds, ...(error && { code: error.code ?? error.message }) });
  };
  setTimeout(() => end('silent'), limitMs);
  start(end);
  return promise;
}

class TcpProbe {
  readonly #target: ProbeTarget;
  #source = '';
  #sourcePort = 0;

  constructor(target: ProbeTarget) {
    this.#target = target;
  }

  async prepare(): Promise<ProbeStart> {
    const way = await connected(this.#target);
    this.#source = way.address().address;
    way.close();
    // A port that nobody has; should somebody take it before the connection is made, that fails.
    const free = createServer().listen(0, this.#source);
    await once(free, 'listening');
    this.#sourcePort = (free.address() as { port: number }).port;
    free.close();
    await once(free, 'close');
    return { source: this.#source, sourcePort: this.#sourcePort };
  }

  send(): Promise<ProbeOutcome> {
    const { destination, port, limitMs } = this.#target;
    return outcome(limitMs, (end) => {
      const from = { localAddress: this.#source, localPort: this.#sourcePort };
      new Socket()
        .on('error', (error) => end('failed', error))
        .connect({ host: destination.text, port, ...from }, () => end('connected'));
    });
  }
}

class UdpProbe {
  readonly #target: ProbeTarget;
  #socket: Datagrams | undefined;

  constructor(target: ProbeTarget) {
    this.#target = target;
  }

  async prepare(): Promise<ProbeStart> {
    this.#socket = await connected(this.#target);
    const { address, port } = this.#socket.address();
    return { source: address, sourcePort: port };
  }

  send(): Promise<ProbeOutcome> {
    return outcome(this.#target.limitMs, (end) => {
      this.#socket?.on('message', () => end('answered')).on('error', (error) => end('failed', error));
      this.#socket?.send(QUESTION, (error) => error && end('failed', error));
    });
  }
}

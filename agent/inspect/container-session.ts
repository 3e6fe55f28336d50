/** A command in a container, with the streams of this process: `kedge exec` speaks to the runtime itself, as the agent does for kubectl. */
import type { Duplex, Readable, Writable } from 'node:stream';
import { once } from 'node:events';
import { holdOpen, requestUpgrade } from '../../client/upgrade.ts';
import type { CriClient } from '../cri/client.ts';
import { HostError } from '../host/host-error.ts';
import { SpdyClient, type SpdyStream } from '../server/spdy-client.ts';

/** The runtime's newest version of the protocol; its status is JSON. */
const PROTOCOL = 'v4.channel.k8s.io';
const MAX_STATUS_BYTES = 64 * 1024;

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

export interface SessionStreams {
  readonly stdin?: Readable;
  readonly stdout: Writable;
  /** With a terminal everything comes by stdout. */
  readonly stderr: Writable;
  /** The container's side gets a terminal; calls back with its size now and whenever that changes, until the signal is aborted. */
  readonly terminal?: (resized: (size: TerminalSize) => void, signal: AbortSignal) => void;
}

/** Resolves with the command's exit code. Throws HostError when there is none, and CriError. */
export async function runInContainer(
  cri: Pick<CriClient, 'exec'>,
  containerId: string,
  command: readonly string[],
  streams: SessionStreams,
  signal: AbortSignal,
): Promise<number> {
  const tty = streams.terminal !== undefined;
  const asked = { containerId, cmd: command, tty, stdin: streams.stdin !== undefined, stdout: true, stderr: !tty };
  const url = new URL(await cri.exec(asked, { signal }));
  const headers = { Connection: 'Upgrade', Upgrade: 'SPDY/3.1', 'X-Stream-Protocol-Version': PROTOCOL };
  const answer = await requestUpgrade({ url, method: 'POST', headers, agent: false, signal });
  if (!answer.upgraded) {
    const said = (await answer.response.toArray()).join('');
    throw new HostError(`the runtime's streaming server does not run the command: ${said}`);
  }
  const { socket } = answer;
  const close = (): void => void socket.destroy();
  signal.addEventListener('abort', close, { once: true });
  try {
    holdOpen(socket);
    return exitCodeOf(await relay(socket, answer.head, streams));
  } finally {
    signal.removeEventListener('abort', close);
    socket.destroy();
  }
}

/** Resolves with what the runtime says about the end of the command; '' when the connection was lost before. */
async function relay(socket: Duplex, head: Buffer, streams: SessionStreams): Promise<string> {
  const over = new AbortController();
  const spdy = new SpdyClient(socket, head);
  const ends: Promise<void>[] = [];
  const open = (streamtype: string, data: (chunk: Buffer) => void): SpdyStream => {
    const { promise, resolve } = Promise.withResolvers<void>();
    ends.push(promise);
    return spdy.open({ streamtype }, { data, end: resolve });
  };
  const into = (output: Writable) => (chunk: Buffer) => {
    // What the socket reads next takes the place of the chunk.
    if (output.write(Buffer.from(chunk))) return;
    socket.pause();
    output.once('drain', () => socket.resume());
  };
  const nothing = (): void => undefined;
  const said: Buffer[] = [];
  let saidBytes = 0;
  const { stdin, stdout, stderr, terminal } = streams;
  const opened = [
    open('error', (chunk) => {
      saidBytes += chunk.length;
      if (saidBytes <= MAX_STATUS_BYTES) said.push(Buffer.from(chunk));
    }),
    open('stdout', into(stdout)),
  ];
  if (!terminal) opened.push(open('stderr', into(stderr)));
  // Those that this end writes have no end of the runtime's to wait for.
  const outputs = Promise.all([...ends]);
  const input = stdin && open('stdin', nothing);
  const resize = terminal && open('resize', nothing);
  try {
    for (const stream of [...opened, input, resize]) await stream?.accepted;
    terminal?.(({ columns, rows }) => {
      resize?.write(Buffer.from(JSON.stringify({ Width: columns, Height: rows })));
    }, over.signal);
    if (stdin && input) send(stdin, input, socket, over.signal);
    await outputs;
  } finally {
    over.abort();
  }
  return Buffer.concat(said).toString();
}

/** Sends what comes from `stdin` with back-pressure, and its end, until the signal is aborted. */
function send(stdin: Readable, input: SpdyStream, socket: Duplex, signal: AbortSignal): void {
  const data = (chunk: Buffer): void => {
    if (input.write(chunk)) return;
    stdin.pause();
    once(socket, 'drain', { signal }).then(
      () => stdin.resume(),
      () => undefined,
    );
  };
  const end = (): void => input.finish();
  stdin.on('data', data).on('end', end);
  signal.addEventListener('abort', () => {
    stdin.removeListener('data', data).removeListener('end', end);
    stdin.pause();
  });
}

interface Outcome {
  readonly status?: string;
  readonly message?: string;
  readonly reason?: string;
  readonly details?: { readonly causes?: readonly { readonly reason?: string; readonly message?: string }[] };
}

/** The exit code in the Status with which the runtime ends a command. Throws HostError where there is none. */
export function exitCodeOf(status: string): number {
  if (status === '') throw new HostError('the connection to the container runtime was lost');
  const { status: outcome, reason, message, details } = JSON.parse(status) as Outcome;
  if (outcome === 'Success') return 0;
  const code = details?.causes?.find((cause) => cause.reason === 'ExitCode')?.message;
  if (reason === 'NonZeroExitCode' && code !== undefined && /^\d{1,3}$/.test(code)) return Number(code);
  throw new HostError(`the runtime could not run the command: ${message ?? status}`);
}

/** A command in a container, over a WebSocket. */
import { CHANNEL, bearerProtocol, EXEC_PROTOCOLS, frame, outcomeOf, resizeFrame } from '../model/exec-channels.ts';
import { apiPath } from '../model/route.ts';
import { token } from './session.ts';

/** What a user types while nobody reads it. */
const MAX_UNSENT_BYTES = 1024 * 1024;

export interface ExecEvents {
  readonly opened: () => void;
  readonly output: (bytes: Uint8Array) => void;
  /** @param problem '' when the command has ended well */
  readonly ended: (problem: string) => void;
}

export class ExecSession {
  readonly #socket: WebSocket;
  #problem: string | undefined;

  constructor(
    pod: { namespace: string; name: string },
    container: string,
    command: readonly string[],
    events: ExecEvents,
  ) {
    const query = new URLSearchParams({ container, stdin: 'true', stdout: 'true', tty: 'true' });
    for (const word of command) query.append('command', word);
    const path = apiPath({ group: '', version: 'v1', resource: 'pods' }, pod.namespace, pod.name, 'exec');
    const url = new URL(`${path}?${query.toString()}`, location.href.replace(/^http/, 'ws'));
    this.#socket = new WebSocket(url, [...EXEC_PROTOCOLS, bearerProtocol(token.value)]);
    this.#socket.binaryType = 'arraybuffer';
    this.#socket.onopen = () => events.opened();
    this.#socket.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => {
      const bytes = new Uint8Array(data);
      if (bytes[0] === CHANNEL.stdout || bytes[0] === CHANNEL.stderr) events.output(bytes.subarray(1));
      else if (bytes[0] === CHANNEL.status) this.#problem = outcomeOf(bytes.subarray(1));
    };
    this.#socket.onclose = ({ code, reason }) => events.ended(this.#problem ?? (reason || `WebSocket ${code}`));
  }

  write(text: string): void {
    if (this.#socket.bufferedAmount < MAX_UNSENT_BYTES) this.#send(frame(CHANNEL.stdin, text));
  }

  resize(columns: number, rows: number): void {
    this.#send(resizeFrame(columns, rows));
  }

  close(): void {
    this.#socket.close();
  }

  #send(message: Uint8Array<ArrayBuffer>): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(message);
  }
}

/** The proxy's Runtime API: https://docs.haproxy.org/2.6/management.html#9.3 */
import { connect } from 'node:net';
import { withDeadline } from '../../../client/deadline.ts';

/** A command was not understood, or could not be done. */
export class RuntimeApiError extends Error {
  override readonly name = 'RuntimeApiError';
}

const LIMIT_MS = 5_000;
const MAX_ANSWER = 64 * 1024 * 1024;
/** A request has to fit into one buffer of the proxy. */
const MAX_REQUEST = 8_000;

export class RuntimeApi {
  readonly #socket: string;

  constructor(socket: string) {
    this.#socket = socket;
  }

  /** Sends one command, with a payload of several lines if there is one, and returns its answer. Throws RuntimeApiError. */
  async ask(command: string, signal?: AbortSignal, payload?: string): Promise<string> {
    if (/[\n\r;\\]/.test(command)) throw new RuntimeApiError('a command has characters that separate commands');
    // An empty line ends a payload, and what follows is a command.
    if (payload !== undefined && /^\s*$/m.test(payload.trimEnd()))
      throw new RuntimeApiError('a payload has an empty line');
    const request = payload === undefined ? `${command}\n` : `${command} <<\n${payload.trimEnd()}\n\n`;
    return this.#exchange(request, signal);
  }

  /** As `ask`, for a command that answers only when it fails. Throws RuntimeApiError. */
  async expectNothing(command: string, signal?: AbortSignal, payload?: string): Promise<void> {
    const answer = (await this.ask(command, signal, payload)).trim();
    if (answer !== '') throw new RuntimeApiError(`the proxy answers: ${answer.slice(0, 200)}`);
  }

  /** Sends commands that answer nothing, or one of the expected sentences. Throws RuntimeApiError at the first that does not. */
  async tell(commands: readonly string[], signal?: AbortSignal): Promise<void> {
    for (const batch of batches(commands)) {
      const answer = await this.#exchange(`${batch.join(';')}\n`, signal);
      const odd = answer.split('\n').find((line) => line.trim() !== '' && !EXPECTED.test(line));
      if (odd !== undefined) throw new RuntimeApiError(`the proxy answers: ${odd.slice(0, 200)}`);
    }
  }

  #exchange(request: string, signal: AbortSignal | undefined): Promise<string> {
    return withDeadline({ what: 'runtime API of the proxy', limitMs: LIMIT_MS, signal }, (stop) =>
      exchange(this.#socket, request, stop),
    );
  }
}

/** What `set server` says when it has done something, or there was nothing to do. */
const EXPECTED = /^(IP changed from|no need to change|port changed from|.* changed from .* to )/;

function* batches(commands: readonly string[]): Generator<string[]> {
  let batch: string[] = [];
  let length = 0;
  for (const command of commands) {
    if (/[\n\r;\\]/.test(command)) throw new RuntimeApiError('a command has characters that separate commands');
    if (length + command.length > MAX_REQUEST) {
      yield batch;
      batch = [];
      length = 0;
    }
    batch.push(command);
    length += command.length + 1;
  }
  if (batch.length > 0) yield batch;
}

function exchange(path: string, request: string, stop: AbortSignal): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = connect(path);
  stop.addEventListener('abort', () => socket.destroy(), { once: true });
  let answer = '';
  socket.setEncoding('utf8');
  socket.on('data', (chunk: string) => {
    answer += chunk;
    if (answer.length > MAX_ANSWER) socket.destroy(new RuntimeApiError('the answer of the proxy is too long'));
  });
  socket.once('error', reject);
  socket.once('close', () => resolve(answer));
  socket.end(request);
  return promise;
}

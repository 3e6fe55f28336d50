/** The log of a container, as it is written. */
import { signal } from '@preact/signals';
import { LineSplitter } from '../model/lines.ts';
import { plainLine } from '../model/plain-text.ts';
import { apiPath } from '../model/route.ts';
import { messageOf, open } from './request.ts';

/** How far back it begins, and how much is kept. */
const TAIL_LINES = 2_000;
const MAX_LINES = 20_000;
const MAX_LINE_LENGTH = 4_000;
const REDRAW_MS = 100;

export interface LogQuery {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly previous: boolean;
  readonly follow: boolean;
  readonly timestamps: boolean;
}

export class LiveLog {
  readonly version = signal(0);
  readonly problem = signal('');
  readonly hasEnded = signal(false);
  readonly isCut = signal(false);
  lines: string[] = [];
  readonly #closing = new AbortController();
  #redraw: ReturnType<typeof setTimeout> | undefined;

  constructor(query: LogQuery) {
    this.#read(query).catch((error: unknown) => {
      if (!this.#closing.signal.aborted) this.problem.value = messageOf(error);
    });
  }

  close(): void {
    this.#closing.abort();
    clearTimeout(this.#redraw);
  }

  async #read({ namespace, pod, container, previous, follow, timestamps }: LogQuery): Promise<void> {
    const path = apiPath({ group: '', version: 'v1', resource: 'pods' }, namespace, pod, 'log');
    const response = await open(path, {
      query: {
        container,
        tailLines: String(TAIL_LINES),
        ...(previous && { previous: 'true' }),
        ...(follow && !previous && { follow: 'true' }),
        ...(timestamps && { timestamps: 'true' }),
      },
      accept: '*/*',
      signal: this.#closing.signal,
    });
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    const lines = new LineSplitter();
    for (;;) {
      const piece = await reader?.read();
      if (!piece || piece.done) break;
      this.#add(lines.push(piece.value));
    }
    if (lines.rest !== '') this.#add([lines.rest]);
    this.hasEnded.value = true;
  }

  #add(lines: readonly string[]): void {
    for (const line of lines) this.lines.push(plainLine(line.slice(0, MAX_LINE_LENGTH)));
    if (this.lines.length > MAX_LINES) {
      this.lines = this.lines.slice(-MAX_LINES);
      this.isCut.value = true;
    }
    this.#redraw ??= setTimeout(() => {
      this.#redraw = undefined;
      this.version.value++;
    }, REDRAW_MS);
  }
}

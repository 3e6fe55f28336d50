/** Reads something, then watches it, for as long as it takes: lost connections are made again, lost history is read anew. */
import { LineSplitter } from '../model/lines.ts';
import { ApiError, messageOf, open } from './request.ts';

/** Watches end and are resumed, at different times. */
const WATCH_SECONDS = { least: 240, spread: 120 };
const RETRY_MS = { first: 500, longest: 30_000 };
/** The history after the revision is gone. */
const GONE = 410;
/** What is not going to be otherwise the next time. */
const FINAL: ReadonlySet<number> = new Set([400, 401, 403, 404, 405]);

export type FollowState =
  | { readonly kind: 'loading' }
  | { readonly kind: 'live' }
  /** The connection is lost, and tried again. */
  | { readonly kind: 'stale'; readonly message: string }
  | { readonly kind: 'failed'; readonly error: ApiError };

export interface WatchEvent<T> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly object: T;
}

export interface Followed<T> {
  readonly path: string;
  readonly selectors: Readonly<Record<string, string>>;
  readonly accept?: string;
  /** Reads the present state. Returns its revision. */
  readonly read: (signal: AbortSignal) => Promise<string>;
  /** Takes a change. Returns its revision. */
  readonly change: (event: WatchEvent<T>) => string;
  readonly tell: (state: FollowState) => void;
}

/** Resolves when the signal is aborted or the server refuses. */
export async function follow<T>(followed: Followed<T>, signal: AbortSignal): Promise<void> {
  let revision = '';
  let failures = 0;
  while (!signal.aborted) {
    try {
      if (revision === '') revision = await followed.read(signal);
      followed.tell({ kind: 'live' });
      revision = await watch(followed, revision, signal, (reached) => {
        revision = reached;
        failures = 0;
      });
    } catch (error) {
      if (signal.aborted) return;
      const code = error instanceof ApiError ? error.code : 0;
      if (code === GONE) revision = '';
      if (error instanceof ApiError && FINAL.has(code)) return followed.tell({ kind: 'failed', error });
      // Lost history is nothing to tell of: it is there again at once.
      if (code !== GONE || failures > 0) followed.tell({ kind: 'stale', message: messageOf(error) });
      await pause(
        code === GONE && failures === 0 ? 0 : Math.min(RETRY_MS.first * 2 ** failures, RETRY_MS.longest),
        signal,
      );
      failures++;
    }
  }
}

/** Returns the revision from which to go on when the watch has ended. */
async function watch<T>(
  { path, selectors, accept, change }: Followed<T>,
  from: string,
  signal: AbortSignal,
  reached: (revision: string) => void,
): Promise<string> {
  const seconds = WATCH_SECONDS.least + Math.floor(Math.random() * WATCH_SECONDS.spread);
  const query = {
    ...selectors,
    watch: 'true',
    allowWatchBookmarks: 'true',
    resourceVersion: from,
    timeoutSeconds: String(seconds),
  };
  const response = await open(path, { query, signal, ...(accept !== undefined && { accept }) });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  const lines = new LineSplitter();
  let revision = from;
  for (;;) {
    const piece = await reader?.read();
    if (!piece || piece.done) return revision;
    for (const line of lines.push(piece.value)) {
      if (line === '') continue;
      const event = JSON.parse(line) as WatchEvent<T>;
      if (event.type === 'ERROR') throw failureOf(event.object as { code?: number; message?: string });
      revision = change(event) || revision;
    }
    reached(revision);
  }
}

const failureOf = ({ code = 500, message = 'the watch has failed' }): ApiError => new ApiError(message, code);

/** Also ends when the browser is online again, or nobody waits any more. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      removeEventListener('online', done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    addEventListener('online', done);
    signal.addEventListener('abort', done);
    if (signal.aborted) done();
  });
}

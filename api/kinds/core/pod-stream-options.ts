/** The queries of `pods/{name}/exec`, `attach` and `portforward`, as the api-server and the node API both read them. */
import { queryFlag } from '../../machinery/query-flag.ts';

/** Which of a command's streams are wanted. `stderr` is off with a terminal: the terminal carries both. */
export interface StreamOptions {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

export function readStreamOptions(query: URLSearchParams): StreamOptions {
  const tty = queryFlag(query, 'tty') || queryFlag(query, 'TTY');
  return {
    stdin: queryFlag(query, 'stdin') || queryFlag(query, 'input'),
    stdout: queryFlag(query, 'stdout') || queryFlag(query, 'output'),
    stderr: !tty && (queryFlag(query, 'stderr') || queryFlag(query, 'error')),
    tty,
  };
}

/** The same as the kubelet's own parameters (`input=1&output=1&error=1&tty=1`). */
export function streamQuery(options: StreamOptions): URLSearchParams {
  const query = new URLSearchParams();
  if (options.stdin) query.set('input', '1');
  if (options.stdout) query.set('output', '1');
  if (options.stderr) query.set('error', '1');
  if (options.tty) query.set('tty', '1');
  return query;
}

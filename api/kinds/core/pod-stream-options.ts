/** The queries of `pods/{name}/exec`, `attach` and `portforward`, as the api-server and the node API both read them. */
import { isTrue } from '../../machinery/query-flag.ts';

/** Which of a command's streams are wanted. `stderr` is off with a terminal: the terminal carries both. */
export interface StreamOptions {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

export function readStreamOptions(query: URLSearchParams): StreamOptions {
  const tty = isTrue(query.get('tty')) || isTrue(query.get('TTY'));
  return {
    stdin: isTrue(query.get('stdin')) || isTrue(query.get('input')),
    stdout: isTrue(query.get('stdout')) || isTrue(query.get('output')),
    stderr: !tty && (isTrue(query.get('stderr')) || isTrue(query.get('error'))),
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

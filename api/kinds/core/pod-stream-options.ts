/** The queries of `pods/{name}/exec`, `attach` and `portforward`, as the api-server and the node API both read them. */
import { MAX_PORT } from '../../domain/port-number.ts';
import type { ConnectSubresource, KubeObject } from '../../machinery/kind.ts';
import { isTrue, type Query } from '../../machinery/query-values.ts';
import { badRequest } from '../../machinery/status-error.ts';

/** Which of a command's streams are wanted. `stderr` is off with a terminal: the terminal carries both. */
export interface StreamOptions {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

export function readStreamOptions(query: Query): StreamOptions {
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

/** https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.36/#podattachoptions-v1-core */
export interface PodAttachOptions extends KubeObject, StreamOptions {
  /** '': the only one. */
  readonly container: string;
}

export interface PodExecOptions extends PodAttachOptions {
  readonly command: readonly string[];
}

export interface PodPortForwardOptions extends KubeObject {
  readonly ports: readonly number[];
}

/** Throws a 400 StatusError in the words of Go's strconv, as upstream's `Convert_Slice_string_To_Slice_int32`. */
function readPort(text: string): number {
  const isNumber = /^\d+$/.test(text);
  if (isNumber && Number(text) <= MAX_PORT) return Number(text);
  const why = isNumber ? 'value out of range' : 'invalid syntax';
  throw badRequest(`cannot convert to []int32: strconv.ParseUint: parsing ${JSON.stringify(text)}: ${why}`);
}

const common = { verbs: ['create', 'get'], group: '', version: 'v1', takesCreate: () => true } as const;

export const podAttach: ConnectSubresource = {
  ...common,
  name: 'attach',
  connection: 'pods/attach',
  kind: 'PodAttachOptions',
  readOptions: (query): PodAttachOptions => ({
    apiVersion: 'v1',
    kind: 'PodAttachOptions',
    ...readStreamOptions(query),
    container: query.get('container') ?? '',
  }),
};

export const podExec: ConnectSubresource = {
  ...common,
  name: 'exec',
  connection: 'pods/exec',
  kind: 'PodExecOptions',
  readOptions: (query): PodExecOptions => ({
    apiVersion: 'v1',
    kind: 'PodExecOptions',
    ...readStreamOptions(query),
    container: query.get('container') ?? '',
    command: query.getAll('command'),
  }),
};

export const podPortForward: ConnectSubresource = {
  ...common,
  name: 'portforward',
  connection: 'pods/portforward',
  kind: 'PodPortForwardOptions',
  readOptions: (query): PodPortForwardOptions => ({
    apiVersion: 'v1',
    kind: 'PodPortForwardOptions',
    ports: query.getAll('ports').flatMap((ports) => ports.split(',').map(readPort)),
  }),
};

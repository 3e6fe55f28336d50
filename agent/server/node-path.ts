/** The paths of the node API, which are the kubelet's. */
import { NodeApiError } from './node-api-error.ts';

/** A container of a pod; `uid` is '' unless the path names it. */
export interface ContainerPath {
  readonly namespace: string;
  readonly pod: string;
  readonly uid: string;
  readonly container: string;
}

export type NodePath =
  | ({ readonly at: 'containerLogs' } & ContainerPath)
  | ({ readonly at: 'exec' | 'attach' } & ContainerPath)
  | ({ readonly at: 'run' } & ContainerPath)
  | { readonly at: 'portForward'; readonly namespace: string; readonly pod: string; readonly uid: string }
  | { readonly at: 'logs'; readonly path: string }
  | { readonly at: 'document'; readonly name: DocumentName }
  | { readonly at: 'unknown' };

/** Paths that respond to GET with one document. */
export type DocumentName =
  | 'healthz'
  | 'pods'
  | 'runningpods'
  | 'configz'
  | 'stats/summary'
  | 'metrics'
  | 'metrics/cadvisor'
  | 'metrics/resource'
  | 'metrics/probes'
  | 'metrics/slis';

const DOCUMENTS: readonly DocumentName[] = [
  'healthz',
  'pods',
  'runningpods',
  'configz',
  'stats/summary',
  'metrics',
  'metrics/cadvisor',
  'metrics/resource',
  'metrics/probes',
  'metrics/slis',
];

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new NodeApiError(400, `invalid URL escape in ${JSON.stringify(segment)}`);
  }
}

/** Parses a path once, for both authorization and serving. Throws a 400 for invalid escapes. */
export function parseNodePath(path: string): NodePath {
  const [at = '', ...segments] = path.slice(1).split('/').map(decode);
  const [namespace = '', pod = '', third = '', fourth] = segments;
  switch (at) {
    case 'containerLogs':
      if (segments.length !== 3) break;
      return { at, namespace, pod, uid: '', container: third };
    case 'exec':
    case 'attach':
    case 'run': {
      if (segments.length !== 3 && segments.length !== 4) break;
      const uid = fourth === undefined ? '' : third;
      const container = { namespace, pod, uid, container: fourth ?? third };
      return at === 'run' ? { at, ...container } : { at, ...container };
    }
    case 'portForward':
      if (segments.length !== 2 && segments.length !== 3) break;
      return { at, namespace, pod, uid: third };
    case 'logs':
      return { at, path: segments.join('/') };
    default: {
      const wanted = [at, ...segments].join('/').replace(/\/$/, '');
      const name = DOCUMENTS.find((known) => known === wanted);
      if (name !== undefined) return { at: 'document', name };
    }
  }
  return { at: 'unknown' };
}

export type StreamPath = Extract<NodePath, { at: 'exec' | 'attach' | 'portForward' }>;

/** Whether requests for the path upgrade the connection. */
export const isStream = (path: NodePath): path is StreamPath =>
  path.at === 'exec' || path.at === 'attach' || path.at === 'portForward';

const READ = new Set(['GET', 'HEAD']);
const STREAM = new Set(['GET', 'POST']);
const RUN = new Set(['POST']);

/** Throws a 404 for an unknown path and a 405 for a method that the path does not have. */
export function requireRoute(path: NodePath, method: string): void {
  if (path.at === 'unknown') throw new NodeApiError(404, '404 page not found');
  const methods = isStream(path) ? STREAM : path.at === 'run' ? RUN : READ;
  if (!methods.has(method)) throw new NodeApiError(405, 'Method Not Allowed');
}

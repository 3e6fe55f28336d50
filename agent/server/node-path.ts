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
  | { readonly at: 'document'; readonly name: DocumentName };

/** What answers a GET with one text. */
export type DocumentName =
  | 'healthz'
  | 'pods'
  | 'runningpods'
  | 'configz'
  | 'stats/summary'
  | 'metrics'
  | 'metrics/cadvisor'
  | 'metrics/resource'
  | 'metrics/probes';

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
];

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new NodeApiError(400, `invalid URL escape in ${JSON.stringify(segment)}`);
  }
}

/** Throws a 404 for a path that is none of them and a 405 for a method that the path does not take. */
export function parseNodePath(method: string, path: string): NodePath {
  const [at = '', ...segments] = path.slice(1).split('/').map(decode);
  const onlyGet = (): void => {
    if (method !== 'GET' && method !== 'HEAD') throw new NodeApiError(405, 'Method Not Allowed');
  };
  const [namespace = '', pod = '', third = '', fourth] = segments;
  switch (at) {
    case 'containerLogs':
      onlyGet();
      if (segments.length !== 3) break;
      return { at, namespace, pod, uid: '', container: third };
    case 'exec':
    case 'attach':
    case 'run': {
      if (method !== 'POST' && (method !== 'GET' || at === 'run')) throw new NodeApiError(405, 'Method Not Allowed');
      if (segments.length !== 3 && segments.length !== 4) break;
      const uid = fourth === undefined ? '' : third;
      const container = { namespace, pod, uid, container: fourth ?? third };
      return at === 'run' ? { at, ...container } : { at, ...container };
    }
    case 'portForward':
      if (method !== 'POST' && method !== 'GET') throw new NodeApiError(405, 'Method Not Allowed');
      if (segments.length === 2 || segments.length === 3) return { at, namespace, pod, uid: third };
      break;
    case 'logs':
      onlyGet();
      return { at, path: segments.join('/') };
    default: {
      const wanted = [at, ...segments].join('/').replace(/\/$/, '');
      const name = DOCUMENTS.find((known) => known === wanted);
      if (name === undefined) break;
      onlyGet();
      return { at: 'document', name };
    }
  }
  throw new NodeApiError(404, '404 page not found');
}

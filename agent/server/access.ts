/** Authorization of the node API by the api-server: which subresource of its Node a request is for. */
import type { Caller } from '../../daemon/access/caller.ts';
import { ReviewedAccess, type AccessReviews } from '../../daemon/access/reviewed-access.ts';
import type { DocumentName, NodePath } from './node-path.ts';

/** A request as a verb on subresources of this node: it is allowed when it is for any one of them. */
export interface NodeAccess {
  readonly verb: string;
  readonly subresources: readonly string[];
}

const VERBS: ReadonlyMap<string, string> = new Map([
  ['POST', 'create'],
  ['GET', 'get'],
  ['PUT', 'update'],
  ['PATCH', 'patch'],
  ['DELETE', 'delete'],
]);
/**
 * Which subresources of `nodes` show a document. Some have one of their own beside `proxy` (upstream's
 * KubeletFineGrainedAuthz).
 */
const DOCUMENT_ACCESS: Readonly<Record<DocumentName, readonly string[]>> = {
  pods: ['pods', 'proxy'],
  runningpods: ['pods', 'proxy'],
  healthz: ['healthz', 'proxy'],
  configz: ['configz', 'proxy'],
  'stats/summary': ['stats'],
  metrics: ['metrics'],
  'metrics/cadvisor': ['metrics'],
  'metrics/resource': ['metrics'],
  'metrics/probes': ['metrics'],
  'metrics/slis': ['metrics'],
};

/** kubelet's mapping of its paths to subresources of `nodes`. */
export function accessOf(method: string, path: NodePath): NodeAccess {
  const verb = VERBS.get(method) ?? '';
  switch (path.at) {
    case 'exec':
    case 'attach':
    case 'portForward':
    case 'run':
      // A GET is as good as a POST: it runs something in a container, over a WebSocket.
      return { verb: 'create', subresources: ['proxy'] };
    case 'logs':
      return { verb, subresources: ['log'] };
    case 'document':
      return { verb, subresources: DOCUMENT_ACCESS[path.name] };
    case 'containerLogs':
    case 'unknown':
      return { verb, subresources: ['proxy'] };
  }
}

export class CallerAuthorization {
  readonly #access: ReviewedAccess;
  readonly #nodeName: string;

  constructor(reviews: AccessReviews, nodeName: string) {
    this.#access = new ReviewedAccess(reviews);
    this.#nodeName = nodeName;
  }

  async allows(caller: Caller, { verb, subresources }: NodeAccess): Promise<boolean> {
    const node = { version: 'v1', resource: 'nodes', name: this.#nodeName, verb };
    for (const subresource of subresources)
      if (await this.#access.allows(caller, { resourceAttributes: { ...node, subresource } })) return true;
    return false;
  }
}

/** Authorization of the node API by the api-server, with SubjectAccessReviews. */
import type { Caller } from './caller.ts';
import type { DocumentName, NodePath } from './node-path.ts';
import type { SubjectAccessReview } from '../../api/types/authorization/v1.gen.ts';

/** Posts a review to the api-server and returns it with its status. */
export interface AccessReviews {
  reviewAccess(review: SubjectAccessReview): Promise<SubjectAccessReview>;
}

/** kubelet's authorization.webhook.cacheAuthorizedTTL and cacheUnauthorizedTTL. */
const ALLOWED_TTL_MS = 300_000;
const DENIED_TTL_MS = 30_000;
const MAX_CACHED_DECISIONS = 1000;

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
  readonly #reviews: AccessReviews;
  readonly #nodeName: string;
  readonly #decisions = new Map<string, { allowed: boolean; until: number }>();

  constructor(reviews: AccessReviews, nodeName: string) {
    this.#reviews = reviews;
    this.#nodeName = nodeName;
  }

  async allows(caller: Caller, access: NodeAccess): Promise<boolean> {
    for (const subresource of access.subresources)
      if (await this.#allowsOn(caller, access.verb, subresource)) return true;
    return false;
  }

  async #allowsOn(caller: Caller, verb: string, subresource: string): Promise<boolean> {
    const key = JSON.stringify([caller.name, caller.uid, caller.groups, caller.extra, verb, subresource]);
    const known = this.#decisions.get(key);
    if (known !== undefined && known.until > Date.now()) return known.allowed;
    const { status } = await this.#reviews.reviewAccess({
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      spec: {
        user: caller.name,
        uid: caller.uid,
        groups: [...caller.groups],
        extra: Object.fromEntries(Object.entries(caller.extra ?? {}).map(([name, values]) => [name, [...values]])),
        resourceAttributes: { version: 'v1', resource: 'nodes', name: this.#nodeName, verb, subresource },
      },
    });
    const allowed = status?.allowed === true;
    this.#decisions.delete(key);
    for (const oldest of this.#decisions.keys()) {
      if (this.#decisions.size < MAX_CACHED_DECISIONS) break;
      this.#decisions.delete(oldest);
    }
    this.#decisions.set(key, { allowed, until: Date.now() + (allowed ? ALLOWED_TTL_MS : DENIED_TTL_MS) });
    return allowed;
  }
}

/** Authorization by the api-server, with SubjectAccessReviews whose answers are kept for a while. */
import type { SubjectAccessReview, SubjectAccessReviewSpec } from '../../api/types/authorization/v1.gen.ts';
import type { Caller } from './caller.ts';

/** Posts a review to the api-server and returns it with its status. */
export interface AccessReviews {
  reviewAccess(review: SubjectAccessReview): Promise<SubjectAccessReview>;
}

/** What a caller wants to do. */
export type AccessAttributes = Pick<SubjectAccessReviewSpec, 'resourceAttributes' | 'nonResourceAttributes'>;

/** kubelet's authorization.webhook.cacheAuthorizedTTL and cacheUnauthorizedTTL. */
const ALLOWED_TTL_MS = 300_000;
const DENIED_TTL_MS = 30_000;
const MAX_CACHED_DECISIONS = 1000;

export class ReviewedAccess {
  readonly #reviews: AccessReviews;
  /** `until`: by the monotonic clock. */
  readonly #decisions = new Map<string, { allowed: boolean; until: number }>();

  constructor(reviews: AccessReviews) {
    this.#reviews = reviews;
  }

  /** Rejects when the api-server does not answer. */
  async allows(caller: Caller, attributes: AccessAttributes): Promise<boolean> {
    const key = JSON.stringify([caller.name, caller.uid, caller.groups, caller.extra, attributes]);
    const known = this.#decisions.get(key);
    if (known !== undefined && known.until > performance.now()) return known.allowed;
    const { status } = await this.#reviews.reviewAccess({
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      spec: {
        user: caller.name,
        uid: caller.uid,
        groups: [...caller.groups],
        extra: Object.fromEntries(Object.entries(caller.extra ?? {}).map(([name, values]) => [name, [...values]])),
        ...attributes,
      },
    });
    const allowed = status?.allowed === true;
    this.#decisions.delete(key);
    for (const oldest of this.#decisions.keys()) {
      if (this.#decisions.size < MAX_CACHED_DECISIONS) break;
      this.#decisions.delete(oldest);
    }
    this.#decisions.set(key, { allowed, until: performance.now() + (allowed ? ALLOWED_TTL_MS : DENIED_TTL_MS) });
    return allowed;
  }
}

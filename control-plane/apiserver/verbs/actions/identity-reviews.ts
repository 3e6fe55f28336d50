/** The reviews of authentication.k8s.io/v1: the user of a token, and of the request. */
import { badRequest } from '../../../../api/machinery/status-error.ts';
import { timeOf } from '../../../../api/machinery/time.ts';
import { InvalidTokenError, type TokenAuthenticator } from '../../access/authentication/token-authenticator.ts';
import type { User } from '../../http/user.ts';
import type { Handlers } from '../handlers.ts';
import type {
  SelfSubjectReview,
  TokenReview,
  TokenReviewStatus,
  UserInfo,
} from '../../../../api/types/authentication/v1.gen.ts';

const CREATED = 201;
const INVALID = 'invalid bearer token';

function userInfo({ name, uid, groups, extra }: User): UserInfo {
  return {
    username: name,
    ...(uid && { uid }),
    groups: [...groups],
    ...(extra && { extra: Object.fromEntries(Object.entries(extra).map(([key, values]) => [key, [...values]])) }),
  };
}

async function reviewToken(
  tokens: TokenAuthenticator,
  token: string,
  audiences: readonly string[],
): Promise<TokenReviewStatus> {
  try {
    const answer = await tokens.authenticateToken(token, audiences);
    if (!answer) return { user: {}, error: INVALID };
    return { authenticated: true, user: userInfo(answer.user), audiences: [...answer.audiences] };
  } catch (error) {
    if (!(error instanceof InvalidTokenError)) throw error;
    return { user: {}, error: `[${INVALID}, ${error.message}]` };
  }
}

/** The actions of authentication.k8s.io. `audiences` are the api-server's own, for reviews that name none. */
export function identityReviewActions(tokens: TokenAuthenticator, audiences: readonly string[]) {
  return {
    'tokenreviews.authentication.k8s.io': async ({ object: body }) => {
      const review = body as TokenReview;
      if (!review.spec.token) throw badRequest('token is required for TokenReview in authentication');
      const asked = review.spec.audiences?.length ? review.spec.audiences : audiences;
      const status = await reviewToken(tokens, review.spec.token, asked);
      const object: TokenReview = { metadata: {}, ...review, status };
      return { code: CREATED, object };
    },
    'selfsubjectreviews.authentication.k8s.io': ({ request, object: body }) => {
      const review = body as SelfSubjectReview;
      const metadata = { creationTimestamp: timeOf(Date.now()) };
      const object: SelfSubjectReview = { ...review, metadata, status: { userInfo: userInfo(request.user) } };
      return { code: CREATED, object };
    },
  } satisfies Partial<Handlers['actions']>;
}

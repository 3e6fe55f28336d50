/** Checks a token by asking the server whose it is. */
import { ApiError, send } from './request.ts';
import { keepSession, userName } from './session.ts';

const ANONYMOUS = 'system:anonymous';

/** The user of the token. Rejects with an ApiError: 401 for a token that the server does not know. */
export async function userOf(bearer: string): Promise<string> {
  const review = await send<{ status?: { userInfo?: { username?: string } } }>(
    'POST',
    '/apis/authentication.k8s.io/v1/selfsubjectreviews',
    { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' },
    { as: bearer },
  );
  const name = review.status?.userInfo?.username ?? ANONYMOUS;
  // A server takes what is no token at all for a request without one.
  if (name === ANONYMOUS) throw new ApiError('Unauthorized', 401);
  return name;
}

export async function logIn(bearer: string): Promise<void> {
  // What is copied from a terminal may have a line break in it.
  const cleaned = bearer.replace(/\s+/g, '');
  if (!/^[\x21-\x7e]+$/.test(cleaned)) throw new ApiError('Unauthorized', 401);
  const name = await userOf(cleaned);
  keepSession(cleaned);
  userName.value = name;
}

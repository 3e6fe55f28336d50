/** ServiceAccounts and their tokens: https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/ */

/** The account of a namespace's pods that name no other. */
export const DEFAULT_ACCOUNT = 'default';

/** The ConfigMap of each namespace by which its pods trust the api-server. */
export const ROOT_CA_CONFIG_MAP = 'kube-root-ca.crt';

/** The type of Secrets that hold a token without an end. */
export const TOKEN_SECRET_TYPE = 'kubernetes.io/service-account-token';
/** Their annotation that names the account. */
export const ACCOUNT_NAME_ANNOTATION = 'kubernetes.io/service-account.name';

/** Label on a Secret: the day (UTC) on which its token was last used. */
export const TOKEN_LAST_USED = 'kubernetes.io/legacy-token-last-used';
/** Label on a Secret whose token is no longer accepted: the day since which it is not. */
export const TOKEN_INVALID_SINCE = 'kubernetes.io/legacy-token-invalid-since';
/** The ConfigMap of kube-system with the day, under `since`, from which on the use of tokens is noted. */
export const TOKEN_TRACKING_CONFIG_MAP = 'kube-apiserver-legacy-service-account-token-tracking';

/** How long a requested token lives, in seconds, when its request does not say. */
export const DEFAULT_TOKEN_SECONDS = 3600;
const MIN_TOKEN_SECONDS = 600;
const MAX_TOKEN_SECONDS = 2 ** 32;

/** Why a token cannot be requested for so long; undefined when it can. */
export function tokenSecondsProblem(seconds: number): string | undefined {
  if (seconds < MIN_TOKEN_SECONDS) return 'may not specify a duration less than 10 minutes';
  return seconds > MAX_TOKEN_SECONDS ? 'may not specify a duration larger than 2^32 seconds' : undefined;
}

/** What `/metrics` says of authentication and authorization, with upstream's names and buckets (`endpoints/filters/metrics.go`). */
import type { Exposition } from '../../../daemon/metrics/exposition.ts';
import { Counter, exponential, Histogram } from '../../../daemon/metrics/series.ts';
import type { User } from '../http/user.ts';

const BUCKETS_SECONDS = exponential(0.001, 2, 15);
const HOUR = 3600;
const DAY = 24 * HOUR;
const EXPIRATION_BUCKETS_SECONDS = [
  ...[0, HOUR / 2, HOUR, 2 * HOUR, 6 * HOUR, 12 * HOUR],
  ...[DAY, 2 * DAY, 4 * DAY, 7 * DAY, 30 * DAY, 90 * DAY, 180 * DAY, 360 * DAY],
];

type AuthenticationResult = 'success' | 'failure' | 'error';
type AuthorizationResult = 'allowed' | 'denied' | 'error';

/** Users of which there are few; as upstream, all others share one value of the label. */
const COUNTED_USERS: ReadonlySet<string> = new Set([
  ...['admin', 'client', 'kube_proxy', 'kubelet', 'system:serviceaccount:kube-system:default'],
]);

export class AccessMetrics {
  readonly #attempts = new Counter('authentication_attempts', 'Attempts to authenticate, by their result.', ['result']);
  readonly #authentications = new Histogram(
    'authentication_duration_seconds',
    'Duration of authentication in seconds, by the result.',
    BUCKETS_SECONDS,
    ['result'],
  );
  readonly #users = new Counter(
    'authenticated_user_requests',
    'Authenticated requests by user; most users are counted together, as other.',
    ['username'],
  );
  readonly #decisions = new Counter(
    'authorization_attempts_total',
    'Attempts to authorize, by their result: allowed, denied, error.',
    ['result'],
  );
  readonly #authorizations = new Histogram(
    'authorization_duration_seconds',
    'Duration of authorization in seconds, by the result.',
    BUCKETS_SECONDS,
    ['result'],
  );
  readonly #certificates = new Histogram(
    'apiserver_client_certificate_expiration_seconds',
    'How long client certificates are still valid when requests are authenticated by them, in seconds.',
    EXPIRATION_BUCKETS_SECONDS,
  );
  /** Of one series each, since every request is observed. */
  readonly #succeeded = this.#attempts.series('success');
  readonly #otherUser = this.#users.series('other');
  readonly #authenticatedIn = this.#authentications.series('success');
  readonly #allowed = this.#decisions.series('allowed');
  readonly #allowedIn = this.#authorizations.series('allowed');
  readonly certificateUsed = this.#certificates.series();

  /** @param startedAt `performance.now()` when it began */
  authenticated({ name }: User, startedAt: number): void {
    this.#succeeded();
    if (COUNTED_USERS.has(name)) this.#users.increase(name);
    else this.#otherUser();
    this.#authenticatedIn(secondsSince(startedAt));
  }

  notAuthenticated(result: Exclude<AuthenticationResult, 'success'>, startedAt: number): void {
    this.#attempts.increase(result);
    this.#authentications.observe(secondsSince(startedAt), result);
  }

  authorized(result: AuthorizationResult, startedAt: number): void {
    const seconds = secondsSince(startedAt);
    if (result === 'allowed') {
      this.#allowed();
      this.#allowedIn(seconds);
    } else {
      this.#decisions.increase(result);
      this.#authorizations.observe(seconds, result);
    }
  }

  readonly write = (to: Exposition): void => {
    const { counters, histograms } = {
      counters: [this.#attempts, this.#users, this.#decisions],
      histograms: [this.#authentications, this.#authorizations, this.#certificates],
    };
    for (const metric of [...counters, ...histograms]) metric.write(to);
  };
}

const secondsSince = (startedAt: number): number => (performance.now() - startedAt) / 1000;

/** Authentication at a daemon's own HTTPS ports: by client certificate, or by bearer token with a TokenReview. */
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { msUntil } from '../../client/clock.ts';
import type { TokenReview } from '../../api/types/authentication/v1.gen.ts';

/** Posts a review to the api-server and returns it with its status. */
export interface TokenReviews {
  reviewToken(review: TokenReview): Promise<TokenReview>;
}

export interface Caller {
  readonly name: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

/** How long a valid token is cached (kubelet's authentication.webhook.cacheTTL). */
const TOKEN_TTL_MS = 120_000;
const MAX_CACHED_TOKENS = 1000;

export class CallerAuthentication {
  readonly #reviews: TokenReviews;
  readonly #certified = new WeakMap<TLSSocket, { caller: Caller | undefined; until: number }>();
  /** Keyed by the token's hash, so that no token stays in memory. `until`: by the monotonic clock. */
  readonly #tokens = new Map<string, { caller: Caller; until: number }>();

  constructor(reviews: TokenReviews) {
    this.#reviews = reviews;
  }

  /** Undefined when the request has no valid credentials. */
  async authenticate(request: IncomingMessage): Promise<Caller | undefined> {
    const socket = request.socket as TLSSocket;
    if (socket.authorized) return this.#byCertificate(socket);
    const token = /^bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
    return token === undefined ? undefined : this.#byToken(token);
  }

  #byCertificate(socket: TLSSocket): Caller | undefined {
    let known = this.#certified.get(socket);
    if (known === undefined) {
      const { subject, valid_to } = socket.getPeerCertificate();
      // Node.js returns a list where the subject names an attribute more than once, whatever its types say.
      const attributes = subject as unknown as Record<string, string | string[] | undefined>;
      const [name] = [attributes['CN'] ?? []].flat();
      const groups = [...[attributes['O'] ?? []].flat(), 'system:authenticated'];
      known = { caller: name === undefined ? undefined : { name, groups }, until: Date.parse(valid_to) };
      this.#certified.set(socket, known);
    }
    // A certificate may expire while its connection is open.
    return msUntil(known.until) > 0 ? known.caller : undefined;
  }

  async #byToken(token: string): Promise<Caller | undefined> {
    const key = createHash('sha256').update(token).digest('base64');
    const known = this.#tokens.get(key);
    if (known !== undefined && known.until > performance.now()) return known.caller;
    const { status } = await this.#reviews.reviewToken({
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      spec: { token },
    });
    this.#tokens.delete(key);
    const name = status?.user?.username;
    if (!status?.authenticated || !name) return undefined;
    const caller: Caller = {
      name,
      uid: status.user?.uid,
      groups: status.user?.groups ?? [],
      extra: status.user?.extra,
    };
    for (const oldest of this.#tokens.keys()) {
      if (this.#tokens.size < MAX_CACHED_TOKENS) break;
      this.#tokens.delete(oldest);
    }
    this.#tokens.set(key, { caller, until: performance.now() + TOKEN_TTL_MS });
    return caller;
  }
}

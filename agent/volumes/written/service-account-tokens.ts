/** Tokens of service accounts for pods: requested once, used until 80 % of their lifetime is over, bound to the pod. */
import { msSince, msUntil } from '../../../client/clock.ts';
import type { ApiClient } from '../../../client/api-client.ts';
import { serviceAccounts } from '../../../client/resources.gen.ts';
import type { TokenRequest } from '../../../api/types/authentication/v1.gen.ts';

/** The parameters of a TokenRequest. */
export interface TokenParameters {
  readonly namespace: string;
  readonly podName: string;
  readonly podUid: string;
  readonly serviceAccount: string;
  /** Empty: the api-server's own. */
  readonly audience: string;
  readonly expirationSeconds: number;
}

export interface Token {
  readonly text: string;
  /** In ms since the epoch, by the api-server's clock. */
  readonly expiresAtMs: number;
  /** When a new one is requested, in ms of the monotonic clock: this host's may be off by more than a token lives, or be set. */
  readonly dueAtMs: number;
}

/** As the kubelet: at 80 % of the lifetime, at the latest after a day. */
const LIFE_BEFORE_REFRESH = 0.8;
const MAX_AGE_MS = 24 * 3600 * 1000;
/** How long a token that could not be refreshed is used before the next try. */
const RETRY_MS = 30_000;

const keyOf = (wanted: TokenParameters): string =>
  [wanted.podUid, wanted.serviceAccount, wanted.audience, wanted.expirationSeconds].join('/');

const ageAtRefreshMs = (lifeMs: number): number => Math.min(lifeMs * LIFE_BEFORE_REFRESH, MAX_AGE_MS);

interface Lifetime {
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
}

/** The lifetime in a token's claims; undefined when it is not a JWT. Its signature is not verified. */
function lifetimeOf(text: string): Lifetime | undefined {
  try {
    const claims: unknown = JSON.parse(Buffer.from(text.split('.')[1] ?? '', 'base64url').toString());
    if (typeof claims !== 'object' || claims === null || !('exp' in claims) || !('iat' in claims)) return undefined;
    const [expiresAtMs, issuedAtMs] = [Number(claims.exp) * 1000, Number(claims.iat) * 1000];
    if (!Number.isFinite(expiresAtMs) || !Number.isFinite(issuedAtMs)) return undefined;
    return { issuedAtMs, expiresAtMs };
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** A token that an agent before this one has requested. How old it is only the clocks say: one from the future is due at once. */
function existingToken(text: string): Token | undefined {
  const lifetime = lifetimeOf(text);
  if (!lifetime) return undefined;
  const { issuedAtMs, expiresAtMs } = lifetime;
  const ageMs = msSince(issuedAtMs);
  const leftMs = ageMs < 0 ? 0 : ageAtRefreshMs(expiresAtMs - issuedAtMs) - ageMs;
  return { text, expiresAtMs, dueAtMs: performance.now() + leftMs };
}

export class ServiceAccountTokens {
  readonly #client: Pick<ApiClient, 'createSubresource'>;
  readonly #tokens = new Map<string, Token>();

  constructor(client: Pick<ApiClient, 'createSubresource'>) {
    this.#client = client;
  }

  /**
   * The current token. `existing` reads the one in the pod's volume, which a restarted agent
   * keeps using. Throws the api-server's error when there is no valid one.
   */
  async tokenFor(
    wanted: TokenParameters,
    existing: () => Promise<string | undefined>,
    signal: AbortSignal,
  ): Promise<string> {
    return (await this.current(wanted, existing, signal)).text;
  }

  /** The same, with its lifetime. */
  async current(
    wanted: TokenParameters,
    existing: () => Promise<string | undefined>,
    signal: AbortSignal,
  ): Promise<Token> {
    const key = keyOf(wanted);
    const known = this.#tokens.get(key) ?? existingToken((await existing()) ?? '');
    const now = performance.now();
    if (known && now < known.dueAtMs) {
      this.#tokens.set(key, known);
      return known;
    }
    try {
      const fresh = await this.#request(wanted, signal);
      this.#tokens.set(key, fresh);
      return fresh;
    } catch (error) {
      if (signal.aborted || !known || msUntil(known.expiresAtMs) <= 0) throw error;
      this.#tokens.set(key, { ...known, dueAtMs: now + RETRY_MS });
      return known;
    }
  }

  async #request(wanted: TokenParameters, signal: AbortSignal): Promise<Token> {
    const { namespace, podName, podUid, serviceAccount, audience, expirationSeconds } = wanted;
    const request: TokenRequest = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: {
        ...(audience && { audiences: [audience] }),
        expirationSeconds,
        boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: podName, uid: podUid },
      },
    };
    const requestedAt = performance.now();
    const { status } = await this.#client.createSubresource<TokenRequest>(
      serviceAccounts,
      namespace,
      serviceAccount,
      'token',
      request,
      { signal },
    );
    if (!status?.token) throw new Error(`api-server returned no token for service account ${serviceAccount}`);
    const { token: text, expirationTimestamp } = status;
    // Its claims may let it live longer than was asked for: clients that never read it again are borne with.
    const issuedAtMs = lifetimeOf(text)?.issuedAtMs ?? Date.now();
    const expiresAtMs = Date.parse(expirationTimestamp ?? '') || issuedAtMs + expirationSeconds * 1000;
    return { text, expiresAtMs, dueAtMs: requestedAt + ageAtRefreshMs(expiresAtMs - issuedAtMs) };
  }

  /** When the pod's next token is due, in ms of the monotonic clock; undefined when it has none. */
  nextDueAt(podUid: string): number | undefined {
    let next: number | undefined;
    for (const [key, { dueAtMs }] of this.#tokens)
      if (key.startsWith(`${podUid}/`) && (next === undefined || dueAtMs < next)) next = dueAtMs;
    return next;
  }

  forget(podUid: string): void {
    for (const key of this.#tokens.keys()) if (key.startsWith(`${podUid}/`)) this.#tokens.delete(key);
  }
}

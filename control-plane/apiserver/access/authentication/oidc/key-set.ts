/** The keys of an issuer: found by discovery, fetched again when a token is signed by one that is not known. */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { isJsonObject } from '../../../../../api/machinery/own.ts';
import type { Logger } from '../../../../../client/logger.ts';
import { Outage } from '../../../../../client/outage.ts';
import { InvalidTokenError } from '../token-authenticator.ts';
import { isSigned } from './algorithms.ts';
import { fetchJson } from './fetch-json.ts';

/** Between attempts to find an issuer that does not answer: upstream's. */
const RETRY_MS = 10_000;
/** Tokens with keys that nobody has heard of are cheap to make: the issuer is not asked more often than this. */
const REFETCH_MS = 1_000;
const MAX_KEYS = 200;

export interface KeySetOptions {
  readonly issuer: string;
  /** Where the issuer describes itself. */
  readonly discoveryUrl: string;
  readonly ca: string | undefined;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

interface Key {
  readonly id: string | undefined;
  readonly key: KeyObject;
}

export interface Signed {
  readonly algorithm: string;
  readonly keyId: string | undefined;
  readonly signed: Buffer;
  readonly signature: Buffer;
}

export class KeySet {
  readonly #options: KeySetOptions;
  readonly #outage: Outage;
  /** Undefined until the issuer has been found. */
  #url: string | undefined;
  #keys: readonly Key[] = [];
  #fetchedAt = -Infinity;
  #fetching: Promise<void> | undefined;

  constructor(options: KeySetOptions) {
    this.#options = options;
    this.#outage = new Outage({ logger: options.logger });
    void this.#discover();
  }

  /** Why tokens cannot be verified; undefined when they can. */
  get problem(): string | undefined {
    return this.#url === undefined
      ? `issuer ${JSON.stringify(this.#options.issuer)} has not been found yet`
      : undefined;
  }

  /** Throws or rejects with InvalidTokenError unless one of the keys has signed it. */
  verify(token: Signed): void | Promise<void> {
    if (this.problem !== undefined) throw new InvalidTokenError(`oidc: ${this.problem}`);
    if (this.#isSigned(token)) return;
    return this.#verifyAfterFetch(token);
  }

  async #verifyAfterFetch(token: Signed): Promise<void> {
    await this.#refetch();
    if (!this.#isSigned(token)) throw new InvalidTokenError('oidc: verify token: failed to verify signature');
  }

  #isSigned({ algorithm, keyId, signed, signature }: Signed): boolean {
    return this.#keys.some(
      ({ id, key }) =>
        (keyId === undefined || id === undefined || id === keyId) && isSigned(signed, signature, algorithm, key),
    );
  }

  /** Shared by all that wait; does nothing when it has just been done. Keys stay as they are when the issuer does not answer. */
  #refetch(): Promise<void> {
    if (this.#fetching) return this.#fetching;
    if (performance.now() - this.#fetchedAt < REFETCH_MS) return Promise.resolve();
    const fetching = this.#fetchKeys()
      .then(() => this.#outage.ended({ issuer: this.#options.issuer }, 'keys of OIDC issuer are fetched again'))
      .catch((error: unknown) => this.#failed(error))
      .finally(() => {
        this.#fetchedAt = performance.now();
        this.#fetching = undefined;
      });
    this.#fetching = fetching;
    return fetching;
  }

  async #fetchKeys(): Promise<void> {
    const { ca, signal } = this.#options;
    if (this.#url !== undefined) this.#keys = keysOf(await fetchJson(this.#url, ca, signal));
  }

  /** Until the issuer is found, or the signal is aborted. Never rejects. */
  async #discover(): Promise<void> {
    const { issuer, discoveryUrl, ca, signal } = this.#options;
    while (!signal.aborted) {
      try {
        const { issuer: named, jwks_uri: url } = await fetchJson(discoveryUrl, ca, signal);
        if (named !== issuer) {
          throw new Error(
            `issuer did not match the issuer returned by provider, expected ${JSON.stringify(issuer)} got ${JSON.stringify(named)}`,
          );
        }
        if (typeof url !== 'string' || !url.startsWith('https://'))
          throw new Error('provider has no jwks_uri of https');
        this.#keys = keysOf(await fetchJson(url, ca, signal));
        this.#fetchedAt = performance.now();
        this.#url = url;
        this.#outage.ended({ issuer }, 'OIDC issuer has been found');
        return;
      } catch (error) {
        if (signal.aborted) return;
        this.#failed(error);
      }
      await delay(RETRY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  #failed(error: unknown): void {
    const { issuer, signal } = this.#options;
    if (!signal.aborted) this.#outage.failed(error, { issuer }, 'failed to fetch keys of OIDC issuer');
  }
}

/** The keys for signatures. What cannot be read, or has a secret, is left out: issuers have other keys, too. */
function keysOf({ keys }: Record<string, unknown>): Key[] {
  if (!Array.isArray(keys)) throw new Error('the document has no keys');
  return keys.slice(0, MAX_KEYS).flatMap((jwk: unknown) => {
    if (!isJsonObject(jwk) || jwk['use'] === 'enc' || (jwk['kty'] !== 'RSA' && jwk['kty'] !== 'EC')) return [];
    const { kid } = jwk;
    const key = publicKeyOf(jwk);
    return key ? [{ id: typeof kid === 'string' && kid !== '' ? kid : undefined, key }] : [];
  });
}

function publicKeyOf(jwk: Record<string, unknown>): KeyObject | undefined {
  try {
    return createPublicKey({ key: jwk, format: 'jwk' });
  } catch {
    return undefined;
  }
}

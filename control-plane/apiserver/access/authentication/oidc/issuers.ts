/** The issuers whose tokens are taken, which may change while the server runs. */
import { SettingValueError } from '../../../../../daemon/setting-rules.ts';
import type { Logger } from '../../../../../client/logger.ts';
import type { TokenAnswer, TokenAuthenticator } from '../token-authenticator.ts';
import { TokenAuthenticators } from '../token-authenticator.ts';
import { ClaimMapper } from './claim-mapper.ts';
import type { JwtAuthenticator } from './configuration.ts';
import { KeySet } from './key-set.ts';
import { OidcAuthenticator } from './oidc-authenticator.ts';

const DISCOVERY_PATH = '/.well-known/openid-configuration';

export interface IssuersOptions {
  readonly apiAudiences: readonly string[];
  readonly algorithms: readonly string[];
  /** The cluster's own tokens are not OIDC's to verify. */
  readonly ownIssuer: string;
  readonly logger: Logger;
  /** Aborted when the server stops. */
  readonly signal: AbortSignal;
}

interface OpenKeys {
  readonly keys: KeySet;
  readonly closing: AbortController;
}

export class OidcIssuers implements TokenAuthenticator {
  readonly #options: IssuersOptions;
  #authenticators = new TokenAuthenticators([]);
  /** By where they come from. What stays the same in a new configuration need not be fetched again. */
  #open: ReadonlyMap<string, OpenKeys> = new Map();

  constructor(options: IssuersOptions) {
    this.#options = options;
    options.signal.addEventListener('abort', () => this.replace([]), { once: true });
  }

  authenticateToken(token: string, audiences: readonly string[]): TokenAnswer | Promise<TokenAnswer> {
    return this.#authenticators.authenticateToken(token, audiences);
  }

  /** Throws SettingValueError for what cannot be used: everything stays as it was. */
  replace(jwt: readonly JwtAuthenticator[]): void {
    const mappers = jwt.map((one, index) => new ClaimMapper(one, `jwt[${index}]`));
    const index = jwt.findIndex(({ issuer }) => issuer.url === this.#options.ownIssuer);
    if (index >= 0)
      throw new SettingValueError(`jwt[${index}].issuer.url: must not be the issuer of service accounts' tokens`);
    const before = this.#open;
    const open = new Map<string, OpenKeys>();
    const { apiAudiences, algorithms } = this.#options;
    this.#authenticators = new TokenAuthenticators(
      jwt.map(({ issuer }, at) => {
        const { url = '', audiences = [] } = issuer;
        const place = JSON.stringify([url, issuer.discoveryURL, issuer.certificateAuthority]);
        const known = before.get(place) ?? this.#openKeys(issuer);
        open.set(place, known);
        return new OidcAuthenticator({
          ...{ issuer: url, audiences, algorithms, apiAudiences, keys: known.keys },
          mapper: mappers[at] as ClaimMapper,
        });
      }),
    );
    this.#open = open;
    for (const [place, { closing }] of before) if (!open.has(place)) closing.abort();
  }

  #openKeys({ url = '', discoveryURL, certificateAuthority: ca }: JwtAuthenticator['issuer']): OpenKeys {
    const closing = new AbortController();
    const keys = new KeySet({
      issuer: url,
      discoveryUrl: discoveryURL || url.replace(/\/$/, '') + DISCOVERY_PATH,
      ca: ca || undefined,
      logger: this.#options.logger,
      signal: closing.signal,
    });
    return { keys, closing };
  }
}

import { TOKEN_LAST_USED } from '../../../../api/domain/service-accounts.ts';
import { secrets } from '../../../../api/kinds/core/secret.ts';
import { isConflict, isNotFound } from '../../../../api/machinery/status-error.ts';
import { dayOf } from '../../../../api/machinery/time.ts';
import type { Secret } from '../../../../api/types/core/v1.gen.ts';
import type { LocalApi } from '../../catalogue/local-api.ts';

const DAY_MS = 24 * 3600 * 1000;

export interface LegacyTokenUsesOptions {
  readonly api: Pick<LocalApi, 'update'>;
  readonly onError: (error: unknown) => void;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

/**
 * Labels the Secrets of legacy tokens with the day of their last use, by which the controller that removes unused ones goes.
 * https://kubernetes.io/docs/concepts/security/service-accounts/#auto-generated-legacy-serviceaccount-token-clean-up
 */
export class LegacyTokenUses {
  readonly #options: LegacyTokenUsesOptions;
  #today = '';
  /** UIDs of the Secrets that need not be written today any more, whether that has succeeded or not. */
  readonly #noted = new Set<string>();

  constructor(options: LegacyTokenUsesOptions) {
    this.#options = options;
  }

  /** Never waits: it is on the path of every request with such a token. */
  note(secret: Secret): void {
    const { now = Date.now, onError } = this.#options;
    const ms = now();
    const today = dayOf(ms);
    if (today !== this.#today) {
      this.#today = today;
      this.#noted.clear();
    }
    const { uid = '', labels } = secret.metadata ?? {};
    if (this.#noted.has(uid)) return;
    this.#noted.add(uid);
    const last = labels?.[TOKEN_LAST_USED];
    // Another server's clock may be ahead.
    if (last === today || last === dayOf(ms + DAY_MS)) return;
    this.#write(secret, today).catch((error: unknown) => {
      // Changed concurrently: the next use notes it.
      if (isConflict(error)) this.#noted.delete(uid);
      else if (!isNotFound(error)) onError(error);
    });
  }

  async #write({ metadata, ...secret }: Secret, day: string): Promise<void> {
    await this.#options.api.update(secrets, {
      ...secret,
      metadata: { ...metadata, labels: { ...metadata?.labels, [TOKEN_LAST_USED]: day } },
    });
  }
}

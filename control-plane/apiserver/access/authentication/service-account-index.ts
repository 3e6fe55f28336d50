import { serviceAccounts } from '../../../../api/kinds/core/service-account.ts';
import { parseBool } from '../../../../api/machinery/parse-bool.ts';
import type { LocalApi } from '../../catalogue/local-api.ts';
import { lifetimeOf, type ObjectLifetime } from './object-lifetime.ts';

/** What authentication and admission need of a service account. */
export interface ServiceAccountEntry extends ObjectLifetime {
  readonly automount: boolean;
  readonly imagePullSecrets: readonly string[];
  /** The secrets that its pods may mount, when the account enforces that; undefined: any. */
  readonly mountableSecrets: readonly string[] | undefined;
}

const ENFORCE_MOUNTABLE_SECRETS = 'kubernetes.io/enforce-mountable-secrets';

const names = (references: readonly { readonly name?: string }[] | undefined): string[] =>
  (references ?? []).flatMap(({ name }) => (name ? [name] : []));

const keyOf = (namespace: string, name: string): string => `${namespace}/${name}`;

/** An index of the service accounts. */
export class ServiceAccountIndex {
  readonly #accounts = new Map<string, ServiceAccountEntry>();
  readonly #waiting = new Map<string, Set<() => void>>();

  constructor(api: Pick<LocalApi, 'subscribe'>) {
    api.subscribe(serviceAccounts, ({ namespace, name, object }) => {
      const key = keyOf(namespace, name);
      if (!object) {
        this.#accounts.delete(key);
        return;
      }
      const enforced = parseBool(object.metadata?.annotations?.[ENFORCE_MOUNTABLE_SECRETS]);
      this.#accounts.set(key, {
        ...lifetimeOf(object.metadata),
        automount: object.automountServiceAccountToken ?? true,
        imagePullSecrets: names(object.imagePullSecrets),
        mountableSecrets: enforced ? names(object.secrets) : undefined,
      });
      for (const wake of this.#waiting.get(key) ?? []) wake();
    });
  }

  get(namespace: string, name: string): ServiceAccountEntry | undefined {
    return this.#accounts.get(keyOf(namespace, name));
  }

  /** Returns the account as soon as it exists; undefined when it does not within `timeoutMs`. */
  async appearing(namespace: string, name: string, timeoutMs: number): Promise<ServiceAccountEntry | undefined> {
    const key = keyOf(namespace, name);
    const there = this.#accounts.get(key);
    if (there) return there;
    const waiting = this.#waiting.get(key) ?? new Set();
    this.#waiting.set(key, waiting);
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        waiting.delete(done);
        if (waiting.size === 0) this.#waiting.delete(key);
        resolve();
      };
      const timer = setTimeout(done, timeoutMs);
      waiting.add(done);
    });
    return this.#accounts.get(key);
  }
}

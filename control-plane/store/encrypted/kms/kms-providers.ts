/** The providers `kms` of a configuration, which outlive another configuration that has them, too. */
import { parseDuration } from '../../../../api/machinery/duration.ts';
import type { Logger } from '../../../../client/logger.ts';
import { DEFAULT_KMS_TIMEOUT, type ResourceConfiguration } from '../configuration.ts';
import { KmsProvider, type KmsTimes } from './kms-provider.ts';
import { KmsMetrics } from './metrics.ts';

export interface KmsProvidersOptions {
  readonly logger: Logger;
  readonly timesMs: KmsTimes | undefined;
}

export class KmsProviders implements Disposable {
  readonly metrics = new KmsMetrics();
  readonly #options: KmsProvidersOptions;
  /** By what they were opened with. */
  #open: ReadonlyMap<string, KmsProvider> = new Map();

  constructor(options: KmsProvidersOptions) {
    this.#options = options;
  }

  /** Resolves with the providers by name, all of them ready. Rejects with SettingValueError; then those before stay open. */
  async replace(resources: readonly ResourceConfiguration[]): Promise<ReadonlyMap<string, KmsProvider>> {
    const wanted = resources.flatMap(({ providers = [] }) => providers.flatMap(({ kms }) => (kms ? [kms] : [])));
    const open = new Map<string, KmsProvider>();
    const opened: KmsProvider[] = [];
    try {
      for (const { name = '', endpoint = '', timeout = DEFAULT_KMS_TIMEOUT } of wanted) {
        const place = JSON.stringify([name, endpoint, timeout]);
        let provider = this.#open.get(place);
        if (!provider) {
          const { logger, timesMs } = this.#options;
          const timeoutMs = parseDuration(timeout) ?? 0;
          const options = { name, endpoint, timeoutMs, metrics: this.metrics, logger };
          provider = await KmsProvider.open({ ...options, ...(timesMs && { timesMs }) });
          opened.push(provider);
        }
        open.set(place, provider);
      }
    } catch (error) {
      for (const provider of opened) provider[Symbol.dispose]();
      throw error;
    }
    for (const [place, provider] of this.#open) if (!open.has(place)) provider[Symbol.dispose]();
    this.#open = open;
    return new Map([...open.values()].map((provider) => [provider.name, provider]));
  }

  /** What is wrong with them; undefined when nothing is. */
  get failure(): string | undefined {
    const problems = [...this.#open.values()].flatMap(({ name, failure }) =>
      failure === undefined ? [] : [`${name}: ${failure}`],
    );
    return problems.length > 0 ? problems.join('; ') : undefined;
  }

  /** Asks all of them for their status now. Does not reject. */
  async poll(): Promise<void> {
    await Promise.all([...this.#open.values()].map((provider) => provider.poll()));
  }

  [Symbol.dispose](): void {
    for (const provider of this.#open.values()) provider[Symbol.dispose]();
    this.#open = new Map();
  }
}

/** Upstream's metrics of envelope encryption, under its names. */
import type { Exposition } from '../../../../daemon/metrics/exposition.ts';
import { Counter, exponential, Histogram } from '../../../../daemon/metrics/series.ts';
import type { MethodName } from './plugin.ts';

const PREFIX = 'apiserver_envelope_encryption';

export class KmsMetrics {
  readonly #latency = new Histogram(
    `${PREFIX}_kms_operations_latency_seconds`,
    'KMS operation duration with gRPC error code status total.',
    exponential(0.0001, 2, 20),
    ['provider_name', 'method_name', 'grpc_status_code'],
  );
  readonly #invalidKeyIds = new Counter(
    `${PREFIX}_invalid_key_id_from_status_total`,
    'Number of times an invalid keyID is returned by the Status RPC call split by error.',
    ['provider_name', 'error'],
  );
  readonly #cached = new Map<string, number>();

  called(provider: string, method: MethodName, code: string, seconds: number): void {
    this.#latency.observe(seconds, provider, `/v2.KeyManagementService/${method}`, code);
  }

  invalidKeyId(provider: string, error: 'empty' | 'too_long'): void {
    this.#invalidKeyIds.increase(provider, error);
  }

  cached(provider: string, size: number): void {
    this.#cached.set(provider, size);
  }

  readonly write = (to: Exposition): void => {
    this.#latency.write(to);
    this.#invalidKeyIds.write(to);
    const size = `${PREFIX}_dek_source_cache_size`;
    to.family(
      size,
      'gauge',
      'Number of records in data encryption key (DEK) source cache. On a restart, this value is an approximation of the number of decrypt RPC calls the server will make to the KMS plugin.',
    );
    for (const [provider, count] of this.#cached) to.sample(size, { provider_name: provider }, count);
  };
}

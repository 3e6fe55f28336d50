/** Where volumes and environment variables get configMaps and secrets from: the api-server, cached while pods use them. */
import type { ConfigMap, Secret } from '../../../api/types/core/v1.gen.ts';

export interface ObjectSource {
  /** Undefined when it does not exist. Throws StatusError on any other failure. */
  configMap(namespace: string, name: string, signal: AbortSignal): Promise<ConfigMap | undefined>;
  secret(namespace: string, name: string, signal: AbortSignal): Promise<Secret | undefined>;
}

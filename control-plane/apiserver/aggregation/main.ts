/** Aggregation, put together: https://kubernetes.io/docs/concepts/extend-kubernetes/api-extension/apiserver-aggregation/ */
import type { Logger } from '../../../client/logger.ts';
import type { KeyPair } from '../../pki/pem-files.ts';
import type { LocalApi } from '../catalogue/local-api.ts';
import type { ServedKinds } from '../catalogue/served-kinds.ts';
import { AggregationProxy } from './aggregation-proxy.ts';
import { Availability } from './availability.ts';
import { AvailabilityMetrics } from './metrics.ts';
import { RemoteApis, type RemoteApi, type ResolveService } from './remote-apis.ts';
import { RemoteDocuments } from './remote-documents.ts';
import { yieldToRemote } from './yielding.ts';

export interface AggregationOptions {
  readonly api: LocalApi;
  readonly kinds: ServedKinds;
  readonly resolve: ResolveService;
  /** The front proxy's certificate, read for every connection. */
  readonly identity: () => KeyPair;
  readonly logger: Logger;
  /** Ends the checks of availability. */
  readonly signal: AbortSignal;
}

/** Starts to check which other servers are available. */
export function createAggregation({ api, kinds, resolve, identity, logger, signal }: AggregationOptions) {
  const apis = new RemoteApis(api);
  yieldToRemote(kinds, apis);
  const proxy = new AggregationProxy(apis, resolve, identity);
  const openApi = new RemoteDocuments({ apis, resolve, identity, logger, signal });
  const metrics = new AvailabilityMetrics();
  const onPassed = (remote: RemoteApi): void => openApi.refresh(remote);
  new Availability({ api, apis, resolve, identity, onPassed, metrics, logger, signal }).start();
  return { discovery: apis, openApi, serve: proxy.serve, takes: proxy.takes, metrics: metrics.write };
}

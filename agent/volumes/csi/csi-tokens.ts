import type { Pod } from '../../../api/types/core/v1.gen.ts';
import type { TokenRequest } from '../../../api/types/storage/v1.gen.ts';
import { timeOf } from '../../../api/machinery/time.ts';
import type { ServiceAccountTokens } from '../written/service-account-tokens.ts';

/** The api-server's, of requests that name none. */
const DEFAULT_SECONDS = 3600;

/** Tokens of the pod's service account as drivers expect them: JSON, by audience. */
export async function serviceAccountTokens(
  tokens: ServiceAccountTokens,
  pod: Pod,
  requests: readonly TokenRequest[],
  signal: AbortSignal,
): Promise<string> {
  const found = requests.map(async ({ audience, expirationSeconds = DEFAULT_SECONDS }) => {
    const wanted = {
      namespace: pod.metadata?.namespace ?? '',
      podName: pod.metadata?.name ?? '',
      podUid: pod.metadata?.uid ?? '',
      serviceAccount: pod.spec?.serviceAccountName ?? 'default',
      ...{ audience, expirationSeconds },
    };
    const { text, expiresAtMs } = await tokens.current(wanted, () => Promise.resolve(undefined), signal);
    return [audience, { token: text, expirationTimestamp: timeOf(expiresAtMs) }] as const;
  });
  return JSON.stringify(Object.fromEntries(await Promise.all(found)));
}

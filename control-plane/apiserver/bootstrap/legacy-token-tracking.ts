import { own } from '../../../api/machinery/own.ts';
import { dayOf } from '../../../api/machinery/time.ts';
import { publishConfigMap, type PublishApi } from './published-config-map.ts';

const NAMESPACE = 'kube-system';
export const TRACKING_CONFIG_MAP = 'kube-apiserver-legacy-service-account-token-tracking';
const SINCE = 'since';

/** Publishes since which day the uses of legacy tokens are noted (`legacy-token-uses.ts`): who removes unused ones counts from there. */
export const publishTokenTracking = (api: PublishApi, nowMs: number): Promise<void> =>
  publishConfigMap(api, NAMESPACE, TRACKING_CONFIG_MAP, (present) => {
    const since = own(present, SINCE);
    return { [SINCE]: since !== undefined && isDay(since) ? since : dayOf(nowMs) };
  });

function isDay(text: string): boolean {
  const ms = Date.parse(text);
  return !Number.isNaN(ms) && dayOf(ms) === text;
}

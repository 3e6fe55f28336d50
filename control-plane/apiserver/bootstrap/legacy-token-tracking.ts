import { TOKEN_TRACKING_CONFIG_MAP } from '../../../api/domain/service-accounts.ts';
import { own } from '../../../api/machinery/own.ts';
import { dayOf, msOfDay } from '../../../api/machinery/time.ts';
import { publishConfigMap, type PublishApi } from './published-config-map.ts';

const NAMESPACE = 'kube-system';
const SINCE = 'since';

/** Publishes since which day the uses of legacy tokens are noted (`legacy-token-uses.ts`): who removes unused ones counts from there. */
export const publishTokenTracking = (api: PublishApi, nowMs: number): Promise<void> =>
  publishConfigMap(api, NAMESPACE, TOKEN_TRACKING_CONFIG_MAP, (present) => {
    const since = own(present, SINCE);
    return { [SINCE]: since !== undefined && msOfDay(since) !== undefined ? since : dayOf(nowMs) };
  });

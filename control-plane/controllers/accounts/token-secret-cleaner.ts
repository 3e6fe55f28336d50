/**
 * The cleaner of legacy tokens: what the control planes before v1.24 made for each account, and what nobody has used for a year, is
 * made invalid, and removed a year later. Tokens in Secrets that users have made stay. Upstream:
 * pkg/controller/serviceaccount/legacy_serviceaccount_token_cleaner.go.
 * https://kubernetes.io/docs/concepts/security/service-accounts/#auto-generated-legacy-serviceaccount-token-clean-up
 */
import {
  ACCOUNT_NAME_ANNOTATION,
  TOKEN_INVALID_SINCE,
  TOKEN_SECRET_TYPE,
  TOKEN_TRACKING_CONFIG_MAP,
} from '../../../api/domain/service-accounts.ts';
import { own } from '../../../api/machinery/own.ts';
import { msOfDay } from '../../../api/machinery/time.ts';
import { configMaps, pods, secrets, serviceAccounts } from '../../../client/resources.gen.ts';
import type { Controller, ControllerContext, ControllerDescriptor } from '../framework/controller.ts';
import { unlessGone, unlessNotFound } from '../framework/outcomes.ts';
import { UNUSED_MS, cleanUpOf, isListedBy, isUsedBy } from './token-secret-cleaner-plan.ts';
import type { Secret } from '../../../api/types/core/v1.gen.ts';

/** @param clock milliseconds since the epoch */
export const tokenSecretCleaner = (clock: () => number = Date.now): ControllerDescriptor => ({
  name: 'legacy-serviceaccount-token-cleaner-controller',
  workers: 1,
  create: (context) => create(context, clock),
});

const PERIOD_MS = 24 * 3600 * 1000;
/** There is one thing to do: look at all of them. */
const KEY = 'tokens';

function create({ client, logger, queue }: ControllerContext, clock: () => number): Controller {
  async function reconcile(_: string, signal: AbortSignal): Promise<number> {
    const tracking = await unlessNotFound(client.get(configMaps, 'kube-system', TOKEN_TRACKING_CONFIG_MAP, { signal }));
    const since = msOfDay(own(tracking?.data, 'since') ?? '');
    const now = clock();
    // Before that nobody knows what has not been used for so long.
    if (since === undefined || since + UNUSED_MS > now) return PERIOD_MS;
    const all = await client.listAll(secrets, { fieldSelector: `type=${TOKEN_SECRET_TYPE}`, signal });
    for (const secret of all) await cleanUp(secret, now, signal);
    return PERIOD_MS;
  }

  async function cleanUp(secret: Secret, nowMs: number, signal: AbortSignal): Promise<void> {
    const what = cleanUpOf(secret, nowMs);
    if (what === 'keep') return;
    const { namespace = '', name = '', uid, resourceVersion, annotations } = secret.metadata ?? {};
    const accountName = own(annotations, ACCOUNT_NAME_ANNOTATION) ?? '';
    if (!accountName) return;
    const account = await unlessNotFound(client.get(serviceAccounts, namespace, accountName, { signal }));
    if (!isListedBy(account, name)) return;
    const around = await client.listAll(pods, { namespace, signal });
    if (around.some((pod) => isUsedBy(pod, name))) return;
    const about = { secret: `${namespace}/${name}`, serviceAccount: accountName };
    if (what === 'delete') {
      await unlessGone(client.delete(secrets, namespace, name, { uid, resourceVersion, signal }));
      logger.info(about, 'deleted a legacy token that nobody has used');
      return;
    }
    const labels = { [TOKEN_INVALID_SINCE]: what.invalidSince };
    const patch = { metadata: { uid, resourceVersion, labels } };
    await unlessGone(client.patch(secrets, namespace, name, patch, { signal }));
    logger.info(about, 'made a legacy token invalid that nobody has used');
  }

  return {
    watches: () => [],
    reconcile,
    background: async () => queue.add(KEY),
  };
}

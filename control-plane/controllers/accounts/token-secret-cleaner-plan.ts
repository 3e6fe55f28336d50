/** What becomes of a Secret with a token that nobody uses any more: pure. */
import { TOKEN_INVALID_SINCE, TOKEN_LAST_USED, TOKEN_SECRET_TYPE } from '../../../api/domain/service-accounts.ts';
import { own } from '../../../api/machinery/own.ts';
import { dayOf, msOfDay } from '../../../api/machinery/time.ts';
import type { Pod, Secret, ServiceAccount } from '../../../api/types/core/v1.gen.ts';

const DAY_MS = 24 * 3600 * 1000;
/** Upstream's --legacy-service-account-token-clean-up-period: so long unused, and then so long invalid. */
export const UNUSED_MS = 365 * DAY_MS;

export type CleanUp = 'keep' | 'delete' | { readonly invalidSince: string };

/**
 * By its own labels and times. Whether it was made by the control plane, and whether a pod has it, is asked only of those that this
 * does not keep.
 */
export function cleanUpOf({ type, metadata = {} }: Secret, nowMs: number): CleanUp {
  const { labels, creationTimestamp, deletionTimestamp } = metadata;
  if (type !== TOKEN_SECRET_TYPE || deletionTimestamp) return 'keep';
  const isRecent = (ms: number): boolean => !(ms + UNUSED_MS < nowMs);
  const lastUsed = own(labels, TOKEN_LAST_USED);
  const usedAt = lastUsed === undefined ? undefined : msOfDay(lastUsed);
  // A day that cannot be read says nothing of when it was: the token is kept.
  if (lastUsed !== undefined && (usedAt === undefined || isRecent(usedAt + DAY_MS))) return 'keep';
  if (!creationTimestamp || isRecent(Date.parse(creationTimestamp))) return 'keep';
  const invalidAt = msOfDay(own(labels, TOKEN_INVALID_SINCE) ?? '');
  if (invalidAt === undefined) return { invalidSince: dayOf(nowMs) };
  return isRecent(invalidAt + DAY_MS) ? 'keep' : 'delete';
}

/** Control planes before v1.24 listed the Secrets that they made in the account. */
export const isListedBy = (account: ServiceAccount | undefined, secretName: string): boolean =>
  account?.secrets?.some(({ name }) => name === secretName) ?? false;

/** Whether the pod has the Secret in a volume or in its environment, or pulls images by it. */
export function isUsedBy({ spec }: Pod, secretName: string): boolean {
  const volumes = spec?.volumes ?? [];
  const containers = [
    ...(spec?.containers ?? []),
    ...(spec?.initContainers ?? []),
    ...(spec?.ephemeralContainers ?? []),
  ];
  return (
    volumes.some(
      ({ secret, projected }) =>
        secret?.secretName === secretName || projected?.sources?.some((source) => source.secret?.name === secretName),
    ) ||
    containers.some(
      ({ env, envFrom }) =>
        env?.some(({ valueFrom }) => valueFrom?.secretKeyRef?.name === secretName) ||
        envFrom?.some(({ secretRef }) => secretRef?.name === secretName),
    ) ||
    (spec?.imagePullSecrets?.some(({ name }) => name === secretName) ?? false)
  );
}

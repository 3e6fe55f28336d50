import { validatingAdmissionPolicies } from '../../../../api/kinds/admissionregistration/validating-admission-policy.ts';
import { isConflict, isNotFound } from '../../../../api/machinery/status-error.ts';
import type { Logger } from '../../../../client/logger.ts';
import { WorkQueue } from '../../../../client/work-queue.ts';
import type { LocalApi } from '../../catalogue/local-api.ts';
import type { ServedKinds } from '../../catalogue/served-kinds.ts';
import { typeWarnings } from './type-checking.ts';

export interface TypeCheckOptions {
  readonly api: Pick<LocalApi, 'get' | 'subscribe' | 'updateStatus'>;
  readonly kinds: ServedKinds;
  readonly logger: Pick<Logger, 'warn'>;
  /** Aborted when the server stops. */
  readonly signal: AbortSignal;
}

/**
 * Notes in the status of each policy what type checking has found, once per generation. Upstream's
 * validatingadmissionpolicy-status-controller; it is here because the types of all kinds are.
 */
export function checkPolicyTypes({ api, kinds, logger, signal }: TypeCheckOptions): void {
  const queue = new WorkQueue({
    concurrency: 1,
    onError: (name, error, retryMs) => {
      if (isConflict(error) || isNotFound(error)) return;
      logger.warn({ err: error, policy: name, retryMs }, 'failed to check the types of a policy, retrying');
    },
  });
  const sync = async (name: string): Promise<void> => {
    const policy = api.get(validatingAdmissionPolicies, '', name);
    const { generation = 0 } = policy?.metadata ?? {};
    if (!policy || generation <= (policy.status?.observedGeneration ?? 0)) return;
    const expressionWarnings = await typeWarnings(policy, kinds);
    await api.updateStatus(validatingAdmissionPolicies, {
      ...policy,
      status: {
        ...policy.status,
        observedGeneration: generation,
        typeChecking: expressionWarnings.length > 0 ? { expressionWarnings } : {},
      },
    });
  };
  api.subscribe(validatingAdmissionPolicies, ({ name, object }) => {
    if (object) queue.add(name);
  });
  void queue.run(sync, signal);
}

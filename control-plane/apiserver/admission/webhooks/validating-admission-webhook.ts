import type { AdmissionPlugin, AdmissionRequest } from '../plugin.ts';
import { Dispatcher, validatingHooks, type WebhookOptions } from './dispatcher.ts';
import { isExempt } from './matching.ts';
import { ReviewedRequest } from './review.ts';

const FAILED_OPEN = 'failed-open.validating.webhook.admission.k8s.io/';

/**
 * Calls validating webhooks, all at once:
 * https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
 */
export function validatingAdmissionWebhook(options: WebhookOptions): AdmissionPlugin {
  const hooks = validatingHooks(options.api);
  const dispatcher = new Dispatcher('validating', options);

  async function run(request: AdmissionRequest): Promise<void> {
    const reviewed = new ReviewedRequest(request);
    const invocations = [];
    for (const hook of hooks.all) {
      const invocation = await dispatcher.invocation(hook, reviewed);
      if (invocation) invocations.push(invocation);
    }
    // The first refusal is told, and no call is left behind.
    let refused: { readonly error: unknown } | undefined;
    const calls = invocations.map((invocation, index) =>
      dispatcher
        .call(invocation, reviewed, `${FAILED_OPEN}round_0_index_${index}`, () => undefined)
        .catch((error: unknown) => {
          refused ??= { error };
        }),
    );
    await Promise.all(calls);
    if (refused) throw refused.error;
  }

  return {
    name: 'ValidatingAdmissionWebhook',
    validate(request) {
      if (hooks.all.length === 0 || isExempt(request)) return;
      return run(request);
    },
  };
}

import { defineKind } from '../../machinery/define-kind.ts';
import { MutatingWebhookConfiguration } from '../../types/admissionregistration/v1.gen.ts';
import { applyWebhookDefaults, countGeneration, validateWebhooks, webhookColumns } from './webhook.ts';
import { reservedNameWarnings } from './reserved-names.ts';

export const mutatingWebhookConfigurations = defineKind<MutatingWebhookConfiguration>({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'MutatingWebhookConfiguration',
  plural: 'mutatingwebhookconfigurations',
  categories: ['api-extensions'],
  namespaced: false,
  freeFinalizers: true,
  schema: MutatingWebhookConfiguration,
  hasGeneration: true,
  unconditionalUpdate: false,
  columns: webhookColumns,
  applyDefaults({ webhooks = [] }) {
    for (const webhook of webhooks) {
      applyWebhookDefaults(webhook);
      webhook.reinvocationPolicy ??= 'Never';
    }
  },
  prepareForUpdate: countGeneration,
  validate: ({ webhooks = [] }, old) => validateWebhooks(webhooks, old && (old.webhooks ?? [])),
  warnings: reservedNameWarnings,
});

import { defineKind } from '../../machinery/define-kind.ts';
import { ValidatingWebhookConfiguration } from '../../types/admissionregistration/v1.gen.ts';
import { applyWebhookDefaults, countGeneration, validateWebhooks, webhookColumns } from './webhook.ts';
import { reservedNameWarnings } from './reserved-names.ts';

export const validatingWebhookConfigurations = defineKind<ValidatingWebhookConfiguration>({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'ValidatingWebhookConfiguration',
  plural: 'validatingwebhookconfigurations',
  categories: ['api-extensions'],
  namespaced: false,
  freeFinalizers: true,
  schema: ValidatingWebhookConfiguration,
  hasGeneration: true,
  unconditionalUpdate: false,
  columns: webhookColumns,
  applyDefaults({ webhooks = [] }) {
    for (const webhook of webhooks) applyWebhookDefaults(webhook);
  },
  prepareForUpdate: countGeneration,
  validate: ({ webhooks = [] }, old) => validateWebhooks(webhooks, old && (old.webhooks ?? [])),
  warnings: reservedNameWarnings,
});

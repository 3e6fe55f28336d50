/** What mutating and validating webhooks have in common: defaults, validation, the columns of their configurations. */
import { ageColumn, nameColumn } from '../../machinery/columns.ts';
import { deepEqual } from '../../machinery/deep-equal.ts';
import {
  addErrors,
  duplicate,
  type FieldError,
  forbidden,
  invalid,
  notSupported,
  required,
} from '../../machinery/field-error.ts';
import type { Column, KubeObject } from '../../machinery/kind.ts';
import { validateSubdomainName } from '../../machinery/names.ts';
import { validateLabelSelector } from '../../machinery/selectors.ts';
import type { MutatingWebhook, ValidatingWebhook } from '../../types/admissionregistration/v1.gen.ts';
import { validateMatchConditions, validateRule } from './rule-validation.ts';
import { REVIEW_VERSIONS, validateClientConfig, validateReviewVersions } from './webhook-client-validation.ts';

type Webhook = MutatingWebhook | ValidatingWebhook;

const FAILURE_POLICIES = ['Fail', 'Ignore'];
const MATCH_POLICIES = ['Equivalent', 'Exact'];
const SIDE_EFFECTS = ['None', 'NoneOnDryRun'];
const REINVOCATION_POLICIES = ['IfNeeded', 'Never'];
/** What upstream takes for the versions of AdmissionReview that a webhook understands. */
const DEFAULT_TIMEOUT_SECONDS = 10;
const MAX_TIMEOUT_SECONDS = 30;
const DEFAULT_PORT = 443;
/** They are compiled in one turn of the event loop. Upstream has no such limit. */
const MAX_CONDITION_CHARS = 128 * 1024;

export function applyWebhookDefaults(webhook: Webhook): void {
  webhook.failurePolicy ??= 'Fail';
  webhook.matchPolicy ??= 'Equivalent';
  webhook.namespaceSelector ??= {};
  webhook.objectSelector ??= {};
  webhook.timeoutSeconds ??= DEFAULT_TIMEOUT_SECONDS;
  for (const rule of webhook.rules ?? []) rule.scope ??= '*';
  if (webhook.clientConfig?.service) webhook.clientConfig.service.port ??= DEFAULT_PORT;
}

/** @param old undefined on create */
export function validateWebhooks(webhooks: readonly Webhook[], old: readonly Webhook[] | undefined): FieldError[] {
  const errors: FieldError[] = [];
  let areConditionsChecked = old !== undefined && haveSameConditions(webhooks, old);
  if (!areConditionsChecked && conditionChars(webhooks) > MAX_CONDITION_CHARS) {
    const what = 'the match conditions of all webhooks of a configuration';
    errors.push(forbidden('webhooks', `${what} may have at most ${MAX_CONDITION_CHARS} characters in total`));
    areConditionsChecked = true;
  }
  const names = new Set<string>();
  for (const [index, webhook] of webhooks.entries()) {
    const path = `webhooks[${index}]`;
    addErrors(errors, validateWebhook(webhook, path, areConditionsChecked));
    addErrors(
      errors,
      validateAdmissionVersions(webhook.admissionReviewVersions ?? [], `${path}.admissionReviewVersions`),
    );
    if (names.has(webhook.name)) errors.push(duplicate(`${path}.name`, webhook.name));
    if (webhook.name) names.add(webhook.name);
  }
  return errors;
}

const conditionChars = (webhooks: readonly Webhook[]): number =>
  webhooks
    .flatMap(({ matchConditions = [] }) => matchConditions)
    .reduce((sum, { expression = '' }) => sum + expression.length, 0);

const haveSameConditions = (webhooks: readonly Webhook[], old: readonly Webhook[]): boolean =>
  webhooks.length === old.length &&
  webhooks.every(({ matchConditions }, index) => deepEqual(matchConditions, old[index]?.matchConditions));

function validateWebhook(webhook: Webhook, path: string, areConditionsChecked: boolean): FieldError[] {
  const { failurePolicy, matchPolicy, sideEffects, timeoutSeconds, namespaceSelector, objectSelector } = webhook;
  const errors = validateName(webhook.name, `${path}.name`);
  for (const [index, rule] of (webhook.rules ?? []).entries())
    addErrors(errors, validateRule(rule, `${path}.rules[${index}]`));
  const oneOf = (field: string, value: string | undefined, supported: readonly string[]): void => {
    if (value !== undefined && !supported.includes(value))
      errors.push(notSupported(`${path}.${field}`, value, supported));
  };
  oneOf('failurePolicy', failurePolicy, FAILURE_POLICIES);
  oneOf('matchPolicy', matchPolicy, MATCH_POLICIES);
  if (typeof sideEffects !== 'string')
    errors.push(required(`${path}.sideEffects`, `must specify one of ${SIDE_EFFECTS.join(', ')}`));
  else oneOf('sideEffects', sideEffects, SIDE_EFFECTS);
  if (timeoutSeconds !== undefined && (timeoutSeconds > MAX_TIMEOUT_SECONDS || timeoutSeconds < 1))
    errors.push(
      invalid(`${path}.timeoutSeconds`, timeoutSeconds, 'the timeout value must be between 1 and 30 seconds'),
    );
  if (namespaceSelector) addErrors(errors, validateLabelSelector(namespaceSelector, `${path}.namespaceSelector`));
  if (objectSelector) addErrors(errors, validateLabelSelector(objectSelector, `${path}.objectSelector`));
  if ('reinvocationPolicy' in webhook) oneOf('reinvocationPolicy', webhook.reinvocationPolicy, REINVOCATION_POLICIES);
  addErrors(errors, validateClientConfig(webhook.clientConfig ?? {}, `${path}.clientConfig`));
  const { matchConditions = [] } = webhook;
  if (!areConditionsChecked)
    addErrors(errors, validateMatchConditions(matchConditions, `${path}.matchConditions`, false));
  return errors;
}

function validateName(name: string | undefined, path: string): FieldError[] {
  if (!name) return [required(path)];
  const problems = validateSubdomainName(name);
  if (problems.length > 0) return [invalid(path, name, problems.join(','))];
  if (name.split('.').length >= 3) return [];
  return [invalid(path, name, 'should be a domain with at least three segments separated by dots')];
}

function validateAdmissionVersions(versions: readonly string[], path: string): FieldError[] {
  if (versions.length === 0) return [required(path, `must specify one of ${REVIEW_VERSIONS.join(', ')}`)];
  return validateReviewVersions(versions, path);
}

interface Configuration extends KubeObject {
  webhooks?: readonly Webhook[];
}

/** A configuration has no spec: its generation counts the changes of its webhooks. */
export function countGeneration(object: Configuration, old: Configuration): void {
  if (object.metadata && !deepEqual(object.webhooks, old.webhooks))
    object.metadata.generation = (old.metadata?.generation ?? 0) + 1;
}

export const webhookColumns: readonly Column<Configuration>[] = [
  nameColumn(),
  { name: 'Webhooks', type: 'integer', format: '', priority: 0, cell: ({ webhooks }) => webhooks?.length ?? 0 },
  ageColumn(),
];

/**
 * Upstream's AuthorizationConfiguration: who is asked whether a user may do something, in which order.
 * https://kubernetes.io/docs/reference/config-api/apiserver-config.v1/#apiserver-config-k8s-io-v1-AuthorizationConfiguration
 */
import { isAbsolute } from 'node:path';
import { parseDuration } from '../../../../api/machinery/duration.ts';
import {
  duplicate,
  forbidden,
  invalid,
  notSupported,
  required as missing,
  tooMany,
  type FieldError,
} from '../../../../api/machinery/field-error.ts';
import { validateSubdomainName } from '../../../../api/machinery/names.ts';
import { boolean, list, optional, required, string, struct } from '../../../../api/machinery/schema.ts';
import { typedConfiguration } from '../../../../daemon/typed-configuration.ts';
import { compileProblem } from './webhook/match-conditions.ts';

export const AUTHORIZER_TYPES = ['ABAC', 'AlwaysAllow', 'AlwaysDeny', 'Node', 'RBAC', 'Webhook'] as const;
export type AuthorizerType = (typeof AUTHORIZER_TYPES)[number];

export interface WebhookConfiguration {
  readonly timeout?: string;
  readonly authorizedTTL?: string;
  readonly cacheAuthorizedRequests?: boolean;
  readonly unauthorizedTTL?: string;
  readonly cacheUnauthorizedRequests?: boolean;
  readonly subjectAccessReviewVersion?: string;
  readonly matchConditionSubjectAccessReviewVersion?: string;
  readonly failurePolicy?: string;
  readonly connectionInfo?: { readonly type?: string; readonly kubeConfigFile?: string };
  readonly matchConditions?: readonly { readonly expression?: string }[];
}

export interface AuthorizerConfiguration {
  readonly type?: string;
  readonly name?: string;
  readonly webhook?: WebhookConfiguration;
}

export interface AuthorizationConfiguration {
  readonly authorizers?: readonly AuthorizerConfiguration[];
}

export const DEFAULT_AUTHORIZED_TTL = '5m0s';
export const DEFAULT_UNAUTHORIZED_TTL = '30s';

const MAX_TIMEOUT_MS = 30_000;
const MAX_AUTHORIZERS = 64;
const MAX_CONDITIONS = 64;

const connectionShape = struct('WebhookConnectionInfo', () => ({
  type: optional(undefined, string),
  kubeConfigFile: optional(undefined, string),
}));
const conditionShape = struct('WebhookMatchCondition', () => ({ expression: optional(undefined, string) }));
const webhookShape = struct('WebhookConfiguration', () => ({
  timeout: optional(undefined, string),
  authorizedTTL: optional(undefined, string),
  // False is not what is left out.
  cacheAuthorizedRequests: optional(undefined, boolean, { pointer: true }),
  unauthorizedTTL: optional(undefined, string),
  cacheUnauthorizedRequests: optional(undefined, boolean, { pointer: true }),
  subjectAccessReviewVersion: optional(undefined, string),
  matchConditionSubjectAccessReviewVersion: optional(undefined, string),
  failurePolicy: optional(undefined, string),
  connectionInfo: optional(undefined, connectionShape),
  matchConditions: optional(undefined, list(conditionShape)),
}));
const authorizerShape = struct('AuthorizerConfiguration', () => ({
  type: optional(undefined, string),
  name: optional(undefined, string),
  webhook: optional(undefined, webhookShape),
}));
const configurationShape = struct('AuthorizationConfiguration', () => ({
  apiVersion: required(undefined, string),
  kind: required(undefined, string),
  authorizers: optional(undefined, list(authorizerShape)),
}));

/** Parses a configuration in YAML or JSON. Throws SettingValueError; the files that it names are not read. */
export const readAuthorizationConfiguration = typedConfiguration<AuthorizationConfiguration>({
  apiVersions: ['apiserver.config.k8s.io/v1', 'apiserver.config.k8s.io/v1beta1'],
  kind: 'AuthorizationConfiguration',
  shape: configurationShape,
  validate: ({ authorizers = [] }) => {
    if (authorizers.length === 0) return [missing('authorizers', 'at least one authorization mode must be defined')];
    if (authorizers.length > MAX_AUTHORIZERS) return [tooMany('authorizers', authorizers.length, MAX_AUTHORIZERS)];
    return authorizers.flatMap((one, index) =>
      authorizerErrors(authorizers.slice(0, index), one, `authorizers[${index}]`),
    );
  },
});

function authorizerErrors(
  before: readonly AuthorizerConfiguration[],
  { type = '', name = '', webhook }: AuthorizerConfiguration,
  path: string,
): FieldError[] {
  if (type === '') return [missing(`${path}.type`)];
  if (!AUTHORIZER_TYPES.some((known) => known === type)) return [notSupported(`${path}.type`, type, AUTHORIZER_TYPES)];
  if (type !== 'Webhook' && before.some((other) => other.type === type)) return [duplicate(`${path}.type`, type)];
  const errors: FieldError[] = [];
  const [badName] = validateSubdomainName(name);
  if (name === '') errors.push(missing(`${path}.name`));
  else if (before.some((other) => other.name === name)) errors.push(duplicate(`${path}.name`, name));
  else if (badName !== undefined) errors.push(invalid(`${path}.name`, name, `authorizer name is invalid: ${badName}`));
  if (type === 'Webhook')
    errors.push(
      ...(webhook
        ? webhookErrors(webhook, `${path}.webhook`)
        : [missing(`${path}.webhook`, 'required when type=Webhook')]),
    );
  else if (webhook) errors.push(invalid(`${path}.webhook`, 'non-null', 'may only be specified when type=Webhook'));
  return errors;
}

function webhookErrors(webhook: WebhookConfiguration, path: string): FieldError[] {
  const { subjectAccessReviewVersion: version = '', failurePolicy = '', matchConditions = [] } = webhook;
  const errors: FieldError[] = [
    ...(webhook.timeout
      ? durationErrors(webhook.timeout, `${path}.timeout`, MAX_TIMEOUT_MS)
      : [missing(`${path}.timeout`)]),
    ...durationErrors(webhook.authorizedTTL || DEFAULT_AUTHORIZED_TTL, `${path}.authorizedTTL`),
    ...durationErrors(webhook.unauthorizedTTL || DEFAULT_UNAUTHORIZED_TTL, `${path}.unauthorizedTTL`),
    ...oneOfErrors(version, ['v1', 'v1beta1'], `${path}.subjectAccessReviewVersion`),
    ...oneOfErrors(failurePolicy, ['NoOpinion', 'Deny'], `${path}.failurePolicy`),
    ...connectionErrors(webhook.connectionInfo ?? {}, `${path}.connectionInfo`),
  ];
  const conditionVersion = webhook.matchConditionSubjectAccessReviewVersion ?? '';
  if (conditionVersion !== '' || matchConditions.length > 0)
    errors.push(...oneOfErrors(conditionVersion, ['v1'], `${path}.matchConditionSubjectAccessReviewVersion`));
  if (matchConditions.length > MAX_CONDITIONS)
    return [...errors, tooMany(`${path}.matchConditions`, matchConditions.length, MAX_CONDITIONS)];
  const expressions = matchConditions.map(({ expression = '' }) => expression);
  for (const [index, expression] of expressions.entries()) {
    const field = `${path}.matchConditions[${index}].expression`;
    if (expression.trim() === '') errors.push(missing(field));
    else if (expressions.indexOf(expression) < index) errors.push(duplicate(field, expression));
    else {
      const problem = compileProblem(expression);
      if (problem !== undefined) errors.push(invalid(field, expression, problem));
    }
  }
  return errors;
}

function durationErrors(text: string, field: string, maxMs = Infinity): FieldError[] {
  const ms = parseDuration(text);
  if (ms === undefined) return [invalid(field, text, 'must be a duration such as 3s')];
  if (ms > 0 && ms <= maxMs) return [];
  return [invalid(field, text, maxMs === Infinity ? 'must be > 0s' : `must be > 0s and <= ${maxMs / 1000}s`)];
}

function oneOfErrors(value: string, known: readonly string[], field: string): FieldError[] {
  if (value === '') return [missing(field)];
  return known.includes(value) ? [] : [notSupported(field, value, known)];
}

function connectionErrors(
  { type = '', kubeConfigFile = '' }: { type?: string; kubeConfigFile?: string },
  path: string,
) {
  if (type === '') return [missing(`${path}.type`)];
  // Upstream's own api-server does not support it, either: it would ask itself.
  if (type === 'InClusterConfig') return [forbidden(`${path}.type`, 'InClusterConfig is not for an api-server')];
  if (type !== 'KubeConfigFile') return [notSupported(`${path}.type`, type, ['KubeConfigFile'])];
  if (kubeConfigFile === '') return [missing(`${path}.kubeConfigFile`)];
  return isAbsolute(kubeConfigFile)
    ? []
    : [invalid(`${path}.kubeConfigFile`, kubeConfigFile, 'must be an absolute path')];
}

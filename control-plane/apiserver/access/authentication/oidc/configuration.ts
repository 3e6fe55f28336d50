/**
 * Upstream's AuthenticationConfiguration: issuers of JWTs, and who may be anonymous.
 * https://kubernetes.io/docs/reference/config-api/apiserver-config.v1/#apiserver-config-k8s-io-v1-AuthenticationConfiguration
 */
import { X509Certificate } from 'node:crypto';
import {
  duplicate,
  forbidden,
  invalid,
  notSupported,
  required as missing,
  tooMany,
  type FieldError,
} from '../../../../../api/machinery/field-error.ts';
import { boolean, list, optional, required, string, struct } from '../../../../../api/machinery/schema.ts';
import { typedConfiguration } from '../../../../../daemon/typed-configuration.ts';

export interface Mapping {
  readonly claim?: string;
  readonly prefix?: string;
  readonly expression?: string;
}

export interface JwtAuthenticator {
  readonly issuer: {
    readonly url?: string;
    readonly discoveryURL?: string;
    readonly certificateAuthority?: string;
    readonly audiences?: readonly string[];
    readonly audienceMatchPolicy?: string;
    readonly egressSelectorType?: string;
  };
  readonly claimValidationRules?: readonly {
    readonly claim?: string;
    readonly requiredValue?: string;
    readonly expression?: string;
    readonly message?: string;
  }[];
  readonly claimMappings: {
    readonly username: Mapping;
    readonly groups?: Mapping;
    readonly uid?: Mapping;
    readonly extra?: readonly { readonly key?: string; readonly valueExpression?: string }[];
  };
  readonly userValidationRules?: readonly { readonly expression?: string; readonly message?: string }[];
}

export interface AuthenticationConfiguration {
  readonly jwt?: readonly JwtAuthenticator[];
  readonly anonymous?: { readonly enabled?: boolean; readonly conditions?: readonly { readonly path?: string }[] };
}

const MAX_ISSUERS = 64;

const mappingShape = struct('PrefixedClaimOrExpression', () => ({
  claim: optional(undefined, string),
  // An empty prefix is one that has been asked for.
  prefix: optional(undefined, string, { pointer: true }),
  expression: optional(undefined, string),
}));
const uidShape = struct('ClaimOrExpression', () => ({
  claim: optional(undefined, string),
  expression: optional(undefined, string),
}));
const issuerShape = struct('Issuer', () => ({
  url: optional(undefined, string),
  discoveryURL: optional(undefined, string),
  certificateAuthority: optional(undefined, string),
  audiences: optional(undefined, list(string)),
  audienceMatchPolicy: optional(undefined, string),
  egressSelectorType: optional(undefined, string),
}));
const claimRuleShape = struct('ClaimValidationRule', () => ({
  claim: optional(undefined, string),
  requiredValue: optional(undefined, string),
  expression: optional(undefined, string),
  message: optional(undefined, string),
}));
const extraShape = struct('ExtraMapping', () => ({
  key: optional(undefined, string),
  valueExpression: optional(undefined, string),
}));
const mappingsShape = struct('ClaimMappings', () => ({
  username: required(undefined, mappingShape),
  groups: optional(undefined, mappingShape),
  uid: optional(undefined, uidShape),
  extra: optional(undefined, list(extraShape)),
}));
const userRuleShape = struct('UserValidationRule', () => ({
  expression: optional(undefined, string),
  message: optional(undefined, string),
}));
const jwtShape = struct('JWTAuthenticator', () => ({
  issuer: required(undefined, issuerShape),
  claimValidationRules: optional(undefined, list(claimRuleShape)),
  claimMappings: required(undefined, mappingsShape),
  userValidationRules: optional(undefined, list(userRuleShape)),
}));
const conditionShape = struct('AnonymousAuthCondition', () => ({ path: optional(undefined, string) }));
const anonymousShape = struct('AnonymousAuthConfig', () => ({
  enabled: optional(undefined, boolean),
  conditions: optional(undefined, list(conditionShape)),
}));
const configurationShape = struct('AuthenticationConfiguration', () => ({
  apiVersion: required(undefined, string),
  kind: required(undefined, string),
  jwt: optional(undefined, list(jwtShape)),
  anonymous: optional(undefined, anonymousShape),
}));

/** Parses a configuration in YAML or JSON. Throws SettingValueError; expressions are compiled, and checked, by `claim-mapper.ts`. */
export const readAuthenticationConfiguration = typedConfiguration<AuthenticationConfiguration>({
  apiVersions: ['apiserver.config.k8s.io/v1', 'apiserver.config.k8s.io/v1beta1'],
  kind: 'AuthenticationConfiguration',
  shape: configurationShape,
  validate: ({ jwt = [], anonymous }) => [
    ...(jwt.length > MAX_ISSUERS ? [tooMany('jwt', jwt.length, MAX_ISSUERS)] : []),
    ...jwt.flatMap((one, index) => jwtErrors(one, `jwt[${index}]`)),
    ...repeated(jwt, 'url'),
    ...repeated(jwt, 'discoveryURL'),
    ...(anonymous && !anonymous.enabled && (anonymous.conditions ?? []).length > 0
      ? [
          invalid(
            'anonymous.conditions',
            anonymous.conditions,
            'enabled should be set to true when conditions are defined',
          ),
        ]
      : []),
  ],
});

function repeated(jwt: readonly JwtAuthenticator[], field: 'url' | 'discoveryURL'): FieldError[] {
  const urls = jwt.map(({ issuer }) => issuer[field]);
  return urls.flatMap((url, index) =>
    url && urls.indexOf(url) < index ? [duplicate(`jwt[${index}].issuer.${field}`, url)] : [],
  );
}

/** What is wrong with one, but for its expressions. */
export function jwtErrors(
  { issuer, claimValidationRules = [], claimMappings }: JwtAuthenticator,
  path: string,
): FieldError[] {
  const {
    url = '',
    discoveryURL,
    certificateAuthority,
    audiences = [],
    audienceMatchPolicy,
    egressSelectorType,
  } = issuer;
  const errors: FieldError[] = [...urlErrors(url, `${path}.issuer.url`)];
  if (discoveryURL) {
    errors.push(...urlErrors(discoveryURL, `${path}.issuer.discoveryURL`));
    if (withoutSlash(discoveryURL) === withoutSlash(url))
      errors.push(invalid(`${path}.issuer.discoveryURL`, discoveryURL, 'discoveryURL must be different from URL'));
  }
  if (certificateAuthority && !isPem(certificateAuthority))
    errors.push(
      invalid(
        `${path}.issuer.certificateAuthority`,
        '<omitted>',
        'data does not contain any valid RSA or ECDSA certificates',
      ),
    );
  if (egressSelectorType)
    errors.push(forbidden(`${path}.issuer.egressSelectorType`, 'egress selectors are not supported'));
  if (audiences.length === 0) errors.push(missing(`${path}.issuer.audiences`, 'at least one audience is required'));
  for (const [index, audience] of audiences.entries()) {
    const field = `${path}.issuer.audiences[${index}]`;
    if (audience === '') errors.push(missing(field, "audience can't be empty"));
    else if (audiences.indexOf(audience) < index) errors.push(duplicate(field, audience));
  }
  if (audienceMatchPolicy && audienceMatchPolicy !== 'MatchAny')
    errors.push(notSupported(`${path}.issuer.audienceMatchPolicy`, audienceMatchPolicy, ['MatchAny']));
  if (audiences.length > 1 && !audienceMatchPolicy)
    errors.push(
      invalid(`${path}.issuer.audienceMatchPolicy`, '', 'audienceMatchPolicy must be MatchAny for multiple audiences'),
    );
  const claims = claimValidationRules.map(({ claim }) => claim);
  for (const [index, rule] of claimValidationRules.entries()) {
    const field = `${path}.claimValidationRules[${index}]`;
    if (Boolean(rule.claim) === Boolean(rule.expression))
      errors.push(
        invalid(field, rule.claim ?? '', "claim and expression can't both be set, and one of them is required"),
      );
    if (rule.claim && rule.message)
      errors.push(invalid(`${field}.message`, rule.message, "message can't be set when claim is set"));
    if (rule.expression && rule.requiredValue)
      errors.push(
        invalid(`${field}.requiredValue`, rule.requiredValue, "requiredValue can't be set when expression is set"),
      );
    if (rule.claim && claims.indexOf(rule.claim) < index) errors.push(duplicate(`${field}.claim`, rule.claim));
  }
  return [...errors, ...mappingErrors(claimMappings, `${path}.claimMappings`)];
}

function mappingErrors(
  { username, groups = {}, uid = {}, extra = [] }: JwtAuthenticator['claimMappings'],
  path: string,
): FieldError[] {
  const errors: FieldError[] = [];
  if (!username.claim && !username.expression)
    errors.push(missing(`${path}.username`, 'claim or expression is required'));
  for (const [name, one] of [
    ['username', username],
    ['groups', groups],
    ['uid', uid],
  ] as const) {
    const field = `${path}.${name}`;
    const prefix = 'prefix' in one ? one.prefix : undefined;
    if (one.claim && one.expression) errors.push(invalid(field, '', "claim and expression can't both be set"));
    if (name !== 'uid' && one.claim && prefix === undefined)
      errors.push(
        missing(
          `${field}.prefix`,
          'prefix is required when claim is set. It can be set to an empty string to disable prefixing',
        ),
      );
    if (!one.claim && prefix !== undefined && prefix !== '')
      errors.push(invalid(`${field}.prefix`, prefix, "prefix can't be set when claim isn't set"));
  }
  const keys = extra.map(({ key }) => key);
  for (const [index, { key = '', valueExpression }] of extra.entries()) {
    const field = `${path}.extra[${index}]`;
    const [domain = '', ...rest] = key.split('/');
    if (key === '') errors.push(missing(`${field}.key`));
    else if (rest.length === 0 || rest.includes('') || !/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(domain))
      errors.push(invalid(`${field}.key`, key, 'must be a domain-prefixed path (such as "acme.io/foo")'));
    else if (key !== key.toLowerCase()) errors.push(invalid(`${field}.key`, key, 'key must be lowercase'));
    else if (/(^|\.)(k8s|kubernetes)\.io$/.test(domain))
      errors.push(
        invalid(`${field}.key`, key, 'k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use'),
      );
    if (keys.indexOf(key) < index) errors.push(duplicate(`${field}.key`, key));
    if (!valueExpression) errors.push(missing(`${field}.valueExpression`));
  }
  return errors;
}

function urlErrors(text: string, field: string): FieldError[] {
  if (text === '') return [missing(field, 'URL is required')];
  if (!URL.canParse(text)) return [invalid(field, text, 'must be a URL')];
  const url = new URL(text);
  if (url.protocol !== 'https:') return [invalid(field, text, 'URL scheme must be https')];
  if (url.username || url.password) return [invalid(field, text, 'URL must not contain a username or password')];
  if (url.search || url.hash) return [invalid(field, text, 'URL must not contain a query or fragment')];
  return [];
}

const withoutSlash = (url: string): string => url.replace(/\/+$/, '');

function isPem(text: string): boolean {
  try {
    return new X509Certificate(text).raw.length > 0;
  } catch {
    return false;
  }
}

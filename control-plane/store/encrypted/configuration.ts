/**
 * Upstream's EncryptionConfiguration: which resources are encrypted in the store, and with which keys.
 * https://kubernetes.io/docs/tasks/administer-cluster/encrypt-data/
 */
import {
  duplicate,
  forbidden,
  invalid,
  required as missing,
  type FieldError,
} from '../../../api/machinery/field-error.ts';
import { int32, list, optional, required, string, struct } from '../../../api/machinery/schema.ts';
import { parseDuration } from '../../../api/machinery/duration.ts';
import { typedConfiguration } from '../../../daemon/typed-configuration.ts';
import { PROVIDERS, type KeyedProvider } from './providers.ts';

interface Key {
  readonly name?: string;
  readonly secret?: string;
}

type Keys = { readonly keys?: readonly Key[] };

export type ProviderConfiguration = { readonly [P in KeyedProvider]?: Keys } & {
  readonly identity?: object;
  readonly kms?: KmsConfiguration;
};

export interface KmsConfiguration {
  readonly apiVersion?: string;
  readonly name?: string;
  readonly endpoint?: string;
  readonly timeout?: string;
}

export const DEFAULT_KMS_TIMEOUT = '3s';

export interface ResourceConfiguration {
  readonly resources?: readonly string[];
  readonly providers?: readonly ProviderConfiguration[];
}

const keyShape = struct('Key', () => ({ name: optional(undefined, string), secret: optional(undefined, string) }));
const keysShape = struct('Keys', () => ({ keys: optional(undefined, list(keyShape)) }));
const emptyShape = struct('IdentityConfiguration', () => ({}));
const kmsShape = struct('KMSConfiguration', () => ({
  apiVersion: optional(undefined, string),
  name: optional(undefined, string),
  endpoint: optional(undefined, string),
  // Of version 1.
  cachesize: optional(undefined, int32),
  timeout: optional(undefined, string),
}));
const providerShape = struct('ProviderConfiguration', () => ({
  aesgcm: optional(undefined, keysShape),
  aescbc: optional(undefined, keysShape),
  secretbox: optional(undefined, keysShape),
  identity: optional(undefined, emptyShape),
  kms: optional(undefined, kmsShape),
}));
const resourceShape = struct('ResourceConfiguration', () => ({
  resources: optional(undefined, list(string)),
  providers: optional(undefined, list(providerShape)),
}));
const configurationShape = struct('EncryptionConfiguration', () => ({
  apiVersion: required(undefined, string),
  kind: required(undefined, string),
  resources: optional(undefined, list(resourceShape)),
}));

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Parses a configuration in YAML or JSON. Throws SettingValueError, which names no secrets. */
export const readEncryptionConfiguration = typedConfiguration<{
  readonly resources?: readonly ResourceConfiguration[];
}>({
  apiVersions: ['apiserver.config.k8s.io/v1'],
  kind: 'EncryptionConfiguration',
  shape: configurationShape,
  validate: ({ resources = [] }) => [
    ...(resources.length === 0 ? [missing('resources', 'there must be at least one resource')] : []),
    ...resources.flatMap((one, index) => resourceErrors(one, `resources[${index}]`)),
    ...maskedErrors(resources),
    ...repeatedPlugins(resources),
  ],
});

function resourceErrors({ resources = [], providers = [] }: ResourceConfiguration, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (resources.length === 0) errors.push(missing(`${path}.resources`, 'resources cannot be empty'));
  if (providers.length === 0) errors.push(missing(`${path}.providers`, 'providers cannot be empty'));
  for (const [index, name] of resources.entries()) {
    const field = `${path}.resources[${index}]`;
    if (name === '') errors.push(missing(field));
    else if (name !== name.toLowerCase()) errors.push(invalid(field, name, 'resource names must be lower case'));
    else if (name === '*')
      errors.push(
        invalid(
          field,
          name,
          "use '*.' to encrypt all the resources from core API group or *.* to encrypt all resources",
        ),
      );
    else if (name.startsWith('*') && !/^\*\.(\*|[a-z0-9.-]*)$/.test(name))
      errors.push(invalid(field, name, 'is no resource, *.GROUP or *.*'));
    else if (resources.indexOf(name) < index) errors.push(duplicate(field, name));
  }
  for (const [index, provider] of providers.entries())
    errors.push(...providerErrors(provider, `${path}.providers[${index}]`));
  return errors;
}

function providerErrors(provider: ProviderConfiguration, path: string): FieldError[] {
  const given = [...PROVIDERS.keys(), 'identity', 'kms'].filter((name) => Object.hasOwn(provider, name));
  if (given.length !== 1)
    return [
      invalid(path, given.join(', '), 'a provider must be exactly one of aesgcm, aescbc, secretbox, kms, identity'),
    ];
  if (provider.kms) return kmsErrors(provider.kms, `${path}.kms`);
  return [...PROVIDERS].flatMap(([name, { keyBytes }]) => {
    const configured = provider[name];
    return configured ? keyErrors(configured.keys ?? [], keyBytes, `${path}.${name}.keys`) : [];
  });
}

function kmsErrors(
  { apiVersion = '', name = '', endpoint = '', timeout }: KmsConfiguration,
  path: string,
): FieldError[] {
  // Without one, upstream takes it for v1.
  if (apiVersion !== 'v2') return [forbidden(`${path}.apiVersion`, 'only plugins of version v2 are supported')];
  const errors: FieldError[] = [];
  if (name === '') errors.push(missing(`${path}.name`));
  // It is in front of what is stored, between colons.
  else if (name.includes(':'))
    errors.push(invalid(`${path}.name`, name, `invalid KMS provider name ${name}, must not contain ':'`));
  if (endpoint === '') errors.push(missing(`${path}.endpoint`));
  else if (!/^unix:\/\/\/[^?#@]+$/.test(endpoint))
    errors.push(invalid(`${path}.endpoint`, endpoint, 'must be a socket such as unix:///run/kms.sock'));
  if (timeout !== undefined && !((parseDuration(timeout) ?? 0) > 0))
    errors.push(invalid(`${path}.timeout`, timeout, 'timeout should be a positive value'));
  return errors;
}

/** As upstream: what is stored names its provider. */
function repeatedPlugins(resources: readonly ResourceConfiguration[]): FieldError[] {
  const seen = new Set<string>();
  return resources.flatMap(({ providers = [] }, at) =>
    providers.flatMap(({ kms }, index) => {
      const { name = '' } = kms ?? {};
      if (name === '' || !seen.has(name)) {
        seen.add(name);
        return [];
      }
      return [duplicate(`resources[${at}].providers[${index}].kms.name`, name)];
    }),
  );
}

function keyErrors(keys: readonly Key[], lengths: readonly number[], path: string): FieldError[] {
  if (keys.length === 0) return [missing(path, 'at least one key is required')];
  const names = keys.map(({ name }) => name);
  return keys.flatMap(({ name = '', secret = '' }, index) => {
    const field = `${path}[${index}]`;
    const errors: FieldError[] = [];
    if (name === '') errors.push(missing(`${field}.name`));
    // It is in front of what is stored, between colons.
    else if (name.includes(':')) errors.push(invalid(`${field}.name`, name, 'must not contain a colon'));
    if (names.indexOf(name) < index) errors.push(duplicate(`${field}.name`, name));
    if (secret === '') errors.push(missing(`${field}.secret`));
    else if (!BASE64.test(secret)) errors.push(invalid(`${field}.secret`, 'REDACTED', 'secret must be base64 encoded'));
    else if (!lengths.includes(Buffer.from(secret, 'base64').length))
      errors.push(
        invalid(`${field}.secret`, 'REDACTED', `secret is not of the expected length, ${lengths.join(' or ')} bytes`),
      );
    return errors;
  });
}

/** As upstream: an entry is an error that an earlier one takes everything from. */
function maskedErrors(resources: readonly ResourceConfiguration[]): FieldError[] {
  const seen = new Set<string>();
  return resources.flatMap(({ resources: names = [] }, at) => {
    const errors = names.flatMap((name, index) => {
      const dot = name.indexOf('.');
      const group = dot < 0 ? '' : name.slice(dot + 1);
      const masking = [name, `*.${group}`, '*.*'].find((other) => seen.has(other));
      return masking === undefined
        ? []
        : [invalid(`resources[${at}].resources[${index}]`, name, `resource is masked by earlier rule ${masking}`)];
    });
    for (const name of names) seen.add(name);
    return errors;
  });
}

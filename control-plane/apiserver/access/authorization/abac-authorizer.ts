/** Attribute-based access control by a file of policies, one a line: https://kubernetes.io/docs/reference/access-authn-authz/abac/ */
import { boolean, optional, required, string, struct } from '../../../../api/machinery/schema.ts';
import { DecodeError, decoderOf } from '../../../../api/machinery/schema-decoder.ts';
import { parseConfiguration } from '../../../../daemon/configuration-file.ts';
import { SettingValueError } from '../../../../daemon/setting-rules.ts';
import { AUTHENTICATED_GROUP, type User } from '../../http/user.ts';
import {
  ALLOWED,
  type Attributes,
  type Authorizer,
  type Decision,
  type ResolvedRules,
  type RuleResolver,
} from './authorizer.ts';
import type { PolicyRule } from '../../../../api/types/rbac/v1.gen.ts';

/** One line, as v1beta1 has it. What is empty matches nothing, but for user and group, of which one is enough. */
interface Policy {
  readonly user?: string;
  readonly group?: string;
  readonly readonly?: boolean;
  readonly apiGroup?: string;
  readonly resource?: string;
  readonly namespace?: string;
  readonly nonResourcePath?: string;
}

const ANY = '*';
const API_VERSION = 'abac.authorization.kubernetes.io/v1beta1';
const READ_VERBS: readonly string[] = ['get', 'list', 'watch'];
const NO_POLICY: Decision = { allowed: false, reason: 'No policy matched.' };

const legacyFields = () => ({
  user: optional(undefined, string),
  group: optional(undefined, string),
  readonly: optional(undefined, boolean),
  resource: optional(undefined, string),
  namespace: optional(undefined, string),
});
const legacyShape = struct('Policy', legacyFields);
const specShape = struct('PolicySpec', () => ({
  ...legacyFields(),
  apiGroup: optional(undefined, string),
  nonResourcePath: optional(undefined, string),
}));
const policyShape = struct('Policy', () => ({
  apiVersion: required(undefined, string),
  kind: required(undefined, string),
  spec: optional(undefined, specShape),
}));
const decodeLegacy = decoderOf<Policy>(legacyShape);
const decodePolicy = decoderOf<{ readonly spec?: Policy }>(policyShape);

/** Throws SettingValueError, whose message names the first line that is no policy. Fields that are not known are none. */
export function parsePolicyFile(text: string): Policy[] {
  return text.split('\n').flatMap((line, index) => {
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#')) return [];
    try {
      return [parsePolicy(trimmed)];
    } catch (error) {
      if (!(error instanceof SettingValueError || error instanceof DecodeError)) throw error;
      throw new SettingValueError(`line ${index + 1}: ${error.message}`, { cause: error });
    }
  });
}

function parsePolicy(line: string): Policy {
  const { value, problems } = parseConfiguration(line, 'Policy');
  const { apiVersion, kind } = value;
  const isLegacy = apiVersion === undefined && kind === undefined;
  if (!isLegacy && (apiVersion !== API_VERSION || kind !== 'Policy'))
    throw new SettingValueError(`it must have apiVersion ${API_VERSION} and kind Policy`);
  const { object, problems: unknown } = isLegacy ? decodeLegacy(value) : decodePolicy(value);
  const [problem] = [...problems, ...unknown];
  // A misspelt `readonly` would be the right to write.
  if (problem !== undefined) throw new SettingValueError(problem);
  const policy = isLegacy ? fromLegacy(object as Policy) : ((object as { spec?: Policy }).spec ?? {});
  // Everybody means everybody who is known.
  const isEverybody = policy.user === ANY || policy.group === ANY;
  return isEverybody ? { ...policy, user: '', group: AUTHENTICATED_GROUP } : policy;
}

/** Where lines have no version, what they leave out is everything. */
function fromLegacy(policy: Policy): Policy {
  const { user, group, namespace, resource } = policy;
  return {
    ...policy,
    ...(!user && !group && { group: AUTHENTICATED_GROUP }),
    namespace: namespace || ANY,
    resource: resource || ANY,
    apiGroup: ANY,
    ...(!namespace && !resource && { nonResourcePath: ANY }),
  };
}

export class AbacAuthorizer implements Authorizer, RuleResolver {
  readonly #policies: readonly Policy[];

  /** @param policies of `parsePolicyFile` */
  constructor(policies: readonly Policy[]) {
    this.#policies = policies;
  }

  authorize(user: User, attributes: Attributes): Decision {
    const isRead = READ_VERBS.includes(attributes.verb);
    const allows = (policy: Policy): boolean =>
      (isRead || !policy.readonly) &&
      isSubject(policy, user) &&
      (attributes.isResource ? matchesResource(policy, attributes) : matchesPath(policy, attributes.path));
    return this.#policies.some(allows) ? ALLOWED : NO_POLICY;
  }

  rulesFor(user: User, namespace: string): ResolvedRules {
    const rules = this.#policies.flatMap((policy): PolicyRule[] => {
      const { readonly, apiGroup = '', resource, nonResourcePath } = policy;
      if (!isSubject(policy, user) || !isOrAny(policy.namespace, namespace)) return [];
      const verbs = readonly ? [...READ_VERBS] : [ANY];
      return [
        ...(resource ? [{ verbs, apiGroups: [apiGroup], resources: [resource] }] : []),
        ...(nonResourcePath ? [{ verbs, nonResourceURLs: [nonResourcePath] }] : []),
      ];
    });
    return { rules, errors: [] };
  }
}

const isOrAny = (allowed: string | undefined, value: string): boolean => allowed === ANY || (allowed ?? '') === value;

function isSubject({ user = '', group = '' }: Policy, { name, groups }: User): boolean {
  if (user === '' && group === '') return false;
  return (user === '' || user === name) && (group === '' || groups.includes(group));
}

const matchesResource = ({ namespace, resource, apiGroup }: Policy, attributes: Attributes): boolean =>
  isOrAny(namespace, attributes.namespace) &&
  isOrAny(resource, attributes.resource) &&
  isOrAny(apiGroup, attributes.group);

function matchesPath({ nonResourcePath = '' }: Policy, path: string): boolean {
  if (nonResourcePath === ANY || nonResourcePath === path) return true;
  return nonResourcePath.endsWith(ANY) && path.startsWith(nonResourcePath.replace(/\*+$/, ''));
}

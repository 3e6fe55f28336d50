/** Nobody reads through a policy what they may not read: upstream checks it in the strategies of policies and bindings. */
import { mutatingAdmissionPolicies } from '../../../../api/kinds/admissionregistration/mutating-admission-policy.ts';
import { mutatingAdmissionPolicyBindings } from '../../../../api/kinds/admissionregistration/mutating-admission-policy-binding.ts';
import { validatingAdmissionPolicies } from '../../../../api/kinds/admissionregistration/validating-admission-policy.ts';
import { validatingAdmissionPolicyBindings } from '../../../../api/kinds/admissionregistration/validating-admission-policy-binding.ts';
import { deepEqual } from '../../../../api/machinery/deep-equal.ts';
import { forbidden } from '../../../../api/machinery/field-error.ts';
import type { Kind } from '../../../../api/machinery/kind.ts';
import { invalidObject } from '../../../../api/machinery/status-error.ts';
import type { ParamKind, ParamRef } from '../../../../api/types/admissionregistration/v1.gen.ts';
import type { Attributes, Authorizer } from '../../access/authorization/authorizer.ts';
import type { LocalApi } from '../../catalogue/local-api.ts';
import type { ServedKinds } from '../../catalogue/served-kinds.ts';
import { PRIVILEGED_GROUP, type User } from '../../http/user.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../plugin.ts';
import type { BindingObject, PolicyObject } from './policy-list.ts';

const ALL = '*';

export interface ParamAccessOptions {
  readonly api: Pick<LocalApi, 'get'>;
  readonly kinds: ServedKinds;
  readonly authorizer: Authorizer;
}

/** What has to be allowed, and why it cannot be told more exactly. */
interface Target {
  readonly resource: Pick<Attributes, 'group' | 'version' | 'resource'>;
  readonly unresolved: string | undefined;
}

export function paramAccess({ api, kinds, authorizer }: ParamAccessOptions): AdmissionPlugin {
  const targetOf = (paramKind: ParamKind): Target => {
    const { apiVersion = '', kind = '' } = paramKind;
    const slash = apiVersion.indexOf('/');
    const [group, version] = [apiVersion.slice(0, Math.max(slash, 0)), apiVersion.slice(slash + 1)];
    const found = kinds.findKind(group, version, kind);
    const unresolved = found
      ? undefined
      : `unable to resolve paramKind &ParamKind{APIVersion:${apiVersion},Kind:${kind},}`;
    return { resource: { group, version, resource: found?.plural ?? ALL }, unresolved };
  };

  const may = async (
    user: User,
    verb: string,
    { resource }: Target,
    namespace: string,
    name: string,
  ): Promise<boolean> => {
    const attributes = { ...resource, isResource: true, path: '', verb, subresource: '', namespace, name };
    return (await authorizer.authorize(user, attributes)).allowed;
  };

  /** Why the user may not make the policy; undefined when they may. */
  const policyProblem = async (user: User, paramKind: ParamKind): Promise<string | undefined> => {
    if (await may(user, 'get', targetOf(paramKind), ALL, ALL)) return undefined;
    const { apiVersion = '', kind = '' } = paramKind;
    return `user ${shownUser(user)} must have "get" permission on all objects of the referenced paramKind (kind=${kind}, apiVersion=${apiVersion})`;
  };

  const bindingProblem = async (
    user: User,
    policies: Kind<PolicyObject>,
    policyName: string,
    { name = '', namespace = '' }: ParamRef,
  ): Promise<string | undefined> => {
    const verb = name === '' ? 'list' : 'get';
    const policy = api.get(policies, '', policyName);
    const paramKind = policy?.spec?.paramKind;
    const any = { group: ALL, version: ALL, resource: ALL };
    const unresolved = policy ? undefined : `unable to get policy ${policyName}`;
    const target = paramKind ? targetOf(paramKind) : { resource: any, unresolved };
    if (await may(user, verb, target, namespace, name)) return undefined;
    const lacks = `user ${shownUser(user)} does not have "${verb}" permission`;
    if (target.unresolved === undefined) return `${lacks} on the object referenced by paramRef`;
    return `${target.unresolved} to determine minimum required permissions and ${lacks} for all groups, versions and resources`;
  };

  const refuse = async (
    { kind, name }: AdmissionRequest,
    path: string,
    asked: Promise<string | undefined>,
  ): Promise<void> => {
    const problem = await asked;
    if (problem !== undefined) throw invalidObject(kind, name, [forbidden(path, problem)]);
  };

  return {
    name: 'PolicyParamAccess',
    validate(request) {
      const { kind, operation, subresource, object, old, user } = request;
      if (kind.group !== validatingAdmissionPolicies.group || subresource !== '') return;
      if ((operation !== 'CREATE' && operation !== 'UPDATE') || user.groups.includes(PRIVILEGED_GROUP)) return;
      if (kind === validatingAdmissionPolicies || kind === mutatingAdmissionPolicies) {
        const { spec }: PolicyObject = object ?? {};
        const { spec: before }: PolicyObject = old ?? {};
        const paramKind = spec?.paramKind;
        if (!paramKind || deepEqual(paramKind, before?.paramKind)) return;
        return refuse(request, 'spec.paramKind', policyProblem(user, paramKind));
      }
      const policies = POLICIES.get(kind);
      const { spec }: BindingObject = object ?? {};
      const { spec: before }: BindingObject = old ?? {};
      if (!policies || !spec?.paramRef) return;
      const { paramRef, policyName = '' } = spec;
      if (before?.policyName === policyName && deepEqual(before.paramRef, paramRef)) return;
      return refuse(request, 'spec.paramRef', bindingProblem(user, policies, policyName, paramRef));
    },
  };
}

/** By the kind of their bindings. */
const POLICIES: ReadonlyMap<Kind, Kind<PolicyObject>> = new Map<Kind, Kind<PolicyObject>>([
  [validatingAdmissionPolicyBindings, validatingAdmissionPolicies],
  [mutatingAdmissionPolicyBindings, mutatingAdmissionPolicies],
]);

/** As Go prints a `user.Info`. */
function shownUser({ name, uid = '', groups, extra = {} }: User): string {
  const pairs = Object.entries(extra)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, values]) => `${key}:[${values.join(' ')}]`);
  return `&{${name} ${uid} [${groups.join(' ')}] map[${pairs.join(' ')}]}`;
}

import { mutatingAdmissionPolicies } from '../../../../api/kinds/admissionregistration/mutating-admission-policy.ts';
import { mutatingAdmissionPolicyBindings } from '../../../../api/kinds/admissionregistration/mutating-admission-policy-binding.ts';
import { fieldTypeOf, type FieldType } from '../../../../api/machinery/fieldset/field-type.ts';
import type { KubeObject } from '../../../../api/machinery/kind.ts';
import { DecodeError } from '../../../../api/machinery/schema-decoder.ts';
import { internalError, serviceUnavailable, StatusError } from '../../../../api/machinery/status-error.ts';
import type {
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
} from '../../../../api/types/admissionregistration/v1.gen.ts';
import { completed, RequestForms, takeOver, type VersionedRequest } from '../mutated-object.ts';
import { REINVOKE, type AdmissionPlugin, type AdmissionRequest, type Mutation } from '../plugin.ts';
import { Reinvocation } from '../reinvocation.ts';
import { failedPolicies } from './denial.ts';
import { authorizeFor, type Inputs } from './evaluation.ts';
import { evaluateConditions } from './match-conditions.ts';
import { compileMutatingPolicy, mutate, type CompiledMutatingPolicy } from './mutator.ts';
import { MutationError } from './patches.ts';
import { evaluateDecided } from './pending-decision.ts';
import { PolicyList } from './policy-list.ts';
import { isExemptFromPolicies, PolicyMatcher, type MatchedBinding } from './policy-matcher.ts';
import { Turn } from './turn.ts';
import type { PolicyOptions } from './validating-admission-policy.ts';

type Matched = MatchedBinding<MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding, CompiledMutatingPolicy>;

/** One of the two rounds of a request. */
interface Round {
  readonly reinvocation: Reinvocation<string>;
  readonly again: boolean;
  readonly failures: Failures;
  readonly turn: Turn;
  readonly forms: RequestForms;
  readonly seen: Pick<Inputs, 'request' | 'namespace' | 'authorizer'>;
}

/** Why policies have refused a request. */
class Failures {
  readonly messages: string[] = [];
  #reason: string | undefined;

  add(
    policy: MutatingAdmissionPolicy,
    binding: MutatingAdmissionPolicyBinding | undefined,
    why: string,
    reason?: string,
  ): void {
    if (policy.spec?.failurePolicy === 'Ignore') return;
    if (this.messages.length === 0) this.#reason = reason;
    const where = binding
      ? `policy '${nameOf(policy)}' with binding '${nameOf(binding)}'`
      : `policy ${JSON.stringify(nameOf(policy))}`;
    this.messages.push(`${where} denied request: ${why}`);
  }

  throwAny(request: AdmissionRequest): void {
    if (this.messages.length > 0) throw failedPolicies(request, this.messages, this.#reason);
  }
}

/**
 * Runs mutating policies, one after the other, each with what the one before has made of the object:
 * https://kubernetes.io/docs/reference/access-authn-authz/mutating-admission-policy/
 */
export function mutatingAdmissionPolicy({ api, kinds, authorizer, metrics }: PolicyOptions): AdmissionPlugin {
  const policies = new PolicyList(
    api,
    mutatingAdmissionPolicies,
    mutatingAdmissionPolicyBindings,
    compileMutatingPolicy,
  );
  const matcher = new PolicyMatcher(api, kinds);
  const reinvocations = new WeakMap<AdmissionRequest, Reinvocation<string>>();

  async function run(request: AdmissionRequest, again: boolean): Promise<Mutation> {
    const failures = new Failures();
    const matched = [
      ...matcher.matching(policies.active, request, ({ policy, binding, message }) =>
        failures.add(policy, binding, message),
      ),
    ];
    const reinvocation = reinvocations.get(request) ?? new Reinvocation<string>();
    reinvocations.set(request, reinvocation);
    if (again && reinvocation.isChanged(request.object)) reinvocation.requireAll();
    let isMutated = false;
    const seen = {
      request,
      namespace: matched.length > 0 ? matcher.namespaceObject(request) : undefined,
      authorizer: authorizeFor(authorizer, request.user),
    };
    const round = { reinvocation, again, failures, turn: new Turn(request), forms: new RequestForms(request), seen };
    for (const each of matched)
      for (const params of each.params) if (await invoke(each, params, request, round)) isMutated = true;
    // As upstream: a policy that has run counts as one that has changed something.
    if (isMutated) reinvocation.requireAll();
    reinvocation.remember(request.object);
    failures.throwAny(request);
    return isMutated ? REINVOKE : undefined;
  }

  /** Runs the mutations of one policy with one parameter. Returns whether one has been applied. */
  async function invoke(
    { hook, bound, kind }: Matched,
    params: KubeObject | undefined,
    request: AdmissionRequest,
    { reinvocation, again, failures, turn, forms, seen }: Round,
  ): Promise<boolean> {
    const fail = (why: string): void => failures.add(hook.policy, bound.binding, why, 'Invalid');
    const inputsNow = async (): Promise<Inputs> => ({ ...seen, asked: await forms.of(kind), params });
    const policy = hook.compiled();
    const conditionInputs = await inputsNow();
    const { matches, error } = await evaluateDecided(() =>
      evaluateConditions(
        policy.conditions,
        conditionInputs,
        { name: hook.name, kind: 'policy', type: 'validate' },
        metrics.conditions,
      ),
    );
    if (error !== undefined) fail(error);
    if (!matches) return false;
    const key = [hook.name, bound.name, params?.metadata?.namespace, params?.metadata?.name].join('/');
    if (again && !reinvocation.isDue(key)) return false;
    let isMutated = false;
    for (const mutation of policy.mutations) {
      if (!request.object) continue;
      if (turn.isOver) await turn.next();
      const startedAt = performance.now();
      const count = (failure?: string): void =>
        metrics.mutatingPolicies.mutated(hook.name, bound.name, failure, (performance.now() - startedAt) / 1000);
      try {
        const inputs = await inputsNow();
        const type = fieldTypeFor(request, inputs.asked);
        const mutated = await evaluateDecided(() => mutate(policy, mutation, type, inputs));
        if (mutated) {
          await replaceObject(request, inputs.asked, mutated);
          forms.forget();
        }
        isMutated = true;
        count();
      } catch (error) {
        if (error instanceof MutationError || error instanceof StatusError) count(error.message);
        if (!(error instanceof MutationError)) throw error;
        fail(error.message);
      }
    }
    if (isMutated) reinvocation.requireAll();
    reinvocation.called(key, hook.policy.spec?.reinvocationPolicy);
    return isMutated;
  }

  return {
    name: 'MutatingAdmissionPolicy',
    mutate(request, again = false) {
      if (policies.active.length === 0 || request.operation === 'DELETE' || isExemptFromPolicies(request)) return;
      return run(request, again);
    },
  };
}

/** Throws a 503 StatusError for objects without a schema: the options of a connection. */
function fieldTypeFor({ objectKind }: AdmissionRequest, { kind }: VersionedRequest): FieldType {
  if (!objectKind) return kind.custom?.fields ?? fieldTypeOf(kind.schema);
  if (objectKind.schema) return fieldTypeOf(objectKind.schema);
  const { group, version } = objectKind;
  throw serviceUnavailable(
    `Resource kind ${group}/${version}, Kind=${objectKind.kind} not found. There can be a delay between when CustomResourceDefinitions are created and when they are available.`,
  );
}

/** Rejects with a 500 StatusError for what is no object of its kind any more. */
async function replaceObject(
  request: AdmissionRequest,
  asked: VersionedRequest,
  mutated: Record<string, unknown>,
): Promise<void> {
  const { object } = request;
  if (!object) return;
  try {
    const result = await completed(request, asked, mutated);
    if (result.problems.length > 0 && !asked.kind.custom)
      throw internalError(`strict decoding error: ${result.problems.join(', ')}`);
    takeOver(request, object, result.object);
  } catch (error) {
    if (error instanceof DecodeError || error instanceof RangeError) throw internalError(error.message);
    throw error;
  }
}

const nameOf = ({ metadata }: { metadata?: { name?: string } }): string => metadata?.name ?? '';

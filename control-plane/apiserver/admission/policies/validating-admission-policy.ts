import { validatingAdmissionPolicies } from '../../../../api/kinds/admissionregistration/validating-admission-policy.ts';
import { validatingAdmissionPolicyBindings } from '../../../../api/kinds/admissionregistration/validating-admission-policy-binding.ts';
import type { Kind } from '../../../../api/machinery/kind.ts';
import { StatusError } from '../../../../api/machinery/status-error.ts';
import type {
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
} from '../../../../api/types/admissionregistration/v1.gen.ts';
import type { Authorizer } from '../../access/authorization/authorizer.ts';
import type { LocalApi } from '../../catalogue/local-api.ts';
import type { ServedKinds } from '../../catalogue/served-kinds.ts';
import type { AdmissionMetrics } from '../metrics.ts';
import { RequestForms, type VersionedRequest } from '../mutated-object.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../plugin.ts';
import { AuditAnnotations } from './audit-annotations.ts';
import { denied } from './denial.ts';
import { authorizeFor, type Inputs } from './evaluation.ts';
import type { Enforcement } from './metrics.ts';
import { PolicyList } from './policy-list.ts';
import { Turn } from './turn.ts';
import { isExemptFromPolicies, PolicyMatcher, type MatchedBinding } from './policy-matcher.ts';
import {
  compileValidatingPolicy,
  evaluatePolicy,
  type CompiledValidatingPolicy,
  type Decision,
  type Timed,
} from './validator.ts';

const ENFORCEMENTS: ReadonlyMap<string, Enforcement> = new Map([
  ['Deny', 'deny'],
  ['Audit', 'audit'],
  ['Warn', 'warn'],
]);
const FAILURE = 'validation.policy.admission.k8s.io/validation_failure';

export interface PolicyOptions {
  readonly api: Pick<LocalApi, 'get' | 'subscribe'>;
  readonly kinds: ServedKinds;
  readonly authorizer: Authorizer;
  readonly metrics: AdmissionMetrics;
}

type Matched = MatchedBinding<ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding, CompiledValidatingPolicy>;

/** https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/ */
export function validatingAdmissionPolicy({ api, kinds, authorizer, metrics }: PolicyOptions): AdmissionPlugin {
  const policies = new PolicyList(
    api,
    validatingAdmissionPolicies,
    validatingAdmissionPolicyBindings,
    compileValidatingPolicy,
  );
  const matcher = new PolicyMatcher(api, kinds);

  /** All policies are asked, for their warnings and annotations; the first denial is told. */
  async function run(request: AdmissionRequest): Promise<void> {
    const denials: { message: string; reason?: string | undefined }[] = [];
    const deny = (policy: string, binding: string | undefined, message: string, reason?: string): void => {
      const where = binding === undefined ? '' : ` with binding '${binding}'`;
      denials.push({ message: `ValidatingAdmissionPolicy '${policy}'${where} denied request: ${message}`, reason });
    };
    const matched = matcher.matching(policies.active, request, ({ policy, binding, message }) => {
      if (policy.spec?.failurePolicy !== 'Ignore') deny(nameOf(policy), binding && nameOf(binding), message);
    });
    const annotations = new AuditAnnotations();
    const turn = new Turn(request);
    const forms = new RequestForms(request);
    let common: Pick<Inputs, 'request' | 'namespace' | 'authorizer'> | undefined;
    for (const each of matched) {
      const { hook, bound, kind, params } = each;
      common ??= {
        request,
        namespace: matcher.namespaceObject(request),
        authorizer: authorizeFor(authorizer, request.user),
      };
      if (params.length === 0) continue;
      const asked = await converted(forms, kind, hook.policy, (why) => deny(hook.name, bound.name, why));
      if (!asked) continue;
      for (const param of params) {
        if (turn.isOver) await turn.next();
        const inputs = { ...common, asked, params: param };
        const verdict = await evaluatePolicy(hook.name, hook.compiled(), inputs, turn, metrics.conditions);
        const count = ({ message, seconds }: Timed, action: Enforcement): void =>
          metrics.validatingPolicies.checked(hook.name, bound.name, message, action, seconds);
        for (const decision of verdict.decisions)
          if (decision.denied)
            act(each, decision, request, count, () => deny(hook.name, bound.name, decision.message, decision.reason));
          else count(decision, 'allow');
        for (const [key, value] of verdict.annotations) annotations.add(`${hook.name}/${key}`, value);
        for (const error of verdict.annotationErrors) {
          deny(hook.name, bound.name, error.message);
          count(error, 'deny');
        }
      }
    }
    annotations.publish(request.origin);
    const [first] = denials;
    if (first) throw denied(request, first.message, first.reason);
  }

  return {
    name: 'ValidatingAdmissionPolicy',
    validate(request) {
      if (policies.active.length === 0 || isExemptFromPolicies(request)) return;
      return run(request);
    },
  };
}

/** Undefined when a webhook cannot convert the object. @param deny called when the policy does not ignore that */
async function converted(
  forms: RequestForms,
  kind: Kind,
  { spec }: ValidatingAdmissionPolicy,
  deny: (why: string) => void,
): Promise<VersionedRequest | undefined> {
  try {
    return await forms.of(kind);
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    if (spec?.failurePolicy !== 'Ignore')
      deny(`failed to configure binding: failed to convert object version: ${error.message}`);
    return undefined;
  }
}

/** Does what the binding says is to be done about a violation. */
function act(
  { hook, bound }: Matched,
  decision: Decision,
  request: AdmissionRequest,
  count: (decision: Decision, action: Enforcement) => void,
  deny: () => void,
): void {
  const { index, message } = decision;
  const actions = bound.binding.spec.validationActions;
  for (const action of actions) {
    const enforcement = ENFORCEMENTS.get(action);
    if (enforcement) count(decision, enforcement);
    if (action === 'Deny') deny();
    else if (action === 'Warn')
      request.warn(
        `Validation failed for ValidatingAdmissionPolicy '${hook.name}' with binding '${bound.name}': ${message}`,
      );
    else if (action === 'Audit') {
      const failure = {
        message,
        policy: hook.name,
        binding: bound.name,
        expressionIndex: index,
        validationActions: actions,
      };
      request.origin?.annotate(FAILURE, JSON.stringify([failure]));
    }
  }
}

const nameOf = ({ metadata }: { metadata?: { name?: string } }): string => metadata?.name ?? '';

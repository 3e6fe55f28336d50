import { validatingAdmissionPolicies } from '../../../../api/kinds/admissionregistration/validating-admission-policy.ts';
import { validatingAdmissionPolicyBindings } from '../../../../api/kinds/admissionregistration/validating-admission-policy-binding.ts';
import type { Kind } from '../../../../api/machinery/kind.ts';
import type {
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
} from '../../../../api/types/admissionregistration/v1.gen.ts';
import type { Authorizer } from '../../access/authorization/authorizer.ts';
import type { LocalApi } from '../../catalogue/local-api.ts';
import type { ServedKinds } from '../../catalogue/served-kinds.ts';
import { versioned, type VersionedRequest } from '../mutated-object.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../plugin.ts';
import { AuditAnnotations } from './audit-annotations.ts';
import { denied } from './denial.ts';
import { authorizeFor, type Inputs } from './evaluation.ts';
import { PolicyList } from './policy-list.ts';
import { Turn } from './turn.ts';
import { isExemptFromPolicies, PolicyMatcher, type MatchedBinding } from './policy-matcher.ts';
import { compileValidatingPolicy, evaluatePolicy, type CompiledValidatingPolicy, type Decision } from './validator.ts';

const FAILURE = 'validation.policy.admission.k8s.io/validation_failure';

export interface PolicyOptions {
  readonly api: Pick<LocalApi, 'get' | 'subscribe'>;
  readonly kinds: ServedKinds;
  readonly authorizer: Authorizer;
}

type Matched = MatchedBinding<ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding, CompiledValidatingPolicy>;

/** https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/ */
export function validatingAdmissionPolicy({ api, kinds, authorizer }: PolicyOptions): AdmissionPlugin {
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
    const forms = new Map<Kind, VersionedRequest>();
    let common: Pick<Inputs, 'request' | 'namespace' | 'authorizer'> | undefined;
    for (const each of matched) {
      const { hook, bound, kind, params } = each;
      common ??= {
        request,
        namespace: matcher.namespaceObject(request),
        authorizer: authorizeFor(authorizer, request.user),
      };
      const asked = forms.get(kind) ?? versioned(request, kind);
      forms.set(kind, asked);
      for (const param of params) {
        if (turn.isOver) await turn.next();
        const verdict = await evaluatePolicy(hook.compiled(), { ...common, asked, params: param }, turn);
        for (const decision of verdict.decisions)
          if (decision.denied)
            act(each, decision, request, () => deny(hook.name, bound.name, decision.message, decision.reason));
        for (const [key, value] of verdict.annotations) annotations.add(`${hook.name}/${key}`, value);
        for (const error of verdict.annotationErrors) deny(hook.name, bound.name, error);
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

/** Does what the binding says is to be done about a violation. */
function act(
  { hook, bound }: Matched,
  { index, message }: Decision,
  request: AdmissionRequest,
  deny: () => void,
): void {
  const actions = bound.binding.spec.validationActions;
  for (const action of actions) {
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

/** Which policies and bindings a request concerns, and with which parameters: upstream's policy dispatcher. */
import { namespaces } from '../../../../api/kinds/core/namespace.ts';
import type { Kind, KubeObject } from '../../../../api/machinery/kind.ts';
import { notFound, StatusError } from '../../../../api/machinery/status-error.ts';
import type { LocalApi } from '../../catalogue/local-api.ts';
import type { ServedKinds } from '../../catalogue/served-kinds.ts';
import type { AdmissionRequest } from '../plugin.ts';
import { Matcher, namespaceOf } from '../webhooks/matching.ts';
import { ConfigurationError, Params } from './params.ts';
import type { BindingObject, BoundBinding, PolicyHook, PolicyObject } from './policy-list.ts';

const ADMISSION_GROUP = 'admissionregistration.k8s.io';
/** Upstream's `pkg/kubeapiserver/admission/exclusion`: what is not stored, and must work in a broken cluster. */
const EXCLUDED: ReadonlySet<string> = new Set([
  'selfsubjectreviews.authentication.k8s.io',
  'tokenreviews.authentication.k8s.io',
  'localsubjectaccessreviews.authorization.k8s.io',
  'selfsubjectaccessreviews.authorization.k8s.io',
  'selfsubjectrulesreviews.authorization.k8s.io',
  'subjectaccessreviews.authorization.k8s.io',
  // Nobody could mend a broken policy.
  `validatingadmissionpolicies.${ADMISSION_GROUP}`,
  `validatingadmissionpolicybindings.${ADMISSION_GROUP}`,
  `mutatingadmissionpolicies.${ADMISSION_GROUP}`,
  `mutatingadmissionpolicybindings.${ADMISSION_GROUP}`,
]);

export const isExemptFromPolicies = ({ kind }: AdmissionRequest): boolean =>
  EXCLUDED.has(`${kind.plural}.${kind.group}`);

/** A binding that a request concerns. */
export interface MatchedBinding<P extends PolicyObject, B extends BindingObject, C> {
  readonly hook: PolicyHook<P, B, C>;
  readonly bound: BoundBinding<B>;
  /** As which the policy sees the request. */
  readonly kind: Kind;
  /** Undefined stands for none. */
  readonly params: readonly (KubeObject | undefined)[];
}

/** What is wrong with a policy or a binding. */
export interface Misconfiguration<P extends PolicyObject, B extends BindingObject> {
  readonly policy: P;
  readonly binding: B | undefined;
  readonly message: string;
}

export class PolicyMatcher {
  readonly #api: Pick<LocalApi, 'get'>;
  readonly #matcher: Matcher;
  readonly #params: Params;

  constructor(api: Pick<LocalApi, 'get'>, kinds: ServedKinds) {
    this.#api = api;
    this.#matcher = new Matcher(api, kinds);
    this.#params = new Params(kinds);
  }

  /** @param report called with what cannot be used */
  *matching<P extends PolicyObject, B extends BindingObject, C>(
    hooks: readonly PolicyHook<P, B, C>[],
    request: AdmissionRequest,
    report: (what: Misconfiguration<P, B>) => void,
  ): Generator<MatchedBinding<P, B, C>> {
    const namespace = namespaceOf(request);
    for (const hook of hooks) {
      const { policy } = hook;
      let binding: B | undefined;
      const use = <T>(read: () => T): T | undefined => {
        try {
          return read();
        } catch (error) {
          if (!(error instanceof StatusError || error instanceof ConfigurationError)) throw error;
          const what = binding ? 'binding' : 'policy';
          report({ policy, binding, message: `failed to configure ${what}: ${error.message}` });
          return undefined;
        }
      };
      const kind = use(() => this.#matcher.match(hook.match, request));
      if (!kind) continue;
      const paramKind = policy.spec?.paramKind;
      const resource = paramKind && use(() => this.#params.resource(paramKind));
      if (paramKind && !resource) continue;
      for (const bound of hook.bindings) {
        binding = bound.binding;
        const { match } = bound;
        if (match && !use(() => this.#matcher.match(match, request))) continue;
        const params = use(() => this.#params.of(resource, bound.binding.spec?.paramRef, namespace));
        if (params) yield { hook, bound, kind, params };
      }
    }
  }

  /** What policies see as the namespace of a request; undefined for cluster-scoped ones. Throws a 404 StatusError. */
  namespaceObject(request: AdmissionRequest): KubeObject | undefined {
    const { kind, namespace } = request;
    if (namespace === '' || (kind.group === '' && kind.kind === 'Namespace')) return undefined;
    const found = this.#api.get(namespaces, '', namespace);
    if (!found) throw notFound(namespaces, namespace);
    return found;
  }
}

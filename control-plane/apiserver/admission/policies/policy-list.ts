/** The policies that are in force: those that some binding names, each compiled at its first use. */
import { compareText } from '../../../../api/machinery/compare-text.ts';
import type { Kind, KubeObject } from '../../../../api/machinery/kind.ts';
import type { MatchResources, ParamKind, ParamRef } from '../../../../api/types/admissionregistration/v1.gen.ts';
import type { LocalApi } from '../../catalogue/local-api.ts';
import { compileMatch, type ResourceMatch } from '../webhooks/matching.ts';

export interface PolicyObject extends KubeObject {
  spec?: { failurePolicy?: string; paramKind?: ParamKind; matchConstraints?: MatchResources };
}

export interface BindingObject extends KubeObject {
  spec?: { policyName?: string; paramRef?: ParamRef; matchResources?: MatchResources };
}

export interface BoundBinding<B extends BindingObject> {
  readonly name: string;
  readonly binding: B;
  /** Undefined: every request that its policy matches. */
  readonly match: ResourceMatch | undefined;
}

/** A policy in force. @typeParam C what its expressions are compiled to */
export interface PolicyHook<P extends PolicyObject, B extends BindingObject, C> {
  readonly name: string;
  readonly policy: P;
  readonly match: ResourceMatch;
  readonly bindings: readonly BoundBinding<B>[];
  /** Kept as long as the object is not replaced. */
  compiled(): C;
}

type UnboundHook<P extends PolicyObject, C> = Omit<PolicyHook<P, BindingObject, C>, 'bindings'>;

/** Empty, a request pays nothing for it. */
export class PolicyList<P extends PolicyObject, B extends BindingObject, C> {
  readonly #policies = new Map<string, UnboundHook<P, C>>();
  readonly #bindings = new Map<string, BoundBinding<B>>();
  #active: readonly PolicyHook<P, B, C>[] | undefined;

  constructor(api: Pick<LocalApi, 'subscribe'>, policies: Kind<P>, bindings: Kind<B>, compile: (policy: P) => C) {
    api.subscribe(policies, ({ name, object }) => {
      if (object) this.#policies.set(name, hookOf(name, object, compile));
      else this.#policies.delete(name);
      this.#active = undefined;
    });
    api.subscribe(bindings, ({ name, object }) => {
      if (object) this.#bindings.set(name, { name, binding: object, match: bindingMatch(object) });
      else this.#bindings.delete(name);
      this.#active = undefined;
    });
  }

  /** In the order of their names, as are the bindings of each. */
  get active(): readonly PolicyHook<P, B, C>[] {
    return (this.#active ??= this.#join());
  }

  #join(): PolicyHook<P, B, C>[] {
    const bound = new Map<string, BoundBinding<B>[]>();
    const ordered = [...this.#bindings.values()].sort((a, b) => compareText(a.name, b.name));
    for (const each of ordered) {
      const policy = each.binding.spec?.policyName ?? '';
      const others = bound.get(policy);
      if (others) others.push(each);
      else bound.set(policy, [each]);
    }
    return [...bound.keys()].sort().flatMap((name) => {
      const hook = this.#policies.get(name);
      return hook ? [{ ...hook, bindings: bound.get(name) ?? [] }] : [];
    });
  }
}

function hookOf<P extends PolicyObject, C>(
  name: string,
  policy: P,
  compile: (policy: P) => C,
): UnboundHook<P, C> & { readonly policy: P } {
  let known: { readonly value: C } | undefined;
  const constraints = policy.spec?.matchConstraints;
  return {
    name,
    policy,
    match: matchOf(constraints, constraints?.resourceRules ?? []),
    compiled: () => (known ??= { value: compile(policy) }).value,
  };
}

/** Without rules a binding matches all that its policy matches. */
const bindingMatch = ({ spec }: BindingObject): ResourceMatch | undefined => {
  const resources = spec?.matchResources;
  return resources && matchOf(resources, resources.resourceRules?.length ? resources.resourceRules : undefined);
};

const matchOf = (resources: MatchResources | undefined, rules: ResourceMatch['rules']): ResourceMatch =>
  compileMatch({ ...resources, rules, excluded: resources?.excludeResourceRules });

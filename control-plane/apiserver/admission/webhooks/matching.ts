/** Which webhooks and policies a request concerns: upstream's rule, namespace and object matchers. */
import { namespaces } from '../../../../api/kinds/core/namespace.ts';
import type { Kind, KubeObject } from '../../../../api/machinery/kind.ts';
import { selectorFrom, type Labels, type Selector } from '../../../../api/machinery/selectors.ts';
import { cachedKind } from '../../../../api/machinery/stored-as.ts';
import { notFound } from '../../../../api/machinery/status-error.ts';
import type { NamedRuleWithOperations } from '../../../../api/types/admissionregistration/v1.gen.ts';
import type { LocalApi } from '../../catalogue/local-api.ts';
import type { ServedKinds } from '../../catalogue/served-kinds.ts';
import type { AdmissionRequest } from '../plugin.ts';

/** The rules of webhooks have no names. */
type Rule = NamedRuleWithOperations;

export interface ResourceMatch {
  /** Undefined: every request matches. */
  readonly rules: readonly Rule[] | undefined;
  /** A request that one of these matches does not match, whatever `rules` say. */
  readonly excluded: readonly Rule[];
  readonly matchPolicy: string;
  readonly namespaceSelector: Selector;
  readonly objectSelector: Selector;
}

interface MatchSpec {
  readonly rules?: readonly Rule[] | undefined;
  readonly excluded?: readonly Rule[] | undefined;
  readonly matchPolicy?: string;
  readonly namespaceSelector?: Parameters<typeof selectorFrom>[0];
  readonly objectSelector?: Parameters<typeof selectorFrom>[0];
}

export const compileMatch = (spec: MatchSpec): ResourceMatch => ({
  rules: spec.rules,
  excluded: spec.excluded ?? [],
  matchPolicy: spec.matchPolicy ?? 'Equivalent',
  namespaceSelector: selectorFrom(spec.namespaceSelector ?? {}),
  objectSelector: selectorFrom(spec.objectSelector ?? {}),
});

const ADMISSION_GROUP = 'admissionregistration.k8s.io';

/** Configurations of webhooks and policies are never sent to webhooks: nobody could mend a broken one. */
export const isExempt = ({ kind }: AdmissionRequest): boolean => kind.group === ADMISSION_GROUP;

const isNamespaces = ({ group, plural }: Kind): boolean => group === '' && plural === 'namespaces';

/** The namespace of a request as upstream's attributes have it: that of a Namespace is its own. */
export const namespaceOf = ({ kind, namespace, name }: AdmissionRequest): string =>
  isNamespaces(kind) ? name : namespace;

const has = (items: readonly string[] | undefined, wanted: string): boolean =>
  items !== undefined && (items.includes('*') || items.includes(wanted));

function isInScope(scope: string | undefined, request: AdmissionRequest): boolean {
  if (scope === undefined || scope === '*') return true;
  const isNamespaced = !isNamespaces(request.kind) && request.namespace !== '';
  return (scope === 'Namespaced') === isNamespaced;
}

function hasResource(resources: readonly string[] | undefined, plural: string, subresource: string): boolean {
  return (resources ?? []).some((written) => {
    const slash = written.indexOf('/');
    const [resource, part] = slash < 0 ? [written, ''] : [written.slice(0, slash), written.slice(slash + 1)];
    return (resource === '*' || resource === plural) && (part === '*' || part === subresource);
  });
}

/** @param kind the request's own, or one of its other versions. */
const ruleMatches = (rule: Rule, request: AdmissionRequest, kind: Kind): boolean =>
  isInScope(rule.scope, request) &&
  (!rule.resourceNames?.length || rule.resourceNames.includes(request.name)) &&
  has(rule.operations, request.operation) &&
  has(rule.apiGroups, kind.group) &&
  has(rule.apiVersions, kind.version) &&
  hasResource(rule.resources, kind.plural, request.subresource);

/** The other groups and versions in which the objects of a kind are served. */
export function equivalentKinds(kinds: ServedKinds, kind: Kind): Kind[] {
  const others: Kind[] = [];
  for (const { kind: other } of kinds.resources)
    if (other !== kind && cachedKind(other) === cachedKind(kind)) others.push(other);
  return others;
}

export class Matcher {
  readonly #api: Pick<LocalApi, 'get'>;
  readonly #kinds: ServedKinds;

  constructor(api: Pick<LocalApi, 'get'>, kinds: ServedKinds) {
    this.#api = api;
    this.#kinds = kinds;
  }

  /**
   * The kind as which a request matches; undefined when it does not. Throws a 404 StatusError when the namespace, whose labels a
   * selector needs, does not exist.
   */
  match(match: ResourceMatch, request: AdmissionRequest): Kind | undefined {
    if (!match.objectSelector.empty && !this.#objectMatches(match.objectSelector, request)) return undefined;
    const { rules, excluded, matchPolicy } = match;
    if (excluded.length > 0 && this.#ruleKind(excluded, matchPolicy, request)) return undefined;
    const kind = rules ? this.#ruleKind(rules, matchPolicy, request) : request.kind;
    if (!kind || match.namespaceSelector.empty) return kind;
    return this.#namespaceMatches(match.namespaceSelector, request) ? kind : undefined;
  }

  #ruleKind(rules: readonly Rule[], matchPolicy: string, request: AdmissionRequest): Kind | undefined {
    if (rules.some((rule) => ruleMatches(rule, request, request.kind))) return request.kind;
    if (matchPolicy !== 'Equivalent') return undefined;
    const others = equivalentKinds(this.#kinds, request.kind);
    for (const rule of rules) for (const kind of others) if (ruleMatches(rule, request, kind)) return kind;
    return undefined;
  }

  #objectMatches(selector: Selector, { object, old }: AdmissionRequest): boolean {
    const matches = (one: KubeObject | undefined): boolean =>
      one?.metadata !== undefined && selector.matches(one.metadata.labels);
    return matches(object) || matches(old);
  }

  #namespaceMatches(selector: Selector, request: AdmissionRequest): boolean {
    const namespace = namespaceOf(request);
    return namespace === '' || selector.matches(this.#labelsOf(namespace, request));
  }

  #labelsOf(namespace: string, { kind, operation, subresource, object }: AdmissionRequest): Labels | undefined {
    // What a namespace is to be counts, not what it was.
    if (isNamespaces(kind) && subresource === '' && (operation === 'CREATE' || operation === 'UPDATE'))
      return object?.metadata?.labels;
    const found = this.#api.get(namespaces, '', namespace);
    if (!found) throw notFound(namespaces, namespace);
    return found.metadata?.labels;
  }
}

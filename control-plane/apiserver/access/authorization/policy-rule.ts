/** Evaluates the rules of roles: https://kubernetes.io/docs/reference/access-authn-authz/rbac/ */
import type { Attributes } from './authorizer.ts';
import type { PolicyRule } from '../../../../api/types/rbac/v1.gen.ts';

const ANY = '*';

const has = (allowed: readonly string[] | undefined, value: string): boolean =>
  allowed !== undefined && (allowed.includes(value) || allowed.includes(ANY));

/** `pods`, `pods/log`, `*` for all, or `* /scale` (without the space) for that subresource of every resource. */
function matchesResource(allowed: readonly string[] | undefined, resource: string, subresource: string): boolean {
  if (!allowed) return false;
  if (subresource === '') return has(allowed, resource);
  for (const one of allowed) {
    if (one === ANY) return true;
    if (!one.endsWith(subresource)) continue;
    const parent = one.slice(0, -subresource.length);
    if (
      parent === '*/' ||
      (parent.length === resource.length + 1 && parent.startsWith(resource) && parent.endsWith('/'))
    ) {
      return true;
    }
  }
  return false;
}

function matchesUrl(allowed: readonly string[] | undefined, path: string): boolean {
  if (!allowed) return false;
  for (const one of allowed) {
    if (one === ANY || one === path) return true;
    if (one.endsWith(ANY) && path.startsWith(one.slice(0, -1))) return true;
  }
  return false;
}

export function ruleAllows(rule: PolicyRule, attributes: Attributes): boolean {
  if (!has(rule.verbs, attributes.verb)) return false;
  if (!attributes.isResource) return matchesUrl(rule.nonResourceURLs, attributes.path);
  return (
    has(rule.apiGroups, attributes.group) &&
    matchesResource(rule.resources, attributes.resource, attributes.subresource) &&
    (!rule.resourceNames?.length || rule.resourceNames.includes(attributes.name))
  );
}

/** Breaks a rule down into rules of a single verb, group and resource (and name), or of a single verb and URL. */
function* singlesOf(rule: PolicyRule): Generator<PolicyRule> {
  for (const verb of rule.verbs) {
    for (const group of rule.apiGroups ?? []) {
      for (const resource of rule.resources ?? []) {
        const one = { verbs: [verb], apiGroups: [group], resources: [resource] };
        if (!rule.resourceNames?.length) yield one;
        for (const name of rule.resourceNames ?? []) yield { ...one, resourceNames: [name] };
      }
    }
    for (const url of rule.nonResourceURLs ?? []) yield { verbs: [verb], nonResourceURLs: [url] };
  }
}

const hasAll = (allowed: readonly string[] | undefined, wanted: readonly string[] | undefined): boolean =>
  (wanted ?? []).every((value) => has(allowed, value));

const hasResource = (allowed: readonly string[] | undefined, resource: string): boolean => {
  if (has(allowed, resource)) return true;
  const slash = resource.indexOf('/');
  return slash >= 0 && (allowed ?? []).includes(`*${resource.slice(slash)}`);
};

/** Whether `owner` allows everything that `rule` does. */
function ruleCovers(owner: PolicyRule, rule: PolicyRule): boolean {
  if (!hasAll(owner.verbs, rule.verbs)) return false;
  if (!(rule.nonResourceURLs ?? []).every((url) => matchesUrl(owner.nonResourceURLs, url))) return false;
  if (!rule.resources?.length) return true;
  const names = rule.resourceNames ?? [];
  const namesCovered =
    !owner.resourceNames?.length ||
    (names.length > 0 && names.every((name) => owner.resourceNames?.includes(name) ?? false));
  return (
    hasAll(owner.apiGroups, rule.apiGroups) &&
    rule.resources.every((resource) => hasResource(owner.resources, resource)) &&
    namesCovered
  );
}

/** A rule of a few hundred words may break down into millions: beyond this limit the rest counts as missing. */
const MAX_COMPARISONS = 200_000;
/** The most missing rules to report. */
const MAX_MISSING = 1_000;

/** The broken-down rules of `wanted` that `owned` does not cover: upstream's escalation check. */
export function missingRights(owned: readonly PolicyRule[], wanted: readonly PolicyRule[]): PolicyRule[] {
  const missing: PolicyRule[] = [];
  let comparisons = 0;
  for (const rule of wanted) {
    if (owned.some((owner) => ruleCovers(owner, rule))) continue;
    for (const single of singlesOf(rule)) {
      comparisons += 1 + owned.length;
      if (comparisons > MAX_COMPARISONS || missing.length >= MAX_MISSING) return [...missing, single];
      if (!owned.some((owner) => ruleCovers(owner, single))) missing.push(single);
    }
  }
  return missing;
}

const quoteAll = (values: readonly string[]): string => `[${values.map((value) => JSON.stringify(value)).join(' ')}]`;

/** Formats rules in upstream's notation, sorted; rules that differ in their verb only are combined. */
export function describeRules(singles: readonly PolicyRule[]): string[] {
  const byTarget = new Map<string, { target: PolicyRule; verbs: string[] }>();
  for (const single of singles) {
    const { verbs, ...target } = single;
    const key = JSON.stringify(target);
    const known = byTarget.get(key);
    if (known) known.verbs.push(...verbs);
    else byTarget.set(key, { target: single, verbs: [...verbs] });
  }
  return [...byTarget.values()]
    .map(({ target, verbs }) => {
      const parts: [string, readonly string[] | undefined][] = [
        ['APIGroups', target.apiGroups],
        ['Resources', target.resources],
        ['NonResourceURLs', target.nonResourceURLs],
        ['ResourceNames', target.resourceNames],
        ['Verbs', verbs],
      ];
      const shown = parts.flatMap(([name, values]) => (values?.length ? [`${name}:${quoteAll(values)}`] : []));
      return `{${shown.join(', ')}}`;
    })
    .sort();
}

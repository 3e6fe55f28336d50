/** Which requests a FlowSchema is about: upstream's `pkg/util/flowcontrol/rule.go`. */
import type {
  NonResourcePolicyRule,
  PolicyRulesWithSubjects,
  ResourcePolicyRule,
  Subject,
} from '../../../api/types/flowcontrol/v1.gen.ts';
import type { RequestInfo } from '../http/request-info.ts';
import { serviceAccountUserName, type User } from '../http/user.ts';

const ALL = '*';

const contains = (list: readonly string[], value: string): boolean => list.includes(ALL) || list.includes(value);

function matchesSubject({ kind, user: named, group, serviceAccount }: Subject, user: User): boolean {
  switch (kind) {
    case 'User':
      return named !== undefined && (named.name === ALL || named.name === user.name);
    case 'Group':
      return group !== undefined && (group.name === ALL || user.groups.includes(group.name));
    case 'ServiceAccount': {
      if (!serviceAccount) return false;
      const { namespace, name } = serviceAccount;
      return name === ALL
        ? user.name.startsWith(serviceAccountUserName(namespace, ''))
        : user.name === serviceAccountUserName(namespace, name);
    }
    default:
      return false;
  }
}

/** The rules that can be about requests of the user. */
export const rulesFor = (rules: readonly PolicyRulesWithSubjects[], user: User): PolicyRulesWithSubjects[] =>
  rules.filter(({ subjects }) => (subjects ?? []).some((subject) => matchesSubject(subject, user)));

function matchesResource(rule: ResourcePolicyRule, { verb, group, resource, subresource, namespace }: RequestInfo) {
  if (!contains(rule.verbs, verb) || !contains(rule.apiGroups, group)) return false;
  if (!contains(rule.resources, subresource === '' ? resource : `${resource}/${subresource}`)) return false;
  return namespace === '' ? rule.clusterScope === true : contains(rule.namespaces ?? [], namespace);
}

function matchesUrl(url: string, path: string): boolean {
  if (url === ALL || url === path) return true;
  const prefix = url.endsWith(ALL) ? url.slice(0, -1) : url;
  return path.startsWith(prefix.endsWith('/') ? prefix : `${prefix}/`);
}

const matchesPath = ({ verbs, nonResourceURLs }: NonResourcePolicyRule, { verb, path }: RequestInfo): boolean =>
  contains(verbs, verb) && nonResourceURLs.some((url) => matchesUrl(url, path));

/** Whether one of the rules, whose subjects are not looked at again, is about the request. */
export function matchesRequest(rules: readonly PolicyRulesWithSubjects[], info: RequestInfo): boolean {
  for (const { resourceRules, nonResourceRules } of rules) {
    if (info.isResource) {
      if (resourceRules?.some((rule) => matchesResource(rule, info))) return true;
    } else if (nonResourceRules?.some((rule) => matchesPath(rule, info))) return true;
  }
  return false;
}

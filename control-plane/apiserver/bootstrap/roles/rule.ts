/** The words in which the default policy is written. Lists are space-separated text. */
import { RBAC_GROUP } from '../../../../api/kinds/rbac/rbac-validation.ts';
import type { ClusterRole, PolicyRule, Subject } from '../../../../api/types/rbac/v1.gen.ts';

export const READ = 'get list watch';
export const WRITE = 'create delete deletecollection patch update';
export const ALL = 'create delete deletecollection get list patch update watch';

const words = (text: string): string[] => text.split(' ');

/** `names`: the resource names that the rule is limited to. */
export const rule = (verbs: string, groups: string | string[], resources: string, names?: string): PolicyRule => ({
  verbs: words(verbs),
  apiGroups: typeof groups === 'string' ? words(groups) : groups,
  resources: words(resources),
  ...(names !== undefined && { resourceNames: words(names) }),
});

/** A rule about the core group. */
export const core = (verbs: string, resources: string, names?: string): PolicyRule =>
  rule(verbs, [''], resources, names);

export const urls = (verbs: string, paths: string): PolicyRule => ({
  verbs: words(verbs),
  nonResourceURLs: words(paths),
});

export const recordEvents = (): PolicyRule => rule('create patch update', ['', 'events.k8s.io'], 'events');

export const user = (name: string): Subject => ({ apiGroup: RBAC_GROUP, kind: 'User', name });
export const group = (name: string): Subject => ({ apiGroup: RBAC_GROUP, kind: 'Group', name });
export const systemAccount = (name: string): Subject => ({ kind: 'ServiceAccount', name, namespace: 'kube-system' });

/** The label by which a role's rules become part of the role `into`. */
export const aggregatesTo = (into: string): Record<string, string> => ({
  [`${RBAC_GROUP}/aggregate-to-${into}`]: 'true',
});

/** A role that has the rules of all roles with `aggregatesTo(name)`. */
export const aggregated = (name: string): NonNullable<ClusterRole['aggregationRule']> => ({
  clusterRoleSelectors: [{ matchLabels: aggregatesTo(name) }],
});

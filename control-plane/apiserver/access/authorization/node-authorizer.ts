import { REMOVED_BY_AGENTS } from '../../../../api/domain/removed-by-agents.ts';
import { NODE_LEASE_NAMESPACE } from '../../../../api/domain/node-identity.ts';
import {
  parseFieldSelector,
  parseLabelSelector,
  requiredValue,
  SelectorError,
} from '../../../../api/machinery/selectors.ts';
import { nodeNameOf, type User } from '../../http/user.ts';
import {
  ALLOWED,
  NO_OPINION,
  type Attributes,
  type Authorizer,
  type Decision,
  type ResolvedRules,
  type RuleResolver,
} from './authorizer.ts';
import type { NodeObjects } from './node-objects.ts';
import type { PodGraph, ReferencedKind } from './pod-graph.ts';
import { ruleAllows } from './policy-rule.ts';
import type { PolicyRule } from '../../../../api/types/rbac/v1.gen.ts';

const READ_VERBS = new Set(['get', 'list', 'watch']);
const OWN_OBJECT_VERBS = new Set(['get', 'create', 'update', 'patch', 'delete']);

const NO_RULES: ResolvedRules = { rules: [], errors: [] };
const UNLISTED_RULES: ResolvedRules = { rules: [], errors: ['node authorizer does not support user rule resolution'] };

/** As upstream: others may allow it nevertheless. */
const denied = (reason: string): Decision => ({ allowed: false, reason });

/** The value that a field selector requires of the field; undefined when it requires none. */
function selectedValue({ fieldSelector = '' }: Attributes, field: string): string | undefined {
  try {
    return requiredValue(parseFieldSelector(fieldSelector), field);
  } catch (error) {
    // An invalid selector is rejected later.
    if (error instanceof SelectorError) return undefined;
    throw error;
  }
}

/** The only value that a label selector lets the label have; undefined when there is none. */
function selectedLabel({ labelSelector = '' }: Attributes, label: string): string | undefined {
  try {
    const { requirements } = parseLabelSelector(labelSelector);
    return requirements.find(({ key, operator }) => key === label && operator === '=')?.values[0];
  } catch (error) {
    // An invalid selector is rejected later.
    if (error instanceof SelectorError) return undefined;
    throw error;
  }
}

/** The one object that is requested, by path or by field selector. */
const nameOf = (attributes: Attributes): string =>
  attributes.name || (selectedValue(attributes, 'metadata.name') ?? '');

/**
 * The Node authorizer: an agent may read what the pods bound to its node need, and report their status and its own. Its writes
 * are checked further by NodeRestriction. https://kubernetes.io/docs/reference/access-authn-authz/node/
 */
export class NodeAuthorizer implements Authorizer, RuleResolver {
  readonly #graph: PodGraph;
  readonly #objects: NodeObjects;
  readonly #rules: readonly PolicyRule[];

  /** `rules` are those of the ClusterRole system:node, for the resources that do not depend on pods. */
  constructor(graph: PodGraph, objects: NodeObjects, rules: readonly PolicyRule[]) {
    this.#graph = graph;
    this.#objects = objects;
    this.#rules = rules;
  }

  authorize(user: User, attributes: Attributes): Decision {
    const node = nodeNameOf(user);
    if (node === undefined) return NO_OPINION;
    if (node === '') return denied(`unknown node for user ${JSON.stringify(user.name)}`);
    return (attributes.isResource && this.#decide(node, attributes)) || this.#byRules(attributes);
  }

  /** What a node may do depends on its pods and cannot be listed. */
  rulesFor(user: User): ResolvedRules {
    return nodeNameOf(user) === undefined ? NO_RULES : UNLISTED_RULES;
  }

  #byRules(attributes: Attributes): Decision {
    return this.#rules.some((rule) => ruleAllows(rule, attributes)) ? ALLOWED : NO_OPINION;
  }

  /** Undefined for resources that are the same for all nodes. */
  #decide(node: string, attributes: Attributes): Decision | undefined {
    switch (attributes.group ? `${attributes.resource}.${attributes.group}` : attributes.resource) {
      case 'secrets':
        return this.#read(node, attributes, (name) => this.#objects.isSecretOf(node, attributes.namespace, name));
      case 'configmaps':
        return this.#read(node, attributes, (name) =>
          this.#graph.isNeededBy(node, 'configmap', attributes.namespace, name),
        );
      case 'persistentvolumeclaims':
        return this.#claim(node, attributes);
      case 'serviceaccounts':
        return this.#serviceAccount(node, attributes);
      case 'leases.coordination.k8s.io':
        return this.#lease(node, attributes);
      case 'csinodes.storage.k8s.io':
        return this.#csiNode(node, attributes);
      case 'nodes':
        return this.#node(node, attributes);
      case 'pods':
        return this.#pod(node, attributes);
      case 'persistentvolumes':
        return this.#volume(node, attributes);
      case 'resourceclaims.resource.k8s.io':
        return this.#get(node, attributes, (name) => this.#objects.isResourceClaimOf(node, attributes.namespace, name));
      case 'volumeattachments.storage.k8s.io':
        return this.#get(node, attributes, (name) => this.#objects.isAttachmentOf(node, name));
      case 'resourceslices.resource.k8s.io':
        return this.#slice(node, attributes);
      default:
        return undefined;
    }
  }

  #needed(node: string, kind: ReferencedKind, attributes: Attributes): Decision {
    return this.#related(node, attributes, (name) => this.#graph.isNeededBy(node, kind, attributes.namespace, name));
  }

  #read(node: string, attributes: Attributes, isRelated: (name: string) => boolean): Decision {
    if (!READ_VERBS.has(attributes.verb)) return denied('can only read resources of this type');
    if (attributes.subresource !== '') return denied('cannot read subresource');
    if (attributes.namespace === '') return denied('can only read namespaced object of this type');
    return this.#related(node, attributes, isRelated);
  }

  #claim(node: string, attributes: Attributes): Decision {
    if (attributes.subresource === 'status') {
      return attributes.verb === 'update' || attributes.verb === 'patch'
        ? this.#needed(node, 'persistentvolumeclaim', attributes)
        : denied('can only get/update/patch this type');
    }
    return this.#get(node, attributes, (name) =>
      this.#graph.isNeededBy(node, 'persistentvolumeclaim', attributes.namespace, name),
    );
  }

  #get(node: string, attributes: Attributes, isRelated: (name: string) => boolean): Decision {
    if (attributes.verb !== 'get') return denied('can only get individual resources of this type');
    if (attributes.subresource !== '') return denied('cannot get subresource');
    return this.#related(node, attributes, isRelated);
  }

  /** Those of its pods, and those whose directories it removes: it may release these, which NodeRestriction checks. */
  #volume(node: string, attributes: Attributes): Decision {
    const { verb, subresource } = attributes;
    const isAsked = REMOVED_BY_AGENTS.some(({ label }) => selectedLabel(attributes, label) === node);
    if ((verb === 'list' || verb === 'watch') && isAsked) return ALLOWED;
    if (verb === 'patch' && subresource === '')
      return this.#related(node, attributes, (name) => this.#objects.isDirectoryOf(node, name));
    return this.#get(node, attributes, (name) => this.#objects.isVolumeOf(node, name));
  }

  #related(node: string, attributes: Attributes, isRelated: (name: string) => boolean): Decision {
    const name = nameOf(attributes);
    if (name === '') return denied('No Object name found');
    return isRelated(name) ? ALLOWED : denied(`no relationship found between node '${node}' and this object`);
  }

  /** The devices of the node, as its drivers publish them through its agent. */
  #slice(node: string, attributes: Attributes): Decision {
    const { verb, subresource } = attributes;
    if (subresource !== '') return denied('cannot authorize ResourceSlice subresources');
    switch (verb) {
      // The node is only in the body: NodeRestriction checks it.
      case 'create':
        return ALLOWED;
      case 'get':
      case 'update':
      case 'patch':
      case 'delete':
        return this.#related(node, attributes, (name) => this.#objects.isSliceOf(node, name));
      case 'list':
      case 'watch':
      case 'deletecollection':
        return selectedValue(attributes, 'spec.nodeName') === node
          ? ALLOWED
          : denied('can only list/watch/deletecollection resourceslices with nodeName field selector');
      default:
        return denied(
          'only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, patch, delete, deletecollection',
        );
    }
  }

  #serviceAccount(node: string, attributes: Attributes): Decision {
    if (attributes.verb === 'get' && attributes.subresource === '') {
      return this.#needed(node, 'serviceaccount', attributes);
    }
    if (attributes.verb !== 'create' || attributes.name === '') {
      return denied('can only create tokens for individual service accounts');
    }
    if (attributes.subresource !== 'token') return denied('can only create token subresource of serviceaccount');
    return this.#needed(node, 'serviceaccount', attributes);
  }

  #lease(node: string, { verb, namespace, name }: Attributes): Decision {
    if (!OWN_OBJECT_VERBS.has(verb)) return denied('can only get, create, update, patch, or delete a node lease');
    if (namespace !== NODE_LEASE_NAMESPACE) {
      return denied(`can only access leases in the ${JSON.stringify(NODE_LEASE_NAMESPACE)} system namespace`);
    }
    // The name of a create is only in its body: NodeRestriction checks it.
    if (verb !== 'create' && name !== node) {
      return denied('can only access node lease with the same name as the requesting node');
    }
    return ALLOWED;
  }

  #csiNode(node: string, { verb, subresource, name }: Attributes): Decision {
    if (!OWN_OBJECT_VERBS.has(verb)) return denied('can only get, create, update, patch, or delete a CSINode');
    if (subresource !== '') return denied('cannot authorize CSINode subresources');
    if (verb !== 'create' && name !== node) {
      return denied('can only access CSINode with the same name as the requesting node');
    }
    return ALLOWED;
  }

  #node(node: string, attributes: Attributes): Decision {
    const { verb, subresource } = attributes;
    if (subresource === 'status') return verb === 'update' || verb === 'patch' ? ALLOWED : NO_OPINION;
    if (subresource !== '') return NO_OPINION;
    if (verb === 'create' || verb === 'update' || verb === 'patch') return ALLOWED;
    if (!READ_VERBS.has(verb)) return NO_OPINION;
    const name = nameOf(attributes);
    if (name === node) return ALLOWED;
    return denied(
      name === ''
        ? `node '${node}' cannot read all nodes, only its own Node object`
        : `node '${node}' cannot read '${name}', only its own Node object`,
    );
  }

  #pod(node: string, attributes: Attributes): Decision {
    const { verb, subresource } = attributes;
    if (subresource === 'status') return verb === 'update' || verb === 'patch' ? ALLOWED : NO_OPINION;
    if (subresource === 'eviction') return verb === 'create' ? ALLOWED : NO_OPINION;
    if (subresource !== '') return NO_OPINION;
    if (verb === 'create' || verb === 'delete') return ALLOWED;
    if (!READ_VERBS.has(verb)) return NO_OPINION;
    if (verb !== 'get' && selectedValue(attributes, 'spec.nodeName') === node) return ALLOWED;
    const name = nameOf(attributes);
    if (name !== '') {
      return this.#graph.nodeOf(attributes.namespace, name) === node
        ? ALLOWED
        : denied(`no relationship found between node '${node}' and this object`);
    }
    return denied('can only list/watch pods with spec.nodeName field selector');
  }
}

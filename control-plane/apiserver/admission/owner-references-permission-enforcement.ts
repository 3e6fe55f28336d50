import { apiVersionOf } from '../../../api/machinery/define-kind.ts';
import { semanticallyEqual } from '../../../api/machinery/deep-equal.ts';
import type { KubeObject } from '../../../api/machinery/kind.ts';
import { forbidden } from '../../../api/machinery/status-error.ts';
import type { OwnerReference } from '../../../api/types/meta/v1.gen.ts';
import type { Attributes, Authorizer } from '../access/authorization/authorizer.ts';
import type { ServedKinds } from '../catalogue/served-kinds.ts';
import type { AdmissionPlugin, AdmissionRequest } from './plugin.ts';

export interface OwnerReferenceOptions {
  readonly authorizer: Authorizer;
  readonly kinds: ServedKinds;
}

const ownersOf = (object: KubeObject | undefined): readonly OwnerReference[] => object?.metadata?.ownerReferences ?? [];

/** Those that keep their owner from being deleted, and did not before. */
function newlyBlocking({ object, old }: AdmissionRequest): OwnerReference[] {
  const before = new Set(
    ownersOf(old)
      .filter(({ blockOwnerDeletion }) => blockOwnerDeletion)
      .map(({ uid }) => uid),
  );
  return ownersOf(object).filter(({ uid, blockOwnerDeletion }) => blockOwnerDeletion && !before.has(uid));
}

const ANYTHING: Attributes = {
  ...{ isResource: true, path: '', verb: 'update', namespace: '' },
  ...{ group: '*', version: '*', resource: '*', subresource: 'finalizers', name: '*' },
};

/**
 * Who may not delete an object may not give it other owners, with which it would be deleted; and who may not set the finalizers of an
 * owner may not block its deletion. Off by default, as upstream.
 * https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#ownerreferencespermissionenforcement
 */
export function ownerReferencesPermissionEnforcement({ authorizer, kinds }: OwnerReferenceOptions): AdmissionPlugin {
  const requireDelete = async (request: AdmissionRequest): Promise<void> => {
    const { user, kind, namespace, name, subresource } = request;
    const { group, version, plural: resource } = kind;
    const attributes = {
      isResource: true,
      path: '',
      verb: 'delete',
      namespace,
      group,
      version,
      resource,
      subresource,
      name,
    };
    const { allowed, reason } = await authorizer.authorize(user, attributes);
    if (allowed) return;
    throw forbidden(kind, name, `cannot set an ownerRef on a resource you can't delete: ${reason}, <nil>`);
  };

  const requireFinalizers = async (
    request: AdmissionRequest,
    { apiVersion, kind: name, name: owner }: OwnerReference,
  ): Promise<void> => {
    const { user, kind, namespace } = request;
    const slash = apiVersion.indexOf('/');
    const owning = kinds.findKind(apiVersion.slice(0, Math.max(0, slash)), apiVersion.slice(slash + 1), name);
    if (!owning) {
      const problem = `no matches for kind ${JSON.stringify(name)} in version ${JSON.stringify(apiVersion)}`;
      const why = `cannot find RESTMapping for APIVersion ${apiVersion} Kind ${name}: ${problem}`;
      throw forbidden(kind, request.name, `cannot set blockOwnerDeletion in this case because ${why}`);
    }
    const { group, version, plural: resource } = owning;
    const { allowed, reason } = await authorizer.authorize(user, {
      ...{
        isResource: true,
        path: '',
        verb: 'update',
        group,
        version,
        resource,
        subresource: 'finalizers',
        name: owner,
      },
      // An owner is in the namespace of what it owns, or in none.
      namespace: owning.namespaced ? namespace : '',
    });
    if (allowed) return;
    const why = "an ownerReference refers to a resource you can't set finalizers on";
    throw forbidden(kind, request.name, `cannot set blockOwnerDeletion if ${why}: ${reason}, <nil>`);
  };

  const check = async (request: AdmissionRequest): Promise<void> => {
    if (request.operation === 'UPDATE') await requireDelete(request);
    const blocking = newlyBlocking(request);
    if (blocking.length === 0 || (await authorizer.authorize(request.user, ANYTHING)).allowed) return;
    for (const owner of blocking) await requireFinalizers(request, owner);
  };

  return {
    name: 'OwnerReferencesPermissionEnforcement',
    validate(request) {
      const { operation, kind, subresource, object, old } = request;
      if (operation !== 'CREATE' && operation !== 'UPDATE') return;
      // Upstream leaves pods/status out, which cannot change owners.
      if (apiVersionOf(kind) === 'v1' && kind.plural === 'pods' && subresource === 'status') return;
      if (semanticallyEqual(ownersOf(object), ownersOf(old))) return;
      return check(request);
    },
  };
}

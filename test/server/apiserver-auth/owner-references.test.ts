/** OwnerReferencesPermissionEnforcement, with RBAC as it is. */
import t from 'tap';
import { configMaps } from '../../../api/kinds/core/config-map.ts';
import { StatusError } from '../../../api/machinery/status-error.ts';
import type { Attributes } from '../../../control-plane/apiserver/access/authorization/authorizer.ts';
import { ownerReferencesPermissionEnforcement } from '../../../control-plane/apiserver/admission/owner-references-permission-enforcement.ts';
import type { AdmissionRequest } from '../../../control-plane/apiserver/admission/plugin.ts';
import { TestServer } from '../apiserver/server.ts';

const owner = (uid: string, more: object = {}) => ({
  apiVersion: 'apps/v1',
  kind: 'ReplicaSet',
  name: 'o',
  uid,
  ...more,
});
const owned = (...ownerReferences: ReturnType<typeof owner>[]) => ({ metadata: { name: 'x', ownerReferences } });
const blocking = { blockOwnerDeletion: true };

/** The message of the refusal of such a change; undefined when it is allowed. The user has the rights given as `verb resource`. */
async function refusal(server: TestServer, rights: readonly string[], change: Partial<AdmissionRequest>) {
  const asked: Attributes[] = [];
  const authorizer = {
    authorize: (_: unknown, attributes: Attributes) => {
      asked.push(attributes);
      const { verb, resource, subresource } = attributes;
      return { allowed: rights.includes(`${verb} ${resource}${subresource && `/${subresource}`}`), reason: 'no rule' };
    },
  };
  const plugin = ownerReferencesPermissionEnforcement({ authorizer, kinds: server.core.registry.kinds });
  try {
    await plugin.validate?.({
      ...{ operation: 'UPDATE', kind: configMaps, subresource: '', namespace: 'default', name: 'x' },
      ...{ object: undefined, old: undefined, user: { name: 'u', groups: [] }, dryRun: false, warn: () => undefined },
      ...change,
    });
    return undefined;
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    return error.message;
  }
}

t.test('who may not delete an object cannot change its owners', async (t) => {
  await using server = await TestServer.start();
  const forbidden = 'configmaps "x" is forbidden: ';
  const notDeleted = `${forbidden}cannot set an ownerRef on a resource you can't delete: no rule, <nil>`;
  const notFinalized = `${forbidden}cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: no rule, <nil>`;
  for (const [what, rights, change, wanted] of [
    ['a create', [], { operation: 'CREATE', object: owned(owner('a')) }, undefined],
    ['no change', [], { object: owned(owner('a')), old: owned(owner('a')) }, undefined],
    ['another owner', [], { object: owned(owner('b')), old: owned(owner('a')) }, notDeleted],
    ['with the right', ['delete configmaps'], { object: owned(owner('b')), old: owned(owner('a')) }, undefined],
    ['a create that blocks', [], { operation: 'CREATE', object: owned(owner('a', blocking)) }, notFinalized],
    [
      'with the right to finalizers',
      ['update replicasets/finalizers'],
      { operation: 'CREATE', object: owned(owner('a', blocking)) },
      undefined,
    ],
    [
      'with the right to all',
      ['update */finalizers'],
      { operation: 'CREATE', object: owned(owner('a', blocking)) },
      undefined,
    ],
    [
      'an owner that blocked before',
      ['delete configmaps'],
      { object: owned(owner('a', blocking), owner('b')), old: owned(owner('a', blocking)) },
      undefined,
    ],
    [
      'an unknown owner',
      [],
      { operation: 'CREATE', object: owned(owner('a', { ...blocking, kind: 'Thing' })) },
      `${forbidden}cannot set blockOwnerDeletion in this case because cannot find RESTMapping for APIVersion apps/v1 Kind Thing: no matches for kind "Thing" in version "apps/v1"`,
    ],
  ] as const) {
    t.equal(await refusal(server, rights, change), wanted, what);
  }
});

import type { ActionName, ActionSubresource, Kind, KubeObject, StoredSubresource, UpdateRules } from './kind.ts';

type WithStatus = KubeObject & { status?: unknown };

/** `status`: updates change the status and, within the rules of the kind, metadata. */
export const statusSubresource = <T extends WithStatus>(
  rules: Partial<Pick<UpdateRules<T>, 'prepare' | 'validate' | 'resets' | 'warnings'>> = {},
): StoredSubresource<T> => ({
  name: 'status',
  verbs: ['get', 'patch', 'update'],
  update: {
    takes: ['status'],
    resets: ['spec'],
    merge(wanted, old) {
      const object: T = { ...old, metadata: wanted.metadata, status: wanted.status };
      if (wanted.status === undefined) delete object.status;
      return object;
    },
    prepare: () => undefined,
    validate: () => [],
    ...rules,
  },
});

/**
 * For the `prepare` of a status that comes with no metadata of its own (`resets` has `metadata`, too): upstream's
 * `ResetObjectMetaForStatus`.
 */
export function keepMetadata(object: KubeObject, old: KubeObject): void {
  object.metadata = { ...old.metadata };
}

/** A create of `body` at an object: `actionSubresource('pods/eviction', evictions)`. */
export const actionSubresource = (action: ActionName, body: Kind, keepsMetadata = false): ActionSubresource => ({
  name: action.slice(action.indexOf('/') + 1),
  action,
  verbs: ['create'],
  group: body.group,
  version: body.version,
  kind: body.kind,
  body,
  keepsMetadata,
});

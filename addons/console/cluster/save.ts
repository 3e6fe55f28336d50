/** Saves objects: first as a dry run, whose result the user sees. */
import { FIELD_MANAGER, type Edit } from '../model/edit.ts';
import type { KubeObject } from '../model/object.ts';
import { apiPath } from '../model/route.ts';
import { findKind, type Resource } from './discovery.ts';
import { ApiError, send } from './request.ts';

const APPLY = 'application/apply-patch+yaml';

export interface SaveOptions {
  readonly dryRun: boolean;
  /** Takes over fields that others manage. */
  readonly force?: boolean;
}

type Saved = Extract<Edit, { kind: 'apply' | 'replace' }>;

/** Returns the object as it is, or would be, saved. Rejects with an ApiError: 409 for conflicts, 422 for what is not valid. */
export function save(
  resource: Resource,
  original: KubeObject,
  edited: KubeObject,
  edit: Saved,
  options: SaveOptions,
): Promise<KubeObject> {
  const { name = '', namespace = '' } = original.metadata ?? {};
  if (edit.kind === 'apply') return applyTo(resource, namespace, name, edit.configuration, options);
  return send<KubeObject>('PUT', apiPath(resource, namespace, name), replacement(original, edited), {
    query: { fieldManager: FIELD_MANAGER, fieldValidation: 'Strict', ...(options.dryRun && { dryRun: 'All' }) },
  });
}

/** Based on the state that the user has seen: a later one is a conflict. */
const replacement = (original: KubeObject, edited: KubeObject): KubeObject => ({
  ...edited,
  metadata: { ...edited.metadata, resourceVersion: original.metadata?.resourceVersion ?? '' },
});

function applyTo(
  resource: Resource,
  namespace: string,
  name: string,
  configuration: KubeObject,
  { dryRun, force = false }: SaveOptions,
): Promise<KubeObject> {
  return send<KubeObject>('PATCH', apiPath(resource, namespace, name), configuration, {
    contentType: APPLY,
    query: {
      fieldManager: FIELD_MANAGER,
      fieldValidation: 'Strict',
      ...(force && { force: 'true' }),
      ...(dryRun && { dryRun: 'All' }),
    },
  });
}

/** Applies a whole object that may be new. Rejects with an ApiError. */
export function applyObject(object: KubeObject, defaultNamespace: string, options: SaveOptions): Promise<KubeObject> {
  const { apiVersion = '', kind = '', metadata = {} } = object;
  const resource = findKind(apiVersion, kind);
  if (!resource) return Promise.reject(new ApiError(`no kind ${kind} in ${apiVersion}`, 404));
  if (!metadata.name) return Promise.reject(new ApiError(`${kind}: metadata.name is required`, 422));
  const namespace = resource.namespaced ? (metadata.namespace ?? defaultNamespace) : '';
  const version = apiVersion.split('/').at(-1) ?? resource.version;
  return applyTo({ ...resource, version }, namespace, metadata.name, object, options);
}

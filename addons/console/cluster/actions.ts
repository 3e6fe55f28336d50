/** What the console does to objects, besides editing them. Each rejects with an ApiError. */
import { FIELD_MANAGER } from '../model/edit.ts';
import { at, listAt, textAt, without, type KubeObject, type Metadata } from '../model/object.ts';
import { podSelectorOf } from '../model/references.ts';
import { apiPath } from '../model/route.ts';
import type { Resource } from './discovery.ts';
import { call, send } from './request.ts';

const MERGE = 'application/merge-patch+json';
const STRATEGIC = 'application/strategic-merge-patch+json';
const JSON_PATCH = 'application/json-patch+json';
/** As kubectl writes it, so that each sees what the other has done. */
const RESTARTED_AT = 'kubectl.kubernetes.io/restartedAt';
const REVISION = 'deployment.kubernetes.io/revision';
const TEMPLATE_HASH = 'pod-template-hash';

const pathOf = (resource: Resource, { namespace = '', name = '' }: Metadata = {}, subresource = ''): string =>
  apiPath(resource, namespace, name, subresource);

const patch = (path: string, body: unknown, contentType: string): Promise<KubeObject> =>
  send<KubeObject>('PATCH', path, body, { contentType, query: { fieldManager: FIELD_MANAGER } });

export const scale = (resource: Resource, object: KubeObject, replicas: number): Promise<unknown> =>
  patch(pathOf(resource, object.metadata, 'scale'), { spec: { replicas } }, MERGE);

export const restart = (resource: Resource, object: KubeObject): Promise<unknown> =>
  patch(
    pathOf(resource, object.metadata),
    { spec: { template: { metadata: { annotations: { [RESTARTED_AT]: new Date().toISOString() } } } } },
    MERGE,
  );

export const setUnschedulable = (resource: Resource, object: KubeObject, unschedulable: boolean): Promise<unknown> =>
  patch(pathOf(resource, object.metadata), { spec: { unschedulable: unschedulable || null } }, MERGE);

export const setSuspended = (resource: Resource, object: KubeObject, suspend: boolean): Promise<unknown> =>
  patch(pathOf(resource, object.metadata), { spec: { suspend } }, MERGE);

/** @param orphan keeps what it owns */
export const remove = (resource: Resource, object: KubeObject, orphan: boolean): Promise<unknown> =>
  send('DELETE', pathOf(resource, object.metadata), {
    apiVersion: 'v1',
    kind: 'DeleteOptions',
    propagationPolicy: orphan ? 'Orphan' : 'Background',
    // Not another one of the same name that has been made meanwhile.
    preconditions: { uid: object.metadata?.uid },
  });

export interface Revision {
  readonly number: number;
  readonly createdAt: number;
  readonly images: readonly string[];
  readonly isCurrent: boolean;
  /** The body that brings it back, and what kind of patch it is. */
  readonly body: unknown;
  readonly contentType: string;
}

/** The revisions of a Deployment, StatefulSet or DaemonSet, the newest first. */
export async function revisionsOf(resource: Resource, object: KubeObject, signal: AbortSignal): Promise<Revision[]> {
  const { namespace = '', uid = '' } = object.metadata ?? {};
  const isDeployment = resource.resource === 'deployments';
  const history = { group: 'apps', version: 'v1', resource: isDeployment ? 'replicasets' : 'controllerrevisions' };
  const labelSelector = podSelectorOf(object) ?? '';
  const list = await call<{ items?: KubeObject[] }>(apiPath(history, namespace), { query: { labelSelector }, signal });
  const own = (list.items ?? []).filter(({ metadata }) =>
    metadata?.ownerReferences?.some((owner) => owner.uid === uid && owner.controller === true),
  );
  const revisions = own.map((one) => (isDeployment ? revisionOfReplicaSet(one) : revisionOfHistory(one)));
  revisions.sort((one, other) => other.number - one.number);
  return revisions.map((one, index) => ({ ...one, isCurrent: index === 0 }));
}

function revisionOfReplicaSet(replicaSet: KubeObject): Revision {
  const template = structuredClone(at(replicaSet, 'spec', 'template')) as {
    metadata?: { labels?: Record<string, string> };
  };
  const labels = without(template.metadata?.labels ?? {}, TEMPLATE_HASH);
  return {
    number: Number(replicaSet.metadata?.annotations?.[REVISION] ?? 0),
    createdAt: Date.parse(replicaSet.metadata?.creationTimestamp ?? ''),
    images: imagesOf(template),
    isCurrent: false,
    body: [
      { op: 'replace', path: '/spec/template', value: { ...template, metadata: { ...template.metadata, labels } } },
    ],
    contentType: JSON_PATCH,
  };
}

/** A ControllerRevision has the patch that brings it back. */
function revisionOfHistory(revision: KubeObject): Revision {
  return {
    number: Number(textAt(revision, 'revision')),
    createdAt: Date.parse(revision.metadata?.creationTimestamp ?? ''),
    images: imagesOf(at(revision, 'data', 'spec', 'template')),
    isCurrent: false,
    body: at(revision, 'data'),
    contentType: STRATEGIC,
  };
}

const imagesOf = (template: unknown): string[] =>
  listAt(template, 'spec', 'containers').map((container) => textAt(container, 'image'));

export const rollBack = (resource: Resource, object: KubeObject, { body, contentType }: Revision): Promise<unknown> =>
  patch(pathOf(resource, object.metadata), body, contentType);

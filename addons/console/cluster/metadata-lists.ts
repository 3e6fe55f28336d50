/** The metadata of objects of many kinds: who owns whom. */
import type { Known } from '../model/dependents.ts';
import type { Metadata } from '../model/object.ts';
import { apiPath } from '../model/route.ts';
import { resources, type Resource } from './discovery.ts';
import { ApiError, call } from './request.ts';

const AS_METADATA = 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io';
/** Of one kind. */
const MOST = 2_000;
/** Requests at a time. */
const PARALLEL = 6;
/** Many of them, and nobody looks for them here. */
const LEFT_OUT = new Set(['/events', 'events.k8s.io/events', '/componentstatuses']);

export interface MetadataLists {
  readonly objects: readonly Known[];
  /** Kinds that could not be read, or not to the end. */
  readonly incomplete: readonly string[];
}

/** In a namespace, or of the whole cluster. Never rejects for single kinds. */
export async function readMetadata(namespace: string, signal: AbortSignal): Promise<MetadataLists> {
  const listed = resources.value.filter(
    ({ group, resource, namespaced, verbs }) =>
      verbs.includes('list') &&
      verbs.includes('delete') &&
      (namespaced || namespace === '') &&
      !LEFT_OUT.has(`${group}/${resource}`),
  );
  const objects: Known[] = [];
  const incomplete: string[] = [];
  const queue = listed.values();
  const work = async (): Promise<void> => {
    for (const resource of queue) {
      const found = await readKind(resource, namespace, signal);
      objects.push(...found.objects);
      if (!found.isComplete) incomplete.push(resource.kind);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, work));
  return { objects, incomplete };
}

async function readKind(resource: Resource, namespace: string, signal: AbortSignal) {
  try {
    const list = await call<{ items?: { metadata?: Metadata }[]; metadata?: { continue?: string } }>(
      apiPath(resource, namespace),
      { accept: AS_METADATA, query: { limit: String(MOST) }, signal },
    );
    const { group, version, resource: plural, kind } = resource;
    const objects = (list.items ?? []).map(({ metadata = {} }) => ({
      group,
      version,
      resource: plural,
      kind,
      namespace: metadata.namespace ?? '',
      name: metadata.name ?? '',
      uid: metadata.uid ?? '',
      owners: metadata.ownerReferences ?? [],
    }));
    return { objects, isComplete: !list.metadata?.continue };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return { objects: [], isComplete: false };
  }
}

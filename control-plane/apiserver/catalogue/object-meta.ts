/** Metadata of all kinds: the fields that the server sets, and those that clients may not change. */
import { randomUUID, randomInt } from 'node:crypto';
import { SAFE_ALPHABET } from '../../../api/machinery/safe-alphabet.ts';
import type { Kind, KubeObject } from '../../../api/machinery/kind.ts';
import { inheritMetadata } from '../../../api/machinery/metadata.ts';
import { flatString } from '../../../api/machinery/flat-string.ts';
import { badRequest, StatusError } from '../../../api/machinery/status-error.ts';
import { timeOf } from '../../../api/machinery/time.ts';
import type { ObjectMeta } from '../../../api/types/meta/v1.gen.ts';

export type Stored = KubeObject & { metadata: ObjectMeta; spec?: unknown; status?: unknown };

/** Upstream's `k8s.io/apiserver/pkg/storage/names`. */
const SUFFIX_LENGTH = 5;
const MAX_GENERATED_BASE = 63 - SUFFIX_LENGTH;

export function generateName(base: string): string {
  let suffix = '';
  for (let i = 0; i < SUFFIX_LENGTH; i++) suffix += SAFE_ALPHABET[randomInt(SAFE_ALPHABET.length)];
  return flatString(base.slice(0, MAX_GENERATED_BASE) + suffix);
}

/** Sets the name and namespace of the URL in the object. Throws a 400 StatusError when they contradict the object's own. */
export function placeObject(kind: Kind, object: KubeObject, namespace: string, name: string): Stored {
  const metadata: ObjectMeta = (object.metadata ??= {});
  if (kind.namespaced) {
    metadata.namespace ||= namespace;
    if (metadata.namespace !== namespace) {
      throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
    }
  } else {
    delete metadata.namespace;
  }
  if (name) {
    metadata.name ||= name;
    if (metadata.name !== name) {
      throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${name})`);
    }
  }
  return object as Stored;
}

/** As `placeObject`, for an object that a client sends to a URL: it has to have the name itself. */
export function placeNamed(kind: Kind, object: KubeObject, namespace: string, name: string): Stored {
  const isNamed = Boolean(object.metadata?.name);
  const placed = placeObject(kind, object, namespace, name);
  if (isNamed) return placed;
  throw badRequest(`the name of the object (${name} based on URL) was undeterminable: name must be provided`);
}

/**
 * A new object has no version. One that is sent is refused with a 500 StatusError, as by upstream's storage after everything else has been
 * found right; dry runs do not get there.
 */
export function refuseVersion({ metadata }: Stored, dryRun: boolean): void {
  if (metadata.resourceVersion && !dryRun)
    throw new StatusError({
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: 'resourceVersion should not be set on objects to be created',
      code: 500,
    });
  delete metadata.resourceVersion;
}

/** Removes what no client can say of an object that it creates. */
export function wipeSystemFields({ metadata }: Stored): void {
  delete metadata.uid;
  delete metadata.creationTimestamp;
  delete metadata.deletionTimestamp;
  delete metadata.deletionGracePeriodSeconds;
  delete metadata.selfLink;
}

/** Initializes the metadata of a new object. */
export function fillSystemFields(kind: Kind, object: Stored, now: number): void {
  wipeSystemFields(object);
  const { metadata } = object;
  metadata.uid = flatString(randomUUID());
  metadata.creationTimestamp = timeOf(now);
  // Of other kinds it is nobody's affair, and the client's is kept.
  if (kind.hasGeneration) metadata.generation = 1;
  delete metadata.managedFields;
}

/** Restores the immutable metadata of an updated object. */
export function keepSystemFields(object: Stored, old: Stored): void {
  const { metadata } = object;
  const before = old.metadata;
  inheritMetadata(metadata, before);
  metadata.generation = before.generation;
  metadata.resourceVersion = before.resourceVersion;
  delete metadata.managedFields;
}

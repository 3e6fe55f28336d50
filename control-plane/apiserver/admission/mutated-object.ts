/** Takes over what a webhook or a policy has made of the object of a request. */
import { decodeObject } from '../../../api/machinery/decode.ts';
import type { Kind, KubeObject } from '../../../api/machinery/kind.ts';
import { badRequest } from '../../../api/machinery/status-error.ts';
import type { AdmissionRequest } from './plugin.ts';

/** A request in one of the versions of its kind. */
export interface VersionedRequest {
  readonly kind: Kind;
  readonly objectKind: Pick<Kind, 'group' | 'version' | 'kind'>;
  readonly object: KubeObject | undefined;
  readonly old: KubeObject | undefined;
}

/** The request in another version of its kind. */
export function versioned(request: AdmissionRequest, kind: Kind): VersionedRequest {
  const { object, old } = request;
  const objectKind = request.objectKind ?? kind;
  if (kind === request.kind || request.objectKind) return { kind, objectKind, object, old };
  const convert = (one: KubeObject | undefined) => one && converted(one, request.kind, kind);
  return { kind, objectKind, object: convert(object), old: convert(old) };
}

/** Converts by way of the version that is stored. The result is complete, and may be changed. */
function converted(object: KubeObject, from: Kind, to: Kind): KubeObject {
  const stored = from.storedAs ? from.storedAs.toStored(object) : object;
  const shown = to.storedAs ? to.storedAs.fromStored(stored) : stored;
  return decodeObject(to, { ...shown, apiVersion: to.group ? `${to.group}/${to.version}` : to.version, kind: to.kind })
    .object;
}

/**
 * The object of a request's kind that a mutated one of `asked.kind` stands for: decoded (which drops unknown fields, told by
 * `problems`), defaulted and converted. Throws DecodeError or RangeError.
 */
export function completed(
  request: AdmissionRequest,
  asked: VersionedRequest,
  mutated: Record<string, unknown>,
): { readonly object: KubeObject; readonly problems: readonly string[] } {
  const { kind, objectKind = kind } = request;
  if (!request.objectKind && asked.kind !== kind) {
    const { object, problems } = asked.kind.decode(mutated);
    asked.kind.applyDefaults(object);
    return { object: converted(object, asked.kind, kind), problems };
  }
  const { object, problems } = objectKind.decode?.(mutated) ?? { object: mutated, problems: [] };
  objectKind.applyDefaults?.(object);
  return { object, problems };
}

/**
 * Puts what has become of the request's object in its place: others hold the object already. The system's fields of an object that
 * is created, and its place, stay. Throws a 400 StatusError when the namespace has changed.
 */
export function takeOver(request: AdmissionRequest, object: KubeObject, result: KubeObject): void {
  if (object.metadata) keepIdentity(result, object, request);
  for (const key of Object.keys(object)) delete object[key as keyof KubeObject];
  Object.assign(object, result);
}

function keepIdentity(
  result: KubeObject,
  { metadata }: KubeObject,
  { operation, subresource }: AdmissionRequest,
): void {
  result.metadata ??= {};
  if (operation !== 'CREATE' || subresource !== '') return;
  if (result.metadata.namespace !== metadata?.namespace)
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  const { uid, creationTimestamp, generation } = metadata ?? {};
  Object.assign(result.metadata, { uid, creationTimestamp, generation });
  delete result.metadata.resourceVersion;
  delete result.metadata.deletionTimestamp;
  delete result.metadata.deletionGracePeriodSeconds;
}

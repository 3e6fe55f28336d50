/** Takes over what a webhook or a policy has made of the object of a request. */
import { decodeObject } from '../../../api/machinery/decode.ts';
import type { Kind, KubeObject } from '../../../api/machinery/kind.ts';
import { setOwn } from '../../../api/machinery/own.ts';
import { badRequest } from '../../../api/machinery/status-error.ts';
import type { AdmissionRequest } from './plugin.ts';

/** A request in one of the versions of its kind. */
export interface VersionedRequest {
  readonly kind: Kind;
  readonly objectKind: Pick<Kind, 'group' | 'version' | 'kind'>;
  readonly object: KubeObject | undefined;
  readonly old: KubeObject | undefined;
}

/** A request in versions of its kind, each converted once. */
export class RequestForms {
  readonly #request: AdmissionRequest;
  readonly #known = new Map<Kind, Promise<VersionedRequest>>();

  constructor(request: AdmissionRequest) {
    this.#request = request;
  }

  /** Rejects with a 500 StatusError when a webhook cannot convert the object. */
  of(kind: Kind): Promise<VersionedRequest> {
    let form = this.#known.get(kind);
    if (!form) {
      form = versioned(this.#request, kind);
      this.#known.set(kind, form);
    }
    return form;
  }

  /** The object has changed. */
  forget(): void {
    this.#known.clear();
  }
}

async function versioned(request: AdmissionRequest, kind: Kind): Promise<VersionedRequest> {
  const { object, old } = request;
  const objectKind = request.objectKind ?? kind;
  if (kind === request.kind || request.objectKind) return { kind, objectKind, object, old };
  const given = [object, old].filter((one) => one !== undefined);
  const shown = await converted(given, request.kind, kind);
  return { kind, objectKind, object: object && shown[0], old: old && shown.at(-1) };
}

/**
 * Converts by way of the version that is stored, or by the webhook of the definition. The results are complete, and may be changed.
 * Rejects with a 500 StatusError.
 */
async function converted(objects: readonly KubeObject[], from: Kind, to: Kind): Promise<KubeObject[]> {
  const webhook = to.custom?.conversion;
  const typed = (object: KubeObject, { group, version, kind }: Kind): KubeObject => ({
    ...object,
    apiVersion: group ? `${group}/${version}` : version,
    kind,
  });
  const shown = webhook
    ? await webhook.convert(
        objects.map((object) => typed(object, from)),
        to.version,
      )
    : objects.map((object) => {
        const stored = from.storedAs ? from.storedAs.toStored(object) : object;
        return to.storedAs ? to.storedAs.fromStored(stored) : stored;
      });
  return shown.map((object) => decodeObject(to, typed(object, to)).object);
}

/**
 * The object of a request's kind that a mutated one of `asked.kind` stands for: decoded (which drops unknown fields, told by
 * `problems`), defaulted and converted. Rejects with a DecodeError, a RangeError or a 500 StatusError.
 */
export async function completed(
  request: AdmissionRequest,
  asked: VersionedRequest,
  mutated: Record<string, unknown>,
): Promise<{ readonly object: KubeObject; readonly problems: readonly string[] }> {
  const { kind, objectKind = kind } = request;
  if (!request.objectKind && asked.kind !== kind) {
    const { object, problems } = asked.kind.decode(mutated);
    asked.kind.applyDefaults(object);
    const [result = object] = await converted([object], asked.kind, kind);
    return { object: result, problems };
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
  const fields = object as Record<string, unknown>;
  for (const key of Object.keys(fields)) delete fields[key];
  // Fields of custom resources may have any name.
  for (const [key, value] of Object.entries(result)) setOwn(fields, key, value);
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

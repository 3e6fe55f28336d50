/** Decoding of a request's body, or of what a patch makes of an object, as an object of a kind. */
import { invalid } from './field-error.ts';
import type { Decoded, Decoder, KubeObject } from './kind.ts';
import { isJsonObject } from './own.ts';
import { DecodeError, jsonType } from './schema-decoder.ts';
import { badRequest, invalidObject, type StatusError } from './status-error.ts';

/** What `decodeObject` needs to know of a kind. */
export interface Decodable<T> {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly alsoAccepts?: readonly string[];
  readonly decode: Decoder<T>;
}

/**
 * Decodes a request's body as an object of `kind`. An apiVersion or kind that the body leaves out is filled in.
 * Throws a 400 BadRequest StatusError for a wrong apiVersion, a wrong kind, or a field of a wrong type.
 */
export function decodeObject<T extends KubeObject>(kind: Decodable<T>, body: unknown): Decoded<T> {
  // Upstream decodes null into an empty object.
  return decodeAs(kind, body ?? {}, badRequest, ({ message }) => badRequest(`${cannotHandle(kind)}: ${message}`));
}

/** How upstream's message begins when a body cannot be decoded. */
export const cannotHandle = ({ kind, version }: Pick<Decodable<unknown>, 'kind' | 'version'>): string =>
  `${kind} in version ${JSON.stringify(version)} cannot be handled as a ${kind}`;

function decodeAs<T extends KubeObject>(
  kind: Decodable<T>,
  body: unknown,
  refuseWhole: (message: string) => Error,
  refuse: (error: DecodeError) => Error,
): Decoded<T> {
  const expected = kind.group ? `${kind.group}/${kind.version}` : kind.version;
  if (!isJsonObject(body)) {
    const detail = `json: cannot unmarshal ${jsonType(body)} into Go value of type struct { APIVersion string; Kind string }`;
    throw refuseWhole(`couldn't get version/kind; json parse error: ${detail}`);
  }
  const { apiVersion, kind: named } = body;
  if ((apiVersion ?? '') !== '' && apiVersion !== expected && !kind.alsoAccepts?.some((each) => each === apiVersion)) {
    const given = typeof apiVersion === 'string' ? apiVersion : JSON.stringify(apiVersion);
    throw badRequest(`the API version in the data (${given}) does not match the expected API version (${expected})`);
  }
  const place = typeof named === 'string' && named ? named : kind.kind;
  if (place !== kind.kind) {
    throw badRequest(
      `${place} in version ${JSON.stringify(kind.version)} cannot be handled as a ${kind.kind}: converting (v1.${place}) to (${kind.kind}): unknown conversion`,
    );
  }
  try {
    const decoded = kind.decode(body);
    decoded.object.apiVersion = expected;
    decoded.object.kind = kind.kind;
    keepReset(body, decoded.object);
    return decoded;
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    throw refuse(error);
  }
}

/** An empty list of managedFields is not the same as none: it asks for an object without managers. */
function keepReset({ metadata }: Readonly<Record<string, unknown>>, object: KubeObject): void {
  if (!isJsonObject(metadata) || !object.metadata) return;
  const { managedFields } = metadata;
  if (Array.isArray(managedFields) && managedFields.length === 0) object.metadata.managedFields = [];
}

/**
 * Decodes what a patch made of an object. Throws a 422 Invalid StatusError for a field of a wrong type, as upstream does
 * there; `shown` returns what the message quotes, `words` is the message of the DecodeError to use.
 */
export function decodePatched<T extends KubeObject>(
  kind: Decodable<T>,
  patched: unknown,
  shown: () => string,
  words: 'message' | 'ofMap' = 'message',
): Decoded<T> {
  const refuse = (message: string): StatusError => invalidPatch(shown(), message);
  return decodeAs(kind, patched, refuse, (error) => refuse(error[words]));
}

/**
 * A patch whose result is not valid.
 * @param shown the patch, or its result
 */
export const invalidPatch = (shown: string, message: string): StatusError =>
  invalidObject({ group: '', kind: '' }, '', [invalid('patch', shown, message)]);

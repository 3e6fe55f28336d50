/** The AdmissionReview that a webhook receives and answers: https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/ */
import type { Kind, KubeObject } from '../../../../api/machinery/kind.ts';
import { isJsonObject, own } from '../../../../api/machinery/own.ts';
import { decoderOf } from '../../../../api/machinery/schema-decoder.ts';
import { StatusError } from '../../../../api/machinery/status-error.ts';
import { Status } from '../../../../api/types/meta/v1.gen.ts';
import { RequestForms, type VersionedRequest } from '../mutated-object.ts';
import type { AdmissionRequest } from '../plugin.ts';
import { namespaceOf } from './matching.ts';

const META = 'meta.k8s.io/v1';
const GROUP = 'admission.k8s.io';
const KNOWN_VERSIONS = ['v1', 'v1beta1'];

type GroupVersionKind = Pick<Kind, 'group' | 'version' | 'kind'>;

/** The first version that both sides know; undefined when there is none. */
export const reviewVersion = (versions: readonly string[]): string | undefined =>
  versions.find((version) => KNOWN_VERSIONS.includes(version));

/** With its version and kind, which an object in memory may lack. */
export const typedObject = (
  object: KubeObject | undefined,
  { group, version, kind }: GroupVersionKind,
): KubeObject | undefined => object && { ...object, apiVersion: group ? `${group}/${version}` : version, kind };

const plainKind = ({ group, version, kind }: GroupVersionKind) => ({ group, version, kind });
const plainResource = ({ group, version, plural }: Kind) => ({ group, version, resource: plural });

/** A request as webhooks see it: converted to each version once, and serialized once for all that see the same. */
export class ReviewedRequest {
  readonly request: AdmissionRequest;
  readonly #forms: RequestForms;
  readonly #bodies = new WeakMap<VersionedRequest, Buffer>();

  constructor(request: AdmissionRequest) {
    this.request = request;
    this.#forms = new RequestForms(request);
  }

  /** Rejects with a 500 StatusError when a webhook cannot convert the object. */
  in(kind: Kind): Promise<VersionedRequest> {
    return this.#forms.of(kind);
  }

  /** The object has changed. */
  forget(): void {
    this.#forms.forget();
  }

  /** The pieces of an AdmissionReview, of which the long one is the same for all webhooks. */
  review(uid: string, version: string, asked: VersionedRequest): readonly Buffer[] {
    let body = this.#bodies.get(asked);
    if (!body) {
      body = Buffer.from(`${JSON.stringify(this.#about(asked)).slice(1)}}`);
      this.#bodies.set(asked, body);
    }
    const apiVersion = JSON.stringify(`${GROUP}/${version}`);
    const head = `{"kind":"AdmissionReview","apiVersion":${apiVersion},"request":{"uid":${JSON.stringify(uid)},`;
    return [Buffer.from(head), body];
  }

  /** Without the uid. */
  #about(asked: VersionedRequest): object {
    return {
      ...requestAttributes(asked, this.request),
      object: typedObject(asked.object, asked.objectKind) ?? null,
      oldObject: typedObject(asked.old, asked.objectKind) ?? null,
    };
  }
}

/** An AdmissionRequest without its uid and objects. */
export function requestAttributes(asked: Omit<VersionedRequest, 'object' | 'old'>, request: AdmissionRequest): object {
  const { user, subresource, operation, name, dryRun } = request;
  const namespace = namespaceOf(request);
  return {
    kind: plainKind(asked.objectKind),
    resource: plainResource(asked.kind),
    ...(subresource && { subResource: subresource }),
    requestKind: plainKind(request.objectKind ?? request.kind),
    requestResource: plainResource(request.kind),
    ...(subresource && { requestSubResource: subresource }),
    ...(name && { name }),
    ...(namespace && { namespace }),
    operation,
    userInfo: {
      username: user.name,
      ...(user.uid && { uid: user.uid }),
      groups: user.groups,
      ...(user.extra && Object.keys(user.extra).length > 0 && { extra: user.extra }),
    },
    dryRun,
    options: operationOptions(request),
  };
}

function operationOptions({ operation, origin, dryRun, deleteOptions }: AdmissionRequest): object | null {
  if (operation === 'CONNECT') return null;
  if (operation === 'DELETE') return { ...deleteOptions, kind: 'DeleteOptions', apiVersion: META };
  const given = (name: string): Record<string, string> => {
    const value = origin?.info.query.get(name);
    return value ? { [name]: value } : {};
  };
  return {
    kind: operation === 'CREATE' ? 'CreateOptions' : 'UpdateOptions',
    apiVersion: META,
    ...(dryRun && { dryRun: ['All'] }),
    ...given('fieldManager'),
    ...given('fieldValidation'),
  };
}

export interface ReviewResponse {
  readonly allowed: boolean;
  readonly result: Status | undefined;
  /** A JSON patch; undefined for none. */
  readonly patch: string | undefined;
  readonly patchType: string;
  readonly warnings: readonly string[];
  readonly auditAnnotations: readonly (readonly [string, string])[];
}

/** Verifies an answer as upstream's `VerifyAdmissionResponse`. Throws an Error that says what is wrong with it. */
export function verifyReview(answer: unknown, uid: string, version: string, mutating: boolean): ReviewResponse {
  const review = isJsonObject(answer) ? answer : {};
  const response = own(review, 'response');
  if (!isJsonObject(response)) throw new Error('webhook response was absent');
  if (version === 'v1') verifyIdentity(review, response, uid);
  const patchText = text(own(response, 'patch'));
  const patchType = own(response, 'patchType');
  if (version === 'v1') verifyPatch(patchText !== '', patchType, mutating);
  const patch = mutating && patchText !== '' ? Buffer.from(patchText, 'base64').toString() : undefined;
  const result = own(response, 'status');
  return {
    allowed: own(response, 'allowed') === true,
    result: isJsonObject(result) ? statusOf(result) : undefined,
    patch,
    patchType: version === 'v1' ? text(patchType) : 'JSONPatch',
    warnings: texts(own(response, 'warnings')),
    auditAnnotations: annotationsOf(own(response, 'auditAnnotations')),
  };
}

function verifyIdentity(review: Record<string, unknown>, response: Record<string, unknown>, uid: string): void {
  const answered = text(own(response, 'uid'));
  if (answered !== uid)
    throw new Error(`expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(answered)}`);
  const apiVersion = text(own(review, 'apiVersion'));
  const kind = text(own(review, 'kind'));
  if (apiVersion === `${GROUP}/v1` && kind === 'AdmissionReview') return;
  throw new Error(`expected webhook response of ${GROUP}/v1, Kind=AdmissionReview, got ${apiVersion}, Kind=${kind}`);
}

function verifyPatch(hasPatch: boolean, patchType: unknown, mutating: boolean): void {
  const hasType = patchType !== undefined && patchType !== null;
  if (!mutating) {
    if (hasPatch) throw new Error('validating webhook may not return response.patch');
    if (hasType) throw new Error('validating webhook may not return response.patchType');
    return;
  }
  if (hasPatch && !hasType) throw new Error('webhook returned response.patch but not response.patchType');
  if (!hasPatch && hasType) throw new Error('webhook returned response.patchType but not response.patch');
  if (hasType && patchType === '') throw new Error('webhook returned invalid response.patchType of ""');
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const texts = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];

function annotationsOf(value: unknown): [string, string][] {
  if (!isJsonObject(value)) return [];
  return Object.entries(value).flatMap(([key, note]): [string, string][] =>
    typeof note === 'string' ? [[key, note]] : [],
  );
}

const decodeStatus = decoderOf<Status>(Status);
/** Of what a webhook says, as much goes into the message, and so many causes. */
const MAX_MESSAGE_CHARS = 16_384;
const MAX_CAUSES = 100;

/**
 * What a client may be told of a webhook's status: the fields of one, which become headers and protobuf. Throws DecodeError when they
 * are of other types.
 */
function statusOf(given: Record<string, unknown>): Status {
  const { status, message, reason, details, code } = decodeStatus(given).object;
  return {
    status,
    message: message?.slice(0, MAX_MESSAGE_CHARS),
    reason: reason?.slice(0, MAX_MESSAGE_CHARS),
    details: details && { ...details, causes: details.causes?.slice(0, MAX_CAUSES) },
    code,
  };
}

const FIRST_ERROR_CODE = 400;
const LAST_CODE = 599;

/** The error of a refusal: upstream's `ToStatusErr`. */
export function refusal(webhook: string, result: Status = {}): StatusError {
  const deniedBy = `admission webhook ${JSON.stringify(webhook)} denied the request`;
  const { message, reason, details, code = 0, status } = result;
  const why = message || reason;
  return new StatusError({
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: !status || status === 'Success' ? 'Failure' : status,
    message: why ? `${deniedBy}: ${why}` : `${deniedBy} without explanation`,
    ...(reason && { reason }),
    ...(details && { details }),
    code: code < FIRST_ERROR_CODE || code > LAST_CODE ? FIRST_ERROR_CODE : code,
  });
}

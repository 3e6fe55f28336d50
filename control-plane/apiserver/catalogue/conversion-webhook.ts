/**
 * Asks a webhook to convert custom resources between the versions of their definition.
 * https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning/#webhook-conversion
 */
import { randomUUID } from 'node:crypto';
import { deepEqual } from '../../../api/machinery/deep-equal.ts';
import type { KubeObject } from '../../../api/machinery/kind.ts';
import { validateAnnotations, validateLabels } from '../../../api/machinery/metadata.ts';
import { isJsonObject, own, setOwn } from '../../../api/machinery/own.ts';
import { unclassified } from '../../../api/machinery/status-error.ts';
import type { CustomResourceDefinition, WebhookClientConfig } from '../../../api/types/apiextensions/v1.gen.ts';
import type { ObjectMeta } from '../../../api/types/meta/v1.gen.ts';
import type { ConversionFailure, CustomResourceMetrics } from './metrics.ts';

/** Posts a review to a webhook and returns its parsed answer. Throws an Error that says why there is none. */
export type CallWebhook = (config: WebhookClientConfig, review: object, limitMs: number) => Promise<unknown>;

/** Upstream's. */
const LIMIT_MS = 30_000;
const GROUP = 'apiextensions.k8s.io';
const KNOWN_VERSIONS = ['v1', 'v1beta1'];
/** Of objects in a review; the client limits the answer to a multiple of the bytes. */
const MAX_BATCH_OBJECTS = 250;
const MAX_BATCH_BYTES = 1024 * 1024;

type Json = Record<string, unknown>;

/** What a webhook has answered is not what was asked for. */
class BadAnswer extends Error {
  override readonly name = 'BadAnswer';
}

export class ConversionWebhook {
  readonly #group: string;
  readonly #config: WebhookClientConfig;
  readonly #reviewVersion: string | undefined;
  readonly #call: CallWebhook;
  readonly #definition: string;
  readonly #metrics: CustomResourceMetrics;

  constructor({ metadata, spec }: CustomResourceDefinition, call: CallWebhook, metrics: CustomResourceMetrics) {
    this.#group = spec.group;
    const { clientConfig = {}, conversionReviewVersions = [] } = spec.conversion?.webhook ?? {};
    this.#config = clientConfig;
    this.#reviewVersion = conversionReviewVersions.find((version) => KNOWN_VERSIONS.includes(version));
    this.#call = call;
    this.#definition = metadata?.name ?? '';
    this.#metrics = metrics;
  }

  /**
   * Returns the objects in a version, in their order: new ones, or the same where they are of the version already. Throws a 500
   * StatusError with upstream's message.
   */
  readonly convert = async (objects: readonly KubeObject[], version: string): Promise<KubeObject[]> => {
    const apiVersion = `${this.#group}/${version}`;
    const converted = [...objects];
    const wanted = objects.flatMap((object, index) => (object.apiVersion === apiVersion ? [] : [{ object, index }]));
    const asked = wanted.filter(({ object, index }) => {
      if (!isEmpty(object)) return true;
      converted[index] = { ...object, apiVersion };
      return false;
    });
    for (let from = 0; from < asked.length;) {
      const to = endOfBatch(asked, from);
      const batch = asked.slice(from, to);
      const answers = await this.#measured(
        batch.map(({ object }) => object),
        apiVersion,
      );
      for (const [at, { index }] of batch.entries()) converted[index] = answers[at] ?? {};
      from = to;
    }
    return converted;
  };

  async #measured(objects: readonly KubeObject[], desiredAPIVersion: string): Promise<KubeObject[]> {
    const startedAt = performance.now();
    const [from, to] = [objects[0]?.apiVersion ?? '', desiredAPIVersion].map(versionOf);
    let succeeded = false;
    const call: { failure?: ConversionFailure | undefined } = {};
    try {
      const answers = await this.#review(objects, desiredAPIVersion, call);
      succeeded = true;
      return answers;
    } finally {
      const seconds = (performance.now() - startedAt) / 1000;
      this.#metrics.converted(this.#definition, from ?? '', to ?? '', succeeded, seconds);
      if (succeeded || call.failure) this.#metrics.called(call.failure, seconds);
    }
  }

  /** @param call takes the kind of a failure of the webhook */
  async #review(
    objects: readonly KubeObject[],
    desiredAPIVersion: string,
    call: { failure?: ConversionFailure | undefined },
  ): Promise<KubeObject[]> {
    const version = this.#reviewVersion;
    if (version === undefined) throw unclassified('no supported conversion review versions');
    const [first = {}] = objects;
    const what = `conversion webhook for ${first.apiVersion}, Kind=${first.kind}`;
    const uid = randomUUID();
    const review = {
      kind: 'ConversionReview',
      apiVersion: `${GROUP}/${version}`,
      request: { uid, desiredAPIVersion, objects },
      response: { uid: '', convertedObjects: null, result: { metadata: {} } },
    };
    let answers: readonly unknown[];
    try {
      call.failure = 'conversion_webhook_call_failure';
      const answer = await this.#call(this.#config, review, LIMIT_MS);
      call.failure = 'conversion_webhook_malformed_response_failure';
      answers = convertedObjects(answer, uid, version);
    } catch (error) {
      throw unclassified(`${what} failed: ${error instanceof Error ? error.message : String(error)}`);
    }
    call.failure = 'conversion_webhook_partial_response_failure';
    if (answers.length !== objects.length)
      throw unclassified(`${what} returned ${answers.length} objects, expected ${objects.length}`);
    call.failure = 'conversion_webhook_invalid_converted_object_failure';
    try {
      const converted = objects.map((object, index) => verified(object, answers[index], desiredAPIVersion, index));
      call.failure = undefined;
      return converted;
    } catch (error) {
      if (error instanceof BadAnswer) throw unclassified(`${what} returned ${error.message}`);
      throw error;
    }
  }
}

const versionOf = (apiVersion: string): string => apiVersion.slice(apiVersion.indexOf('/') + 1);

/** An object without fields is the same in every version. */
const isEmpty = ({ apiVersion: _, kind: __, metadata = {}, ...rest }: KubeObject): boolean =>
  Object.keys(rest).length === 0 && Object.keys(metadata).length === 0;

function endOfBatch(objects: readonly { readonly object: KubeObject }[], from: number): number {
  let bytes = 0;
  let to = from;
  for (; to < objects.length && to - from < MAX_BATCH_OBJECTS; to++) {
    bytes += JSON.stringify(objects[to]?.object).length;
    if (to > from && bytes > MAX_BATCH_BYTES) break;
  }
  return to;
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/** Upstream's `getConvertedObjectsFromResponse`. */
function convertedObjects(answer: unknown, uid: string, version: string): readonly unknown[] {
  const review = isJsonObject(answer) ? answer : {};
  const apiVersion = text(own(review, 'apiVersion'));
  const kind = text(own(review, 'kind'));
  if (version === 'v1' && (apiVersion !== `${GROUP}/v1` || kind !== 'ConversionReview'))
    throw new Error(`expected webhook response of ${GROUP}/v1, Kind=ConversionReview, got ${apiVersion}, Kind=${kind}`);
  const response = own(review, 'response');
  if (!isJsonObject(response)) throw new Error('no response provided');
  const answered = text(own(response, 'uid'));
  if (version === 'v1' && answered !== uid)
    throw new Error(`expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(answered)}`);
  const result = own(response, 'result');
  const { status, message } = isJsonObject(result) ? result : {};
  if (status !== 'Success') {
    const why = text(message).slice(0, MAX_MESSAGE);
    throw new Error(why || `response.result.status was '${text(status).slice(0, MAX_MESSAGE)}', not 'Success'`);
  }
  const objects = own(response, 'convertedObjects');
  return Array.isArray(objects) ? objects : [];
}

/** Of what a webhook says, as much goes into the message. */
const MAX_MESSAGE = 2048;

/** Returns a converted object with the metadata of the original, but for labels and annotations. */
function verified(original: KubeObject, answer: unknown, apiVersion: string, index: number): KubeObject {
  const converted = isJsonObject(answer) ? answer : {};
  const got = { apiVersion: text(own(converted, 'apiVersion')), kind: text(own(converted, 'kind')) };
  const invalidAt = `invalid object at index ${index}`;
  if (got.apiVersion !== apiVersion)
    throw new BadAnswer(`${invalidAt}: invalid groupVersion (expected ${apiVersion}, received ${got.apiVersion})`);
  if (got.kind !== original.kind)
    throw new BadAnswer(`${invalidAt}: invalid kind (expected ${original.kind}, received ${got.kind})`);
  const metadata = own(converted, 'metadata');
  const has = isJsonObject(metadata) ? metadata : {};
  const expected = original.metadata ?? {};
  const same = (what: string, one: string | undefined, other: unknown): void => {
    if ((one ?? '') !== text(other))
      throw new BadAnswer(`invalid object: must have the same ${what}: ${one ?? ''} != ${text(other)}`);
  };
  same('name', expected.name, own(has, 'name'));
  same('namespace', expected.namespace, own(has, 'namespace'));
  same('UID', expected.uid, own(has, 'uid'));
  return { ...converted, metadata: restoredMetadata(expected, metadata) };
}

/** Upstream's `restoreObjectMeta`. */
function restoredMetadata(original: ObjectMeta, answered: unknown): Json {
  const invalid = (why: string): BadAnswer => new BadAnswer(`invalid metadata: ${why}`);
  if (answered === undefined) throw invalid('missing metadata in converted object');
  if (!isJsonObject(answered)) throw invalid(`invalid metadata of type ${goType(answered)} in converted object`);
  const metadata: Json = { ...original };
  for (const field of ['labels', 'annotations'] as const) {
    const value = own(answered, field) ?? undefined;
    delete metadata[field];
    if (value === undefined) continue;
    if (!isJsonObject(value)) throw invalid(`invalid metadata.${field} of type ${goType(value)} in converted object`);
    for (const [key, item] of Object.entries(value))
      if (typeof item !== 'string')
        throw invalid(`metadata.${field}[${key}] must be a string, but is ${goType(item)} in converted object`);
    if (!deepEqual(value, original[field])) checkEntries(field, value as Record<string, string>, invalid);
    setOwn(metadata, field, value);
  }
  return metadata;
}

function checkEntries(field: string, value: Record<string, string>, invalid: (why: string) => Error): void {
  const found =
    field === 'labels' ? validateLabels(value, 'metadata.labels') : validateAnnotations(value, 'metadata.annotation');
  const errors = found.map((error) => `${error.field}: ${error.message}`);
  if (errors.length > 0) throw invalid(errors.length === 1 ? String(errors[0]) : `[${errors.join(', ')}]`);
}

/** As Go's `%T` prints the type of a parsed value. */
function goType(value: unknown): string {
  if (value === null) return '<nil>';
  if (Array.isArray(value)) return '[]interface {}';
  if (typeof value === 'object') return 'map[string]interface {}';
  if (typeof value === 'number') return Number.isInteger(value) ? 'int64' : 'float64';
  return typeof value === 'boolean' ? 'bool' : typeof value;
}

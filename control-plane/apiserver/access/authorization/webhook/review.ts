/** The review that a webhook is sent, and what it answers. */
import { Extent } from '../../../../../api/machinery/extent.ts';
import { isJsonObject } from '../../../../../api/machinery/own.ts';
import { DecodeError, decoderOf } from '../../../../../api/machinery/schema-decoder.ts';
import {
  SubjectAccessReview,
  type ResourceAttributes,
  type SubjectAccessReviewSpec,
} from '../../../../../api/types/authorization/v1.gen.ts';
import type { User } from '../../../http/user.ts';
import type { Attributes } from '../authorizer.ts';
import { fieldRequirements, labelRequirements } from '../review-selectors.ts';

export type ReviewVersion = 'v1' | 'v1beta1';

/** A webhook's answer. Neither is no opinion. */
export interface Answer {
  readonly allowed: boolean;
  readonly denied: boolean;
  readonly reason: string;
}

/** As much of a reason is kept, and told to users. */
const MAX_REASON_CHARS = 2048;

const decode = decoderOf<SubjectAccessReview>(SubjectAccessReview);

/** Fields are always in the same order, so that its JSON is the same for the same question and differs for others. */
export function reviewSpec({ name, uid, groups, extra = {} }: User, attributes: Attributes): SubjectAccessReviewSpec {
  const sorted = Object.entries(extra).sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    ...(attributes.isResource
      ? { resourceAttributes: resourceAttributes(attributes) }
      : { nonResourceAttributes: { path: attributes.path, verb: attributes.verb } }),
    user: name,
    groups: [...groups],
    ...(sorted.length > 0 && { extra: Object.fromEntries(sorted.map(([key, values]) => [key, [...values]])) }),
    ...(uid && { uid }),
  };
}

function resourceAttributes(attributes: Attributes): ResourceAttributes {
  const { namespace, verb, group, version, resource, subresource, name, fieldSelector, labelSelector } = attributes;
  const fields = fieldRequirements(fieldSelector);
  const labels = labelRequirements(labelSelector);
  return {
    ...(namespace && { namespace }),
    ...(verb && { verb }),
    ...(group && { group }),
    ...(version && { version }),
    ...(resource && { resource }),
    ...(subresource && { subresource }),
    ...(name && { name }),
    ...(fields && { fieldSelector: { requirements: fields } }),
    ...(labels && { labelSelector: { requirements: labels } }),
  };
}

/** In v1beta1, groups are called `group`. */
export function reviewText(version: ReviewVersion, { groups, ...spec }: SubjectAccessReviewSpec): string {
  return JSON.stringify({
    kind: 'SubjectAccessReview',
    apiVersion: apiVersionOf(version),
    metadata: {},
    spec: { ...spec, [version === 'v1' ? 'groups' : 'group']: groups },
    status: { allowed: false },
  });
}

/** Throws an Error for what is no answer. */
export function readAnswer(version: ReviewVersion, text: string): Answer {
  const value: unknown = JSON.parse(text);
  Extent.of(value);
  const apiVersion = apiVersionOf(version);
  if (!isJsonObject(value) || value['kind'] !== 'SubjectAccessReview' || value['apiVersion'] !== apiVersion)
    throw new Error(`the answer is no SubjectAccessReview of ${apiVersion}`);
  try {
    // Only what is asked for: the specification need not come back, and has other fields in v1beta1.
    const { kind, status } = value;
    const { allowed = false, denied = false, reason = '' } = decode({ kind, spec: {}, status }).object.status ?? {};
    return { allowed, denied, reason: reason.slice(0, MAX_REASON_CHARS) };
  } catch (error) {
    throw error instanceof DecodeError ? new Error(error.message, { cause: error }) : error;
  }
}

const apiVersionOf = (version: ReviewVersion): string => `authorization.k8s.io/${version}`;

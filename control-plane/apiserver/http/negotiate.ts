/** Content negotiation: the form and encoding of a response. https://kubernetes.io/docs/reference/using-api/api-concepts/ */
import { hasProtobuf } from '../../../api/machinery/protobuf/encode.ts';
import type { Shape } from '../../../api/machinery/schema.ts';
import { notAcceptable } from '../../../api/machinery/status-error.ts';

export const PROTOBUF_TYPE = 'application/vnd.kubernetes.protobuf';

/** `metadata` is PartialObjectMetadata. */
export type Form = 'object' | 'table' | 'metadata';

/** The group and version of tables and PartialObjectMetadata. */
export type MetaVersion = 'meta.k8s.io/v1' | 'meta.k8s.io/v1beta1';

export interface Accepted {
  readonly form: Form;
  readonly metaVersion: MetaVersion;
  readonly encoding: 'json' | 'yaml' | 'protobuf';
  /** Objects and their metadata are shown without `metadata.managedFields`: asked for by `;omit=managedFields`, in JSON only. */
  readonly omitsOwners?: boolean;
}

const TEXT_TYPES = 'application/json, application/yaml';

/** The error for a client that accepts none of the encodings of an object of this shape. */
export const noAcceptedType = (shape?: Shape) =>
  notAcceptable(
    `only the following media types are accepted: ${TEXT_TYPES}${hasProtobuf(shape) ? `, ${PROTOBUF_TYPE}` : ''}`,
  );

const ENCODINGS: ReadonlyMap<string, Accepted['encoding']> = new Map([
  ['application/json', 'json'],
  ['application/yaml', 'yaml'],
  [PROTOBUF_TYPE, 'protobuf'],
  ['*/*', 'json'],
  ['application/*', 'json'],
]);
const OBJECT = { form: 'object', metaVersion: 'meta.k8s.io/v1' } as const;
export const JSON_OBJECT: Accepted = { ...OBJECT, encoding: 'json' };
const META_VERSIONS: ReadonlyMap<string, MetaVersion> = new Map([
  ['v1', 'meta.k8s.io/v1'],
  ['v1beta1', 'meta.k8s.io/v1beta1'],
]);

/**
 * The client's first supported choice for an object of this shape, or a list of them; tables only if `tables`. Throws a 406 StatusError when
 * there is none.
 */
export function negotiate(accept: string | undefined, shape?: Shape, tables = true): Accepted {
  if (!accept || accept === 'application/json' || accept === '*/*') return JSON_OBJECT;
  for (const clause of accept.split(',')) {
    const { type, parameters } = parseMediaType(clause);
    const encoding = ENCODINGS.get(type);
    const as = parameters.get('as');
    if (!encoding || (encoding === 'protobuf' && !hasMessage(shape, as))) continue;
    const omit = parameters.get('omit');
    if (omit !== undefined && (omit !== 'managedFields' || encoding !== 'json' || as === 'Table')) continue;
    const omitsOwners = omit !== undefined;
    if (as === undefined) return { ...OBJECT, encoding, omitsOwners };
    const metaVersion = META_VERSIONS.get(parameters.get('v') ?? '');
    if (parameters.get('g') !== 'meta.k8s.io' || !metaVersion) continue;
    // Tables have no messages.
    if (as === 'Table' && tables && encoding !== 'protobuf') return { form: 'table', metaVersion, encoding };
    if (isMetadata(as)) return { form: 'metadata', metaVersion, encoding, omitsOwners };
  }
  throw noAcceptedType(shape);
}

/** Custom resources have no messages; what is shown of their metadata has one. */
const hasMessage = (shape: Shape | undefined, as: string | undefined): boolean =>
  hasProtobuf(shape) || (isMetadata(as) && shape?.properties?.['metadata'] !== undefined);

const isMetadata = (as: string | undefined): boolean =>
  as === 'PartialObjectMetadata' || as === 'PartialObjectMetadataList';

/** Whether a client gets errors in protobuf: known before it is known what they are about. */
export function prefersProtobuf(accept: string | undefined): boolean {
  if (!accept?.includes(PROTOBUF_TYPE)) return false;
  for (const clause of accept.split(',')) {
    const encoding = ENCODINGS.get(parseMediaType(clause).type);
    if (encoding) return encoding === 'protobuf';
  }
  return false;
}

/** Parses one clause of an Accept header, or a Content-Type. */
export function parseMediaType(clause: string): { type: string; parameters: Map<string, string> } {
  const [type = '', ...rest] = clause.split(';');
  const parameters = new Map<string, string>();
  for (const parameter of rest) {
    const equals = parameter.indexOf('=');
    if (equals > 0) parameters.set(parameter.slice(0, equals).trim().toLowerCase(), parameter.slice(equals + 1).trim());
  }
  return { type: type.trim().toLowerCase(), parameters };
}

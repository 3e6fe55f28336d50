/** Content negotiation: what form and encoding of an object the client wants. */
import { notAcceptable } from '../../api/machinery/status-error.ts';

/** `metadata` is PartialObjectMetadata. */
export type Form = 'object' | 'table' | 'metadata';

export interface Accepted {
  readonly form: Form;
  readonly encoding: 'json' | 'yaml';
}

export const NOT_ACCEPTABLE =
  'only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf';
const META_VERSIONS = new Set(['v1', 'v1beta1']);

/** The first of the client's choices that is there, with or without `tables`. Throws a 406 StatusError when none is. */
export function negotiate(accept: string | undefined, tables = true): Accepted {
  if (!accept || accept === 'application/json' || accept === '*/*') return { form: 'object', encoding: 'json' };
  for (const clause of accept.split(',')) {
    const { type, parameters } = parseMediaType(clause);
    const encoding = type === 'application/yaml' ? 'yaml' : JSON_TYPES.has(type) ? 'json' : undefined;
    if (!encoding) continue;
    const as = parameters.get('as');
    if (as === undefined) return { form: 'object', encoding };
    if (parameters.get('g') !== 'meta.k8s.io' || !META_VERSIONS.has(parameters.get('v') ?? '')) continue;
    if (as === 'Table' && tables) return { form: 'table', encoding };
    if (as === 'PartialObjectMetadata' || as === 'PartialObjectMetadataList') return { form: 'metadata', encoding };
  }
  throw notAcceptable(NOT_ACCEPTABLE);
}

const JSON_TYPES = new Set(['application/json', '*/*', 'application/*']);

/** One clause of an Accept header, or a Content-Type. */
export function parseMediaType(clause: string): { type: string; parameters: Map<string, string> } {
  const [type = '', ...rest] = clause.split(';');
  const parameters = new Map<string, string>();
  for (const parameter of rest) {
    const equals = parameter.indexOf('=');
    if (equals > 0) parameters.set(parameter.slice(0, equals).trim().toLowerCase(), parameter.slice(equals + 1).trim());
  }
  return { type: type.trim().toLowerCase(), parameters };
}

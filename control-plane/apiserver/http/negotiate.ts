/** Content negotiation: the form and encoding of a response. https://kubernetes.io/docs/reference/using-api/api-concepts/ */
import { notAcceptable } from '../../../api/machinery/status-error.ts';

/** `metadata` is PartialObjectMetadata. */
export type Form = 'object' | 'table' | 'metadata';

/** The group and version of tables and PartialObjectMetadata. */
export type MetaVersion = 'meta.k8s.io/v1' | 'meta.k8s.io/v1beta1';

export interface Accepted {
  readonly form: Form;
  readonly metaVersion: MetaVersion;
  readonly encoding: 'json' | 'yaml';
}

export const NOT_ACCEPTABLE = 'only the following media types are accepted: application/json, application/yaml';
const OBJECT = { form: 'object', metaVersion: 'meta.k8s.io/v1' } as const;
export const JSON_OBJECT: Accepted = { ...OBJECT, encoding: 'json' };
const META_VERSIONS: ReadonlyMap<string, MetaVersion> = new Map([
  ['v1', 'meta.k8s.io/v1'],
  ['v1beta1', 'meta.k8s.io/v1beta1'],
]);

/** The client's first supported choice; tables only if `tables`. Throws a 406 StatusError when there is none. */
export function negotiate(accept: string | undefined, tables = true): Accepted {
  if (!accept || accept === 'application/json' || accept === '*/*') return JSON_OBJECT;
  for (const clause of accept.split(',')) {
    const { type, parameters } = parseMediaType(clause);
    const encoding = type === 'application/yaml' ? 'yaml' : JSON_TYPES.has(type) ? 'json' : undefined;
    if (!encoding) continue;
    const as = parameters.get('as');
    if (as === undefined) return { ...OBJECT, encoding };
    const metaVersion = META_VERSIONS.get(parameters.get('v') ?? '');
    if (parameters.get('g') !== 'meta.k8s.io' || !metaVersion) continue;
    if (as === 'Table' && tables) return { form: 'table', metaVersion, encoding };
    if (as === 'PartialObjectMetadata' || as === 'PartialObjectMetadataList')
      return { form: 'metadata', metaVersion, encoding };
  }
  throw notAcceptable(NOT_ACCEPTABLE);
}

const JSON_TYPES = new Set(['application/json', '*/*', 'application/*']);

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

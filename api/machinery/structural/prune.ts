/**
 * Pruning: what a structural schema does not have is dropped, unless it preserves unknown fields. Upstream's
 * `apiextensions-apiserver/pkg/apiserver/schema/pruning` and `objectmeta`.
 */
import { unknownField } from '../json-text.ts';
import { MAX_PROBLEMS } from '../limits.ts';
import { Messages } from '../messages.ts';
import { isJsonObject, own, setOwn } from '../own.ts';
import type { Decoded, KubeObject } from '../kind.ts';
import { optional, string, struct } from '../schema.ts';
import { decoderOf, DecodeError } from '../schema-decoder.ts';
import { ObjectMeta } from '../../types/meta/v1.gen.ts';
import { propertyOf, type Structural } from './structural.ts';

/** Fields of every resource, which no schema needs to have. */
const RESOURCE_FIELDS: ReadonlySet<string> = new Set(['apiVersion', 'kind', 'metadata']);

const decodeCommon = decoderOf<Common>(
  struct('io.k8s.apimachinery.pkg.apis.meta.v1.AnyObject', () => ({
    apiVersion: optional(undefined, string),
    kind: optional(undefined, string),
    metadata: optional(undefined, ObjectMeta),
  })),
);

/** Fields whose types every object has in common. */
interface Common {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: object;
}

/**
 * Returns a copy without what the schema does not have, and without what no object can have in its metadata, and the problems found, as
 * `unknown field "spec.x"`. Throws DecodeError for metadata of a wrong type.
 */
export function prune(value: Record<string, unknown>, schema: Structural): Decoded<KubeObject> {
  const { apiVersion, kind, metadata } = value;
  const common = decodeCommon({ apiVersion, kind, metadata });
  const problems = new Messages(MAX_PROBLEMS, common.problems);
  const object = prunedObject(value, schema, '', true, problems) as KubeObject;
  return { object: { ...object, ...common.object }, problems: problems.list };
}

/** The same for a value that is no resource: a default. */
export const pruneValue = (value: unknown, schema: Structural): unknown => pruned(value, schema, '', new Messages(0));

function pruned(value: unknown, schema: Structural | true, path: string, problems: Messages): unknown {
  if (schema === true) return structuredClone(value);
  if (isJsonObject(value)) return prunedObject(value, schema, path, schema.isEmbedded, problems);
  const { items } = schema;
  if (!Array.isArray(value) || !items) return structuredClone(value);
  return value.map((item, index) => pruned(item, items, `${path}[${index}]`, problems));
}

function prunedObject(
  value: Record<string, unknown>,
  schema: Structural,
  path: string,
  isResource: boolean,
  problems: Messages,
): Record<string, unknown> {
  const at = (name: string): string => (path === '' ? name : `${path}.${name}`);
  const out: Record<string, unknown> = {};
  for (const name of Object.keys(value)) {
    const entry = own(value, name);
    const known = propertyOf(schema, name);
    if (isResource && RESOURCE_FIELDS.has(name)) {
      if (path === '') continue;
      setOwn(out, name, name === 'metadata' ? prunedMetadata(entry, path, problems) : entry);
    } else if (known !== undefined) {
      setOwn(out, name, pruned(entry, known, at(name), problems));
    } else if (schema.preservesUnknown) {
      setOwn(out, name, structuredClone(entry));
    } else if (!problems.isFull) {
      problems.add(unknownField(at(name)));
    }
  }
  return out;
}

/** Of an embedded resource. One of a wrong type is left to validation. */
function prunedMetadata(metadata: unknown, path: string, problems: Messages): unknown {
  if (!isJsonObject(metadata)) return metadata;
  try {
    const decoded = decodeCommon({ metadata });
    for (const problem of problems.isFull ? [] : decoded.problems)
      problems.add(problem.replace('unknown field "', () => `unknown field "${JSON.stringify(path).slice(1, -1)}.`));
    return decoded.object.metadata ?? {};
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return structuredClone(metadata);
  }
}

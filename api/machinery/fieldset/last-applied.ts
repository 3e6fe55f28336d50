/**
 * The move from `kubectl apply` on the client to the server, as apimachinery's `lastAppliedManager` and `lastAppliedUpdater`: what the
 * annotation of the client's last apply says is kubectl's own, and the annotation is kept up to date, so that it can go back.
 */
import { isJsonObject, own } from '../own.ts';
import { ApplyConflict, type Applied } from './apply.ts';
import { compare } from './compare.ts';
import { difference, EMPTY, union, type FieldSet } from './field-set.ts';
import { fieldsOf, misfits } from './fields-of.ts';
import type { Conflicts, Ownable } from './track.ts';

const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';
const KUBECTL = 'kubectl';
/** As for all annotations of an object. */
const MAX_ANNOTATIONS_BYTES = 262_144;

type Json = Readonly<Record<string, unknown>>;

/**
 * @param applyTo applies the configuration, overriding conflicts or not
 * Throws ApplyConflict.
 */
export function withLastApplied(
  ownable: Ownable,
  live: unknown,
  config: Json,
  manager: string,
  force: boolean,
  applyTo: (force: boolean) => Applied,
): Applied {
  if (manager !== KUBECTL) return applyTo(force);
  const { object, owners } = applyAllowed(ownable, live, force, applyTo);
  const current = object ?? live;
  const annotations = annotationsOf(current);
  if (!own(annotations, LAST_APPLIED)) return { object, owners };
  const value = `${JSON.stringify(withoutLastApplied(config))}\n`;
  const updated = withAnnotation(current as Json, annotations, value);
  return { object: updated, owners };
}

/** Conflicts about what kubectl itself has applied on the client are none. */
function applyAllowed(ownable: Ownable, live: unknown, force: boolean, applyTo: (force: boolean) => Applied): Applied {
  try {
    return applyTo(force);
  } catch (error) {
    if (!(error instanceof ApplyConflict)) throw error;
    const allowed = fieldsOfLastApplied(ownable, live);
    if (!allowed) throw error;
    const left: Conflicts = new Map();
    for (const [id, fields] of error.conflicts) {
      const others = difference(fields, allowed);
      if (!others.isEmpty) left.set(id, others);
    }
    if (left.size > 0) throw new ApplyConflict(left);
    return applyTo(true);
  }
}

/** What of the last applied configuration the live object still has; undefined when there is none of this version. */
function fieldsOfLastApplied({ type }: Ownable, live: unknown): FieldSet | undefined {
  const text = own(annotationsOf(live), LAST_APPLIED);
  if (typeof text !== 'string' || !isJsonObject(live)) return undefined;
  const last = parsed(text);
  if (!isJsonObject(last) || last.apiVersion !== live.apiVersion || misfits(type, last).length > 0) return undefined;
  const { changed, removed } = compare(type, last, live) ?? { changed: EMPTY, removed: EMPTY };
  return difference(fieldsOf(type, last), union(changed, removed));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function annotationsOf(object: unknown): Json {
  const { metadata } = isJsonObject(object) ? object : {};
  const { annotations } = isJsonObject(metadata) ? metadata : {};
  return isJsonObject(annotations) ? annotations : {};
}

function withoutLastApplied(config: Json): Json {
  const annotations = { ...annotationsOf(config) };
  if (!Object.hasOwn(annotations, LAST_APPLIED)) return config;
  delete annotations[LAST_APPLIED];
  return { ...config, metadata: { ...(config.metadata as Json), annotations } };
}

function withAnnotation(object: Json, annotations: Json, value: string): Json {
  const next: Record<string, unknown> = { ...annotations, [LAST_APPLIED]: value };
  let bytes = 0;
  for (const [key, text] of Object.entries(next)) bytes += Buffer.byteLength(key) + Buffer.byteLength(String(text));
  if (bytes > MAX_ANNOTATIONS_BYTES) delete next[LAST_APPLIED];
  return { ...object, metadata: { ...(object.metadata as Json), annotations: next } };
}

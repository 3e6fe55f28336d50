/** Manifests in files: they pass the same steps as the body of a create request. */
import { parseBody } from './body.ts';
import { decodeObject } from './decode.ts';
import { apiVersionOf } from './define-kind.ts';
import type { Kind, KubeObject } from './kind.ts';
import { validateObjectMeta } from './metadata.ts';
import { badRequest, invalidObject } from './status-error.ts';

export interface Manifest<T> {
  /** Decoded, defaulted and valid. */
  readonly object: T;
  /** Unknown and duplicate fields: the former are dropped, of the latter the last one counts. */
  readonly problems: readonly string[];
}

/** A file is not a request: it has no user. */
const NOBODY = { name: '', groups: [] };

/**
 * Parses one object of `kind` from YAML (the first document, as upstream) or JSON.
 * @param place sets what follows from where the manifest was found (name, namespace, node), before defaulting
 * Throws a StatusError whose message is one sentence for a manifest that is malformed, of another kind, or invalid.
 */
export function readManifest<T extends KubeObject>(
  text: string,
  kind: Kind<T>,
  place: (object: T) => void = () => undefined,
): Manifest<T> {
  const body = parseBody(text, 'application/yaml', true);
  checkKind(kind, body.value);
  const { object, problems } = decodeObject(kind, body.value);
  place(object);
  kind.applyDefaults(object);
  const warnings: string[] = [];
  kind.prepareForCreate(object, { user: NOBODY, now: Date.now(), warn: (text) => warnings.push(text) });
  const errors = [...validateObjectMeta(object.metadata ?? {}, kind), ...kind.validate(object)];
  if (errors.length > 0) throw invalidObject(kind, object.metadata?.name ?? '', errors);
  return { object, problems: [...body.problems, ...problems, ...warnings] };
}

/** Unlike the body of a request, a file must name its apiVersion and kind. */
function checkKind(kind: { group: string; version: string; kind: string }, value: unknown): void {
  const { apiVersion, kind: named } = (value ?? {}) as KubeObject;
  if (apiVersion === apiVersionOf(kind) && named === kind.kind) return;
  const shown = (part: unknown) => (part === undefined ? 'none' : JSON.stringify(part));
  throw badRequest(
    `expected apiVersion ${apiVersionOf(kind)} and kind ${kind.kind}, found apiVersion ${shown(apiVersion)} and kind ${shown(named)}`,
  );
}

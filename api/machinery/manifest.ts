/** Manifests that are read from files, by the same steps as the body of a request that creates the object. */
import { parseBody } from './body.ts';
import { decodeObject } from './decode.ts';
import { apiVersionOf } from './define-kind.ts';
import type { Kind, KubeObject } from './kind.ts';
import { validateObjectMeta } from './metadata.ts';
import { badRequest, invalidObject } from './status-error.ts';

export interface Manifest<T> {
  /** Decoded, defaulted and valid. */
  readonly object: T;
  /** Fields that are not known or given twice; they were passed over, as the last of a repeated one counts. */
  readonly problems: readonly string[];
}

/** A file is not a request: nobody in particular asks for what it says. */
const NOBODY = { name: '', groups: [] };

/**
 * Reads one object of `kind` from YAML (the first document, as upstream) or JSON.
 * @param place fills in what the manifest's place says (name, namespace, node) in what the manifest says, before defaults.
 * Throws a StatusError whose message is one sentence: the text is malformed, of another kind, or not valid.
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
  kind.prepareForCreate(object, { user: NOBODY, now: Date.now() });
  const errors = [...validateObjectMeta(object.metadata ?? {}, kind), ...kind.validate(object)];
  if (errors.length > 0) throw invalidObject(kind, object.metadata?.name ?? '', errors);
  return { object, problems: [...body.problems, ...problems] };
}

/** A request's path says what a body is; a file has to say it itself. */
function checkKind(kind: { group: string; version: string; kind: string }, value: unknown): void {
  const { apiVersion, kind: named } = (value ?? {}) as KubeObject;
  if (apiVersion === apiVersionOf(kind) && named === kind.kind) return;
  const shown = (part: unknown) => (part === undefined ? 'none' : JSON.stringify(part));
  throw badRequest(
    `expected apiVersion ${apiVersionOf(kind)} and kind ${kind.kind}, found apiVersion ${shown(apiVersion)} and kind ${shown(named)}`,
  );
}

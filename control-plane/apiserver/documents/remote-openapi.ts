/**
 * OpenAPI of group versions that other servers serve. A server speaks for its own group version only: whatever else its documents
 * have is dropped, so that one that lies harms nobody's documents but its own.
 */
import { deepEqual } from '../../../api/machinery/deep-equal.ts';
import { isJsonObject, own, setOwn } from '../../../api/machinery/own.ts';
import type { OpenApiV2 } from '../../../api/machinery/openapi/convert.ts';
import type { Json } from '../../../api/machinery/openapi/definitions.ts';

/** What a server says of its group version in version 2: its paths, and the definitions that they need. */
export type RemoteSpec = OpenApiV2;

export interface RemoteOpenApi {
  /** Changes with what `specs` and `hashes` return. */
  readonly revision: number;
  /** By priority. */
  specs(): readonly RemoteSpec[];
  /** The hashes of the version 3 documents, by their names: `apis/GROUP/VERSION`. */
  hashes(): ReadonlyMap<string, string>;
  /** Fetches a version 3 document; undefined when no other server has it. Rejects with a 503 StatusError. */
  document(name: string): Promise<Buffer> | undefined;
}

const GVK = 'x-kubernetes-group-version-kind';
const REF_PREFIX = '#/definitions/';

/** Reads the part of a server's `/openapi/v2` that is its group version's. Throws an Error when it is no such document. */
export function remoteSpec(group: string, version: string, document: unknown): RemoteSpec {
  const all = isJsonObject(document) ? document : {};
  const [given, defined] = [own(all, 'paths'), own(all, 'definitions') ?? {}];
  if (own(all, 'swagger') !== '2.0' || !isJsonObject(given) || !isJsonObject(defined))
    throw new Error('the document is no OpenAPI v2');
  const root = `/apis/${group}/${version}/`;
  const inline = inliner(own(all, 'parameters'));
  const paths = new Map<string, unknown>();
  for (const [path, item] of Object.entries(given))
    if (path.startsWith(root) && isJsonObject(item)) paths.set(path, inline(item));
  const definitions = new Map<string, Json>();
  const wanted = [...paths.values()].flatMap(refsIn);
  for (let name = wanted.pop(); name !== undefined; name = wanted.pop()) {
    const definition = own(defined, name);
    if (definitions.has(name) || !isJsonObject(definition)) continue;
    definitions.set(name, ofGroupVersion(definition, group, version));
    for (const ref of refsIn(definition)) wanted.push(ref);
  }
  const info = own(all, 'info');
  return { info: isJsonObject(info) ? info : {}, paths, definitions };
}

/** What the parameters that paths share may take when each path has its own. */
const MAX_INLINED_CHARS = 8 * 1024 * 1024;
const PARAMETER_PREFIX = '#/parameters/';

/** Puts parameters in the place of references to them, since the names of several servers may be the same. */
function inliner(parameters: unknown): (value: unknown) => unknown {
  const known = isJsonObject(parameters) ? parameters : {};
  let chars = 0;
  const inline = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(inline);
    if (!isJsonObject(value)) return value;
    const ref = own(value, '$ref');
    if (typeof ref === 'string' && ref.startsWith(PARAMETER_PREFIX)) {
      const parameter = own(known, ref.slice(PARAMETER_PREFIX.length)) ?? {};
      chars += JSON.stringify(parameter).length;
      if (chars > MAX_INLINED_CHARS) throw new Error('the document has too many references to parameters');
      return parameter;
    }
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, inline(item)]));
  };
  return inline;
}

/** The names of the definitions that a value refers to. */
function refsIn(value: unknown): string[] {
  const refs = new Set<string>();
  const visit = (one: unknown): void => {
    if (Array.isArray(one)) for (const item of one) visit(item);
    if (!isJsonObject(one)) return;
    const ref = own(one, '$ref');
    if (typeof ref === 'string' && ref.startsWith(REF_PREFIX)) refs.add(ref.slice(REF_PREFIX.length));
    for (const item of Object.values(one)) visit(item);
  };
  visit(value);
  return [...refs];
}

/** Without the kinds of other group versions. */
function ofGroupVersion(definition: Json, group: string, version: string): Json {
  const { [GVK]: kinds, ...rest } = definition;
  const its = (Array.isArray(kinds) ? kinds : []).filter(
    (kind) => isJsonObject(kind) && kind['group'] === group && kind['version'] === version,
  );
  return its.length > 0 ? { ...rest, [GVK]: its } : rest;
}

/** Adds what other servers have to a version 2 document. Definitions of the same name that differ get another name, as upstream. */
export function mergeSpecs(document: Json, specs: readonly RemoteSpec[]): Json {
  const paths = { ...(document['paths'] as Json) };
  const definitions = { ...(document['definitions'] as Json) };
  for (const spec of specs) {
    const renamed = new Map<string, string>();
    const added: [string, Json][] = [];
    for (const [name, definition] of spec.definitions) {
      const as = nameFor(name, definition, definitions);
      renamed.set(name, as);
      if (Object.hasOwn(definitions, as)) continue;
      setOwn(definitions, as, definition);
      added.push([as, definition]);
    }
    for (const [as, definition] of added) setOwn(definitions, as, withNames(definition, renamed));
    for (const [path, item] of spec.paths)
      if (!Object.hasOwn(paths, path)) setOwn(paths, path, withNames(item, renamed));
  }
  return { ...document, paths, definitions };
}

/** The name under which a definition is, or can be, among the others. */
function nameFor(name: string, definition: Json, definitions: Json): string {
  for (let attempt = 1; ; attempt++) {
    const as = attempt === 1 ? name : `${name}_v${attempt}`;
    const known = own(definitions, as);
    if (known === undefined || isSame(known as Json, definition)) return as;
  }
}

const isSame = ({ [GVK]: _, ...one }: Json, { [GVK]: __, ...other }: Json): boolean => deepEqual(one, other);

/** A copy in which references follow their definitions. */
function withNames(value: unknown, names: ReadonlyMap<string, string>): unknown {
  if (Array.isArray(value)) return value.map((item) => withNames(item, names));
  if (!isJsonObject(value)) return value;
  const copy: Json = {};
  for (const [key, item] of Object.entries(value)) {
    const ref = key === '$ref' && typeof item === 'string' && item.startsWith(REF_PREFIX);
    const name = ref ? item.slice(REF_PREFIX.length) : '';
    setOwn(copy, key, ref ? `${REF_PREFIX}${names.get(name) ?? name}` : withNames(item, names));
  }
  return copy;
}

/** The OpenAPI documents of a set of kinds: version 2 as one document, version 3 as one for each group version. */
import type { Kind } from '../kind.ts';
import { Definitions, type Json, type OpenApiVersion, groupVersionsOf } from './definitions.ts';
import { PathWriter } from './paths.ts';

export interface OpenApiSource {
  /** The served kinds. */
  readonly kinds: readonly Kind[];
  /** Kinds in requests and responses of subresources. */
  readonly bodyKinds: readonly Kind[];
  /** As in `/version`, e.g. `v1.36.2`. */
  readonly serverVersion: string;
}

function build(source: OpenApiSource, kinds: readonly Kind[], version: OpenApiVersion): { schemas: Json; paths: Json } {
  const { bodyKinds } = source;
  const definitions = new Definitions(version);
  const writer = new PathWriter(version);
  const known = new Map([...kinds, ...bodyKinds].map((kind) => [`${kind.group}/${kind.version}/${kind.kind}`, kind]));
  const definitionOf = (group: string, of: string, name: string) => {
    const kind = known.get(`${group}/${of}/${name}`);
    if (!kind) return undefined;
    definitions.addKind(kind);
    return kind.schema.definition;
  };
  for (const kind of kinds) definitions.addKind(kind);
  for (const kind of kinds) writer.addKind(kind, definitionOf);
  definitions.addCommon(groupVersionsOf(source.kinds));
  const sorted = <T>(record: Record<string, T>) =>
    Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
  return { schemas: sorted(definitions.schemas), paths: sorted(writer.paths) };
}

/** `/openapi/v2`. */
export function openApiV2(source: OpenApiSource): Json {
  const { schemas, paths } = build(source, source.kinds, 2);
  return {
    swagger: '2.0',
    info: { title: 'Kubernetes', version: source.serverVersion },
    paths,
    definitions: schemas,
  };
}

/** The names of the version 3 documents, below `/openapi/v3/`: `api/v1`, `apis/apps/v1`, ... */
export const openApiV3Names = (kinds: readonly Kind[]): string[] => groupVersionsOf(kinds).map(({ name }) => name);

/** `/openapi/v3/NAME`; undefined when no kind is in that group version. */
export function openApiV3(source: OpenApiSource, name: string): Json | undefined {
  const home = groupVersionsOf(source.kinds).find((known) => known.name === name);
  if (!home) return undefined;
  const kinds = source.kinds.filter(({ group, version }) => group === home.group && version === home.version);
  const { schemas, paths } = build(source, kinds, 3);
  return {
    openapi: '3.0.0',
    info: { title: 'Kubernetes', version: source.serverVersion },
    paths,
    components: { schemas },
  };
}

/**
 * `/openapi/v3`: the index of the documents.
 * @param hashOf returns the hash of a document, by which clients cache it
 */
export function openApiV3Index(names: readonly string[], hashOf: (name: string) => string): Json {
  const entries = names.map((name) => [name, { serverRelativeURL: `/openapi/v3/${name}?hash=${hashOf(name)}` }]);
  return { paths: Object.fromEntries(entries) as Json };
}

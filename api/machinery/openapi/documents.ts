/** The OpenAPI documents of a set of kinds: version 2 as one document, version 3 as one for each group version. */
import type { Kind } from '../kind.ts';
import { Definitions, type Json, type OpenApiVersion, groupVersionsOf } from './definitions.ts';
import { PathWriter } from './paths.ts';

export interface OpenApiSource {
  /** The kinds that are always there: general schemas name their group versions, as upstream's do. */
  readonly builtInKinds: readonly Kind[];
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
  definitions.addCommon(groupVersionsOf(source.builtInKinds));
  const sorted = <T>(record: Record<string, T>) =>
    Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
  return { schemas: sorted(definitions.schemas), paths: sorted(writer.paths) };
}

/** `/openapi/v2` of the served kinds. */
export function openApiV2(source: OpenApiSource, kinds: readonly Kind[]): Json {
  const { schemas, paths } = build(source, kinds, 2);
  return {
    swagger: '2.0',
    info: { title: 'Kubernetes', version: source.serverVersion },
    paths,
    definitions: schemas,
  };
}

/** The kinds of each version 3 document by its name, below `/openapi/v3/`: `api/v1`, `apis/apps/v1`, ... */
export function openApiV3Kinds(kinds: readonly Kind[]): ReadonlyMap<string, readonly Kind[]> {
  const homes = groupVersionsOf(kinds);
  return new Map(
    homes.map(({ name, group, version }) => [
      name,
      kinds.filter((kind) => kind.group === group && kind.version === version),
    ]),
  );
}

/** `/openapi/v3/NAME`, for the kinds of that group version. */
export function openApiV3(source: OpenApiSource, kinds: readonly Kind[]): Json {
  const { schemas, paths } = build(source, kinds, 3);
  return {
    openapi: '3.0.0',
    info: { title: 'Kubernetes', version: source.serverVersion },
    paths,
    components: { schemas },
  };
}

/** `/openapi/v3`: the index of the documents, with the hashes by which clients cache them. */
export function openApiV3Index(hashes: Iterable<readonly [string, string]>): Json {
  const entries = Array.from(hashes, ([name, hash]) => [
    name,
    { serverRelativeURL: `/openapi/v3/${name}?hash=${hash}` },
  ]);
  return { paths: Object.fromEntries(entries) as Json };
}

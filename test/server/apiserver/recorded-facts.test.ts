/**
 * What is served, against facts that were recorded of a kube-apiserver, where they are at hand: `API_FACTS` names a folder with its
 * resources, definitions and columns of tables.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import t from 'tap';
import { TestServer, type Json } from './server.ts';

const folder = process.env['API_FACTS'];
const skip = folder === undefined ? 'API_FACTS is not set' : false;
const factsIn = (name: string): Promise<string> => readFile(path.join(folder ?? '', name), 'utf8');

interface Subresource {
  readonly subresource: string;
  readonly kind: string;
  readonly group: string;
  readonly version: string;
  readonly verbs: readonly string[];
}

interface Resource {
  readonly resource: string;
  readonly kind: string;
  readonly scope: string;
  readonly singular: string;
  readonly shortNames: readonly string[] | null;
  readonly categories: readonly string[] | null;
  readonly verbs: readonly string[];
  readonly subresources: readonly Subresource[];
}

interface Group {
  readonly group: string;
  readonly versions: readonly { readonly version: string; readonly resources: readonly Resource[] }[];
}

const AGGREGATED = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

interface Discovered {
  readonly items: readonly {
    readonly metadata: { readonly name?: string };
    readonly versions: readonly {
      readonly version: string;
      readonly resources: readonly {
        readonly resource: string;
        readonly responseKind: { readonly kind: string };
        readonly scope: string;
        readonly singularResource: string;
        readonly shortNames?: readonly string[];
        readonly categories?: readonly string[];
        readonly verbs: readonly string[];
        readonly subresources?: readonly {
          readonly subresource: string;
          readonly responseKind: { readonly kind: string; readonly group?: string; readonly version?: string };
          readonly verbs: readonly string[];
        }[];
      }[];
    }[];
  }[];
}

/** In the form of the facts, by group, version and name. */
function describe({ items }: Discovered): Map<string, Resource> {
  const resources = new Map<string, Resource>();
  for (const { metadata, versions } of items)
    for (const { version, resources: found } of versions)
      for (const each of found) {
        const { resource, responseKind, scope, singularResource, verbs, subresources = [] } = each;
        resources.set(`${resource}.${version}.${metadata.name ?? ''}`, {
          resource,
          kind: responseKind.kind,
          scope,
          singular: singularResource,
          shortNames: each.shortNames ?? null,
          categories: each.categories ?? null,
          verbs,
          subresources: subresources.map(
            ({ subresource, responseKind: { kind, group = '', version = '' }, verbs }) => ({
              ...{ subresource, kind, group, version, verbs },
            }),
          ),
        });
      }
  return resources;
}

t.test('every recorded resource is served, with its names, verbs and subresources', { skip }, async (t) => {
  await using server = await TestServer.start();
  const served = new Map<string, Resource>();
  for (const root of ['/api', '/apis']) {
    const { body } = await server.call('GET', root, { accept: AGGREGATED });
    for (const [id, resource] of describe(body as unknown as Discovered)) served.set(id, resource);
  }
  for (const { group, versions } of JSON.parse(await factsIn('api-resources.json')) as Group[])
    for (const { version, resources } of versions)
      for (const resource of resources) {
        const id = `${resource.resource}.${version}.${group}`;
        t.strictSame(served.get(id), resource, id);
      }
});

t.test('every recorded table has its columns', { skip }, async (t) => {
  await using server = await TestServer.start();
  const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io';
  const tables = JSON.parse(await factsIn('table-columns.json')) as Record<string, object[]>;
  for (const [id, columns] of Object.entries(tables)) {
    const [resource = '', version = '', ...group] = id.split('.');
    const root = group.length > 0 ? `/apis/${group.join('.')}/${version}` : `/api/${version}`;
    const { body } = await server.call('GET', `${root}/${resource}`, { accept });
    const shown = (body['columnDefinitions'] as Record<string, unknown>[] | undefined)?.map(
      ({ description: _, ...column }) => column,
    );
    t.strictSame(shown, columns, id);
  }
});

t.test('every recorded definition has its fields', { skip }, async (t) => {
  await using server = await TestServer.start();
  const { body } = await server.call('GET', '/openapi/v2');
  const definitions = new Map(Object.entries(body['definitions'] as Record<string, Json>));
  const lines = (await factsIn('api-definitions.jsonl')).trim().split('\n');
  for (const line of lines) {
    const { name, ...recorded } = JSON.parse(line) as Json & { name: string };
    const served = { ...definitions.get(name) };
    // They are of every group version, and beta ones are not served.
    if (OF_ALL_VERSIONS.has(name)) served[VERSIONS] = recorded[VERSIONS];
    t.strictSame(withoutProse(served), withoutProse(recorded), name);
  }
});

const VERSIONS = 'x-kubernetes-group-version-kind';
const OF_ALL_VERSIONS = new Set(
  ['DeleteOptions', 'WatchEvent'].map((kind) => `io.k8s.apimachinery.pkg.apis.meta.v1.${kind}`),
);
const UNCOMPARED = new Set(['default', 'x-kubernetes-unions']);

/** Without descriptions and defaults, which are not among the facts, and unions, which no client reads; required fields in order. */
function withoutProse(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(withoutProse);
  if (typeof schema !== 'object' || schema === null) return schema;
  return Object.fromEntries(
    Object.entries(schema)
      .filter(([key, value]) => !UNCOMPARED.has(key) && !(key === 'description' && typeof value === 'string'))
      .map(([key, value]) => [
        key,
        key === 'required' && Array.isArray(value) ? value.toSorted() : withoutProse(value),
      ]),
  );
}

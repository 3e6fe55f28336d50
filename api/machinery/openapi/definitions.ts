/** OpenAPI definitions, generated from the schemas of kinds. */
import { apiVersionOf, listKindOf } from '../define-kind.ts';
import type { Kind } from '../kind.ts';
import type { Shape } from '../schema.ts';
import { customDefinition } from './custom-definition.ts';
import { describe, describeField } from './descriptions.ts';
import { own, setOwn } from '../own.ts';
import {
  APIGroup,
  APIGroupList,
  APIResourceList,
  APIVersions,
  DeleteOptions,
  ListMeta,
  Status,
  WatchEvent,
} from '../../types/meta/v1.gen.ts';
import { Info } from '../../types/pkg/version.gen.ts';

export type OpenApiVersion = 2 | 3;
export type Json = Record<string, unknown>;

const RESOURCE = 'io.k8s.apimachinery.pkg.api.resource.Quantity';
const META = 'io.k8s.apimachinery.pkg.apis.meta.v1';
const INT_OR_STRING = 'io.k8s.apimachinery.pkg.util.intstr.IntOrString';

export const refOf = (name: string, version: OpenApiVersion): Json => ({
  $ref: `#/${version === 2 ? 'definitions' : 'components/schemas'}/${name}`,
});

/** The definition name of the kind's list. */
export const listDefinition = (kind: Kind): string => `${kind.schema.definition ?? kind.kind}List`;

export interface GroupVersionKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

const EXTENSIONS = [
  ['listType', 'x-kubernetes-list-type'],
  ['listMapKeys', 'x-kubernetes-list-map-keys'],
  ['patchMergeKey', 'x-kubernetes-patch-merge-key'],
  ['mapType', 'x-kubernetes-map-type'],
] as const satisfies readonly (readonly [keyof Shape, string])[];

/** The merge metadata of a field or struct. */
function extensionsOf(shape: Shape): Json {
  const out: Json = {};
  for (const [key, extension] of EXTENSIONS) if (shape[key] !== undefined) out[extension] = shape[key];
  if (shape.patchStrategy) out['x-kubernetes-patch-strategy'] = shape.patchStrategy;
  return out;
}

/** Collects the definitions of some schemas and of all that they refer to. */
export class Definitions {
  readonly schemas: Record<string, Json> = {};
  readonly #version: OpenApiVersion;

  constructor(version: OpenApiVersion) {
    this.#version = version;
  }

  addKind(kind: Kind): void {
    const shape = kind.schema;
    this.#add(shape, [{ group: kind.group, version: kind.version, kind: kind.kind }]);
    if (kind.custom) this.#addCustom(shape.definition ?? '', kind.custom.openApi);
    if (!kind.verbs.includes('list')) return;
    const list = listKindOf(kind);
    const definition: Json = {
      description: `A list of ${kind.kind} objects.`,
      type: 'object',
      required: ['items'],
      properties: {
        apiVersion: { type: 'string', description: describeField('', 'apiVersion') },
        items: { type: 'array', description: `List of ${kind.plural}.`, items: this.#property(shape) },
        kind: { type: 'string', description: describeField('', 'kind') },
        metadata: this.#property(ListMeta),
      },
      'x-kubernetes-group-version-kind': [{ group: kind.group, kind: list, version: kind.version }],
    };
    setOwn(this.schemas, listDefinition(kind), definition);
  }

  /** What a CustomResourceDefinition says of its kind, besides the metadata of all. */
  #addCustom(name: string, openApi: Json): void {
    const known = own(this.schemas, name) ?? {};
    setOwn(this.schemas, name, customDefinition(openApi, known, this.#version));
  }

  /** Adds the definitions that every group version uses; version 2 has those of discovery, too. */
  addCommon(groupVersions: readonly { group: string; version: string }[]): void {
    const named = (kind: string) => groupVersions.map(({ group, version }) => ({ group, kind, version }));
    this.#add(DeleteOptions, named('DeleteOptions'));
    const core = (kind: string) => [{ group: '', kind, version: 'v1' }];
    this.#add(Status, core('Status'));
    if (this.#version === 2) {
      for (const shape of [APIGroup, APIGroupList, APIResourceList, APIVersions])
        this.#add(shape, core(shape.definition?.split('.').at(-1) ?? ''));
      this.#add(WatchEvent, named('WatchEvent'));
      this.#add(Info);
    }
    this.schemas[`${META}.Patch`] = {
      description: 'A patch, whose form the Content-Type of the request tells.',
      type: 'object',
    };
  }

  #add(shape: Shape, kinds?: readonly GroupVersionKind[]): void {
    const name = shape.definition ?? '';
    const known = own(this.schemas, name);
    if (known) {
      if (kinds) known['x-kubernetes-group-version-kind'] = kinds;
      return;
    }
    const properties: Record<string, Json> = {};
    const schema: Json = { description: describe(name), type: 'object' };
    setOwn(this.schemas, name, schema);
    if (shape.required?.length) schema.required = [...shape.required].sort();
    for (const [field, property] of Object.entries(shape.properties ?? {})) {
      const description = describeField(name, field);
      const plain = this.#property(property);
      setOwn(properties, field, description ? this.#described(plain, description) : plain);
    }
    if (Object.keys(properties).length > 0) schema.properties = properties;
    if (kinds) schema['x-kubernetes-group-version-kind'] = kinds;
    if (shape.mapType) schema['x-kubernetes-map-type'] = shape.mapType;
  }

  /** In version 3 a reference cannot have siblings: it needs a wrapper. */
  #described(property: Json, description: string): Json {
    if (!('$ref' in property) || this.#version === 2) return { ...property, description };
    const { $ref, ...others } = property;
    return { allOf: [{ $ref }], description, ...others };
  }

  #property(shape: Shape): Json {
    if (shape.properties) {
      this.#add(shape);
      const reference = refOf(shape.definition ?? '', this.#version);
      const { patchStrategy, mapType } = shape;
      // A field inherits from its struct, which says of itself whether it is atomic.
      const ofField =
        mapType !== undefined && mapType !== own(this.schemas, shape.definition ?? '')?.['x-kubernetes-map-type'];
      return patchStrategy || ofField
        ? this.#extended(reference, { ...(patchStrategy && { patchStrategy }), ...(ofField && { mapType }) })
        : reference;
    }
    if (shape.items) return { type: 'array', items: this.#property(shape.items), ...extensionsOf(shape) };
    if (shape.additionalProperties) {
      return {
        type: 'object',
        additionalProperties: this.#property(shape.additionalProperties),
        ...extensionsOf(shape),
      };
    }
    return this.#scalar(shape);
  }

  #extended(reference: Json, shape: Shape): Json {
    const extensions = extensionsOf(shape);
    return this.#version === 2 ? { ...reference, ...extensions } : { allOf: [reference], ...extensions };
  }

  #scalar(shape: Shape): Json {
    switch (shape.format) {
      case 'int32':
      case 'int64':
        return { type: 'integer', format: shape.format };
      case 'double':
        return { type: 'number', format: 'double' };
      case 'byte':
        return { type: 'string', format: 'byte', ...extensionsOf(shape) };
      case 'date-time':
        return this.#shared(`${META}.Time`, { type: 'string', format: 'date-time' });
      case 'micro-time':
        return this.#shared(`${META}.MicroTime`, { type: 'string', format: 'date-time' });
      case 'duration':
        return this.#shared(`${META}.Duration`, { type: 'string' });
      case 'quantity':
        return this.#shared(
          RESOURCE,
          this.#version === 2 ? { type: 'string' } : { oneOf: [{ type: 'string' }, { type: 'number' }] },
        );
      case 'int-or-string':
        return this.#shared(
          INT_OR_STRING,
          this.#version === 2
            ? { type: 'string', format: 'int-or-string' }
            : { format: 'int-or-string', oneOf: [{ type: 'integer' }, { type: 'string' }] },
        );
      default:
        if (shape.definition) return this.#shared(shape.definition, shape.type ? { type: shape.type } : {});
        if (!shape.type) return {};
        return shape.enum ? { type: shape.type, enum: shape.enum } : { type: shape.type };
    }
  }

  #shared(name: string, schema: Json): Json {
    if (!Object.hasOwn(this.schemas, name)) setOwn(this.schemas, name, { description: describe(name), ...schema });
    return refOf(name, this.#version);
  }
}

/** The group versions of some kinds, each once, in the kinds' order. */
export function groupVersionsOf(kinds: readonly Kind[]): { group: string; version: string; name: string }[] {
  const found = new Map<string, { group: string; version: string; name: string }>();
  for (const { group, version } of kinds) {
    const name = group ? `apis/${apiVersionOf({ group, version })}` : `api/${version}`;
    found.set(name, { group, version, name });
  }
  return [...found.values()];
}

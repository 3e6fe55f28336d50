/** The paths of the API and their operations, for OpenAPI. */
import type { Kind, KubeObject, Subresource } from '../kind.ts';
import { type GroupVersionKind, type Json, type OpenApiVersion, listDefinition, refOf } from './definitions.ts';
import { setOwn } from '../own.ts';
import { APPLY_MEDIA_TYPE, patchTypesOf } from '../patch/media-types.ts';

const META = 'io.k8s.apimachinery.pkg.apis.meta.v1';
const MEDIA_TYPES = ['application/json', 'application/yaml'];

interface Parameter {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'boolean';
  readonly description: string;
}

const parameter = (name: string, type: Parameter['type'], description: string): Parameter => ({
  name,
  type,
  description,
});

const DRY_RUN = parameter('dryRun', 'string', 'With "All" nothing is stored.');
const MANAGER = parameter('fieldManager', 'string', 'The name of who makes the change.');
const VALIDATION = parameter(
  'fieldValidation',
  'string',
  'What to do about unknown and repeated fields: Ignore, Warn or Strict.',
);
const FORCE = parameter('force', 'boolean', 'Takes over fields that others own.');
const PRETTY = parameter('pretty', 'string', 'With "true" the response is indented.');
const LISTING = [
  parameter('allowWatchBookmarks', 'boolean', 'Asks for bookmark events.'),
  parameter('continue', 'string', 'Goes on where the last page ended.'),
  parameter('fieldSelector', 'string', 'Restricts the list of returned objects by their fields.'),
  parameter('labelSelector', 'string', 'Restricts the list of returned objects by their labels.'),
  parameter('limit', 'integer', 'The most objects of one page.'),
  parameter('resourceVersion', 'string', 'The version to read at.'),
  parameter('resourceVersionMatch', 'string', 'How resourceVersion is meant: Exact or NotOlderThan.'),
  parameter('sendInitialEvents', 'boolean', 'Starts a watch with the objects that there are.'),
  parameter('timeoutSeconds', 'integer', 'Ends the call after this long.'),
  parameter('watch', 'boolean', 'Watch for changes to the described resources instead of listing them.'),
];
const DELETING = [
  DRY_RUN,
  parameter('gracePeriodSeconds', 'integer', 'How long the object may take to end.'),
  parameter('propagationPolicy', 'string', 'What becomes of dependents: Orphan, Background or Foreground.'),
];
const WRITING = [DRY_RUN, MANAGER, VALIDATION];
const PATCHING = [DRY_RUN, MANAGER, VALIDATION, FORCE];

/** An operation, independent of the version of OpenAPI. */
interface Operation {
  readonly action: string;
  readonly verb: string;
  readonly parameters: readonly Parameter[];
  /** Definition names. */
  readonly body?: string;
  readonly response: string;
  readonly consumes?: readonly string[];
}

type Operations = Readonly<Partial<Record<'get' | 'put' | 'post' | 'delete' | 'patch', Operation>>>;

/** Writes paths in one version of OpenAPI. */
export class PathWriter {
  readonly paths: Record<string, Json> = {};
  readonly #version: OpenApiVersion;

  constructor(version: OpenApiVersion) {
    this.#version = version;
  }

  addKind(kind: Kind, definitionOf: (group: string, version: string, kind: string) => string | undefined): void {
    const definition = kind.schema.definition ?? '';
    const root = kind.group ? `/apis/${kind.group}/${kind.version}` : `/api/${kind.version}`;
    const home = kind.namespaced ? `${root}/namespaces/{namespace}/${kind.plural}` : `${root}/${kind.plural}`;
    const scope = kind.namespaced ? 'Namespaced' : '';
    const can = (verb: Kind['verbs'][number]) => kind.verbs.includes(verb);
    const list = listDefinition(kind);
    const listing: Operation = { action: 'list', verb: 'list', parameters: LISTING, response: list };
    this.#add(home, kind, `${scope}${kind.kind}`, kind, {
      ...(can('list') && { get: listing }),
      ...(can('create') && {
        post: { action: 'post', verb: 'create', parameters: WRITING, body: definition, response: definition },
      }),
      ...(can('deletecollection') && {
        delete: {
          action: 'deletecollection',
          verb: 'deleteCollection',
          parameters: [...LISTING, ...DELETING],
          body: `${META}.DeleteOptions`,
          response: `${META}.Status`,
        },
      }),
    });
    if (kind.namespaced && can('list')) {
      this.#add(`${root}/${kind.plural}`, kind, `${kind.kind}ForAllNamespaces`, kind, { get: listing });
    }
    this.#add(`${home}/{name}`, kind, `${scope}${kind.kind}`, kind, {
      ...(can('get') && { get: { action: 'get', verb: 'read', parameters: [], response: definition } }),
      ...(can('update') && {
        put: { action: 'put', verb: 'replace', parameters: WRITING, body: definition, response: definition },
      }),
      ...(can('patch') && { patch: this.#patch(kind, definition) }),
      ...(can('delete') && {
        delete: {
          action: 'delete',
          verb: 'delete',
          parameters: DELETING,
          body: `${META}.DeleteOptions`,
          response: `${META}.Status`,
        },
      }),
    });
    for (const subresource of kind.subresources) {
      const body = subresource.kind
        ? definitionOf(subresource.group ?? '', subresource.version ?? 'v1', subresource.kind)
        : definition;
      if (body) this.#addSubresource(`${home}/{name}`, kind, subresource, body);
    }
  }

  #patch(kind: Kind, definition: string): Operation {
    return {
      action: 'patch',
      verb: 'patch',
      parameters: PATCHING,
      body: `${META}.Patch`,
      response: definition,
      consumes: [...patchTypesOf(kind), APPLY_MEDIA_TYPE],
    };
  }

  #addSubresource(home: string, kind: Kind, subresource: Subresource<KubeObject>, definition: string): void {
    const can = (verb: Subresource<KubeObject>['verbs'][number]) => subresource.verbs.includes(verb);
    const { name } = subresource;
    const title = `${kind.namespaced ? 'Namespaced' : ''}${kind.kind}${name[0]?.toUpperCase() ?? ''}${name.slice(1)}`;
    const body: GroupVersionKind = {
      group: subresource.group ?? kind.group,
      version: subresource.version ?? kind.version,
      kind: subresource.kind ?? kind.kind,
    };
    this.#add(`${home}/${name}`, kind, title, body, {
      ...(can('get') && { get: { action: 'get', verb: 'read', parameters: [], response: definition } }),
      ...(can('create') && {
        post: { action: 'post', verb: 'create', parameters: WRITING, body: definition, response: definition },
      }),
      ...(can('update') && {
        put: { action: 'put', verb: 'replace', parameters: WRITING, body: definition, response: definition },
      }),
      ...(can('patch') && { patch: this.#patch(kind, definition) }),
    });
  }

  #add(path: string, kind: Kind, title: string, about: GroupVersionKind, operations: Operations): void {
    if (Object.keys(operations).length === 0) return;
    const item: Json = {};
    const group = kind.group.split('.')[0] ?? '';
    const tag = `${group || 'core'}_${kind.version}`;
    const prefix = tag
      .split('_')
      .map((part) => `${part[0]?.toUpperCase() ?? ''}${part.slice(1)}`)
      .join('');
    for (const [method, operation] of Object.entries(operations)) {
      setOwn(item, method, this.#written(operation, `${operation.verb}${prefix}${title}`, tag, about));
    }
    const placed = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => ({
      name,
      in: 'path',
      required: true,
      ...this.#typed('string'),
      description: name === 'name' ? `Name of the ${kind.kind}.` : 'Namespace of the objects.',
    }));
    item.parameters = [...placed, this.#query(PRETTY)];
    setOwn(this.paths, path, item);
  }

  #typed(type: Parameter['type']): Json {
    return this.#version === 2 ? { type, uniqueItems: true } : { schema: { type, uniqueItems: true } };
  }

  #query({ name, type, description }: Parameter): Json {
    return { name, in: 'query', ...this.#typed(type), description };
  }

  #written(operation: Operation, operationId: string, tag: string, { group, version, kind }: GroupVersionKind): Json {
    const { action, parameters, body, response, consumes = ['*/*'] } = operation;
    const common = {
      tags: [tag],
      description: `${operation.verb} ${kind}`,
      operationId,
      'x-kubernetes-action': action,
      'x-kubernetes-group-version-kind': { group, kind, version },
    };
    const query = parameters.map((known) => this.#query(known));
    const description = action === 'post' ? 'Created' : 'OK';
    const code = action === 'post' ? '201' : '200';
    const responseRef = refOf(response, this.#version);
    if (this.#version === 2) {
      const inBody = body && [{ name: 'body', in: 'body', required: true, schema: refOf(body, 2) }];
      return {
        ...common,
        consumes,
        produces: MEDIA_TYPES,
        schemes: ['https'],
        parameters: [...(inBody || []), ...query],
        responses: { [code]: { description, schema: responseRef }, 401: { description: 'Unauthorized' } },
      };
    }
    const contentOf = (types: readonly string[], schema: Json) =>
      Object.fromEntries(types.map((type) => [type, { schema }]));
    return {
      ...common,
      parameters: query,
      ...(body && { requestBody: { content: contentOf(consumes, refOf(body, 3)) } }),
      responses: {
        [code]: { description, content: contentOf(MEDIA_TYPES, responseRef) },
        401: { description: 'Unauthorized' },
      },
    };
  }
}

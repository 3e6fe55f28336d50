/** From a request to the handler of it. The stages before that are the pipeline's (`admission/pipeline.ts`). */
import {
  isActionSubresource,
  isConnectSubresource,
  isScaleSubresource,
  isStoredSubresource,
  isStreamSubresource,
  type Kind,
  type KubeObject,
  type Subresource,
} from '../../api/machinery/kind.ts';
import { validatePathSegmentName } from '../../api/machinery/names.ts';
import { badRequest, methodNotAllowed, noSuchPath } from '../../api/machinery/status-error.ts';
import type { AuthorizedRequest, Pipeline } from './admission/pipeline.ts';
import type { ServedKinds } from './catalogue/served-kinds.ts';
import type { ServedResource } from './catalogue/served-resource.ts';
import type { Exchange } from './http/exchange.ts';
import { negotiate } from './http/negotiate.ts';
import type { RequestInfo } from './http/request-info.ts';
import { act, type ActionPart } from './verbs/act.ts';
import type { Connector, Handlers, PathHandler, ScaleHandler, VerbHandlers } from './verbs/handlers.ts';

/** What may be done to all namespaces at once. */
const COLLECTION_VERBS = new Set(['list', 'watch']);
/** What takes the name of an object; without one, a delete is a deletecollection and a get a list. */
const NAMED_VERBS = new Set(['update', 'patch']);

export interface RouterParts {
  readonly kinds: ServedKinds;
  readonly pipeline: Pipeline;
  readonly verbs: VerbHandlers;
  readonly scale: ScaleHandler;
  readonly handlers: Handlers;
  readonly paths: readonly PathHandler[];
  /** Whether a path outside of the served kinds may take its connection for another protocol. */
  readonly pathUpgrades: (info: RequestInfo) => boolean;
}

export class Router {
  readonly #parts: RouterParts;

  constructor(parts: RouterParts) {
    this.#parts = parts;
  }

  route(exchange: Exchange): void | Promise<void> {
    const { group, version, resource } = exchange.info;
    if (exchange.info.isResource) exchange.resource = this.#parts.kinds.find(group, version, resource);
    return this.#parts.pipeline.run(exchange, this.#serve);
  }

  /** Whether a request with this method and path may take its connection for another protocol, given in lower case. */
  upgrades(info: RequestInfo, protocol: string): boolean {
    const resource = this.#parts.kinds.find(info.group, info.version, info.resource);
    if (!resource) return this.#parts.pathUpgrades(info);
    if (!isPlaced(resource.kind, info)) return false;
    if (info.verb === 'watch') return info.method === 'GET' && protocol === 'websocket';
    return this.#doorOf(resource.kind, info)?.methods.has(info.method) ?? false;
  }

  readonly #serve = (request: AuthorizedRequest): void | Promise<void> =>
    request.info.isResource ? this.#serveResource(request) : this.#servePath(request);

  async #servePath(request: AuthorizedRequest): Promise<void> {
    for (const handler of this.#parts.paths) if (await handler(request)) return;
    sendNotFoundPage(request);
  }

  #serveResource(request: AuthorizedRequest): void | Promise<void> {
    const { info, resource } = request;
    if (!resource) {
      if (this.#parts.kinds.hasGroupVersion(info.group, info.version)) throw noSuchPath();
      return this.#servePath(request);
    }
    const { kind } = resource;
    if (!isPlaced(kind, info)) {
      throw kind.namespaced && !info.name && !info.subresource ? methodNotAllowed() : noSuchPath();
    }
    if (!kind.namespaced) request.namespace = '';
    requireName(info);
    if (kind.deprecation) request.warn(kind.deprecation);
    const door = this.#doorOf(kind, info);
    if (door) {
      if (!door.methods.has(info.method)) throw methodNotAllowed();
      return door.open(request);
    }
    requireRoute(kind, info);
    request.accepted = negotiate(request.header('accept'), kind.schema);
    return info.subresource ? this.#servePart(request, resource) : this.#serveVerb(request, resource);
  }

  /** What keeps the request for as long as it likes; undefined when none of them serves the path. */
  #doorOf(kind: Kind, { verbInPath, name, subresource, rest }: RequestInfo): Door | undefined {
    if (name === '' || subresource === '' || verbInPath) return undefined;
    const known = kind.subresources.find((one) => one.name === subresource);
    const door = known && this.#door(kind, known);
    return door && (door.takesPath || isEmptyPath(rest)) ? door : undefined;
  }

  #door(kind: Kind, subresource: Subresource<KubeObject>): Door | undefined {
    const { pipeline, handlers } = this.#parts;
    if (isConnectSubresource(subresource)) {
      const connector = handlers.connectors[subresource.connection];
      return doorTo(connector, (request) => pipeline.admitConnect(request, kind, subresource));
    }
    return isStreamSubresource(subresource)
      ? doorTo(handlers.streams[subresource.stream], (request) => request)
      : undefined;
  }

  #serveVerb(request: AuthorizedRequest, resource: ServedResource): void | Promise<void> {
    const { verb, name } = request.info;
    const { kind } = resource;
    const known = kind.verbs.find((one) => one === verb);
    if (!known || (known === 'create' ? name : NAMED_VERBS.has(known) && !name)) throw methodNotAllowed();
    if (kind.action) return this.#act(request, kind, { action: kind.action, body: kind, keepsMetadata: false });
    return this.#parts.verbs[known](request, resource);
  }

  #servePart(request: AuthorizedRequest, resource: ServedResource): void | Promise<void> {
    const { verb, subresource } = request.info;
    const { kind } = resource;
    const part = kind.subresources.find(({ name }) => name === subresource);
    if (!part) throw noSuchPath();
    if (!part.verbs.some((allowed) => allowed === verb)) throw methodNotAllowed();
    if (isActionSubresource(part)) return this.#act(request, kind, part);
    if (isStoredSubresource(part)) {
      if (verb !== 'get' && verb !== 'update' && verb !== 'patch') throw methodNotAllowed();
      return this.#parts.verbs[verb](request, resource, part);
    }
    if (isScaleSubresource(part)) return this.#parts.scale(request, resource, part);
    // Nothing leads to a node here: `#doorOf` would have found it.
    throw noSuchPath();
  }

  #act(request: AuthorizedRequest, kind: Kind, what: ActionPart): Promise<void> {
    const { pipeline, handlers } = this.#parts;
    return act(pipeline, request, kind, what, handlers.actions[what.action]);
  }
}

/** A connector, behind the stages that its requests pass. */
interface Door extends Pick<Connector, 'methods' | 'takesPath'> {
  readonly open: (request: AuthorizedRequest) => Promise<void>;
}

const doorTo = <R>(connector: Connector<R>, admit: (request: AuthorizedRequest) => R | Promise<R>): Door => ({
  methods: connector.methods,
  takesPath: connector.takesPath,
  open: async (request) => {
    const admitted = await admit(request);
    await (request.upgrade ? connector.upgrade(admitted, request.upgrade) : connector.serve(admitted));
  },
});

/**
 * Kinds of the cluster are not found in namespaces (a namespace is in itself), nor single objects of namespaced kinds outside of
 * them.
 */
function isPlaced({ namespaced, plural }: Kind, { namespace, name, subresource, verb }: RequestInfo): boolean {
  if (namespaced) return namespace !== '' || (COLLECTION_VERBS.has(verb) && subresource === '');
  return namespace === '' || (plural === 'namespaces' && namespace === name);
}

/** Throws a 404 StatusError for a path that upstream has no route for, and a 405 for a method that the route does not take. */
function requireRoute(kind: Kind, { verb, verbInPath, method, subresource, name, rest }: RequestInfo): void {
  if (subresource && (!name || verbInPath || !kind.subresources.some((known) => known.name === subresource))) {
    throw noSuchPath();
  }
  if (verb === 'proxy' || !isEmptyPath(rest)) throw noSuchPath();
  if (verb === '' || method === 'HEAD' || (verbInPath && method !== 'GET')) throw methodNotAllowed();
}

const isEmptyPath = (path: string): boolean => !/[^/]/.test(path);

/** What reads or changes one object, whose name is a segment of the path of the store, too. */
const OBJECT_VERBS = new Set(['get', 'update', 'patch', 'delete']);

/** Throws a 400 StatusError for a name that cannot be one. */
function requireName({ verb, name, subresource }: RequestInfo): void {
  if (name === '') {
    if (subresource !== '') throw badRequest('name must be provided');
    return;
  }
  if (!OBJECT_VERBS.has(verb)) return;
  const problems = validatePathSegmentName(name);
  if (problems.length > 0) throw badRequest(`Name parameter invalid: ${JSON.stringify(name)}: ${problems.join(';')}`);
}

function sendNotFoundPage(exchange: Exchange): void {
  exchange.write(404, 'text/plain; charset=utf-8', '404 page not found\n', { 'X-Content-Type-Options': 'nosniff' });
}

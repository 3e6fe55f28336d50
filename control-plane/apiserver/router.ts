/** From a request to the handler of it: authentication, authorization, then the verb on the resource. */
import { groupResource } from '../../api/machinery/define-kind.ts';
import type { Kind } from '../../api/machinery/kind.ts';
import { validatePathSegmentName } from '../../api/machinery/names.ts';
import { badRequest, methodNotAllowed, noSuchPath } from '../../api/machinery/status-error.ts';
import type { Actions, Connector } from './http/action.ts';
import { authenticate, authorize, type Gate } from './access/gate.ts';
import type { ConnectionCredentials } from './access/credentials.ts';
import type { Exchange, PathHandler } from './http/exchange.ts';
import type { ListServer } from './verbs/list.ts';
import type { MaxInFlight } from './http/max-in-flight.ts';
import { negotiate } from './http/negotiate.ts';
import type { ObjectHandlers } from './verbs/object-handlers.ts';
import type { Registry } from './catalogue/registry.ts';
import type { RequestInfo } from './http/request-info.ts';
import type { ServedResource } from './catalogue/served-resource.ts';
import type { Subresources } from './verbs/subresources.ts';
import type { WatchServer } from './verbs/watch.ts';

/** What may be done to all namespaces at once. */
const COLLECTION_VERBS = new Set(['list', 'watch']);

export interface RouterParts {
  readonly registry: Registry;
  readonly gate: Gate;
  readonly credentials: ConnectionCredentials;
  readonly inFlight: MaxInFlight;
  readonly objects: ObjectHandlers;
  readonly lists: ListServer;
  readonly watches: WatchServer;
  readonly subresources: Subresources;
  readonly actions: Actions;
  readonly paths: readonly PathHandler[];
}

export class Router {
  readonly #parts: RouterParts;

  constructor(parts: RouterParts) {
    this.#parts = parts;
  }

  /** Synchronous as far as it can be: most reads are answered without a turn of the event loop. */
  route(exchange: Exchange): void | Promise<void> {
    const { group, version, resource } = exchange.info;
    if (exchange.info.isResource) exchange.resource = this.#parts.registry.find(group, version, resource);
    const user = authenticate(this.#parts.gate, this.#parts.credentials.of(exchange.request));
    if (user instanceof Promise) {
      return user.then((known) => {
        exchange.user = known;
        return this.#authorized(exchange);
      });
    }
    exchange.user = user;
    return this.#authorized(exchange);
  }

  /** What takes the request over, after authentication and authorization; undefined when it is none of a connector's. */
  connectorFor(info: RequestInfo): Connector | undefined {
    const resource = this.#parts.registry.find(info.group, info.version, info.resource);
    if (!resource || !isPlaced(resource.kind, info)) return undefined;
    const connector = this.#connectorOf(resource, info);
    return connector?.methods.has(info.method) ? connector : undefined;
  }

  #connectorOf({ kind }: ServedResource, { verbInPath, name, subresource, rest }: RequestInfo): Connector | undefined {
    if (name === '' || subresource === '' || verbInPath) return undefined;
    const connector = this.#parts.actions.connectors.get(`${groupResource(kind)}/${subresource}`);
    return connector && (connector.takesPath || isEmptyPath(rest)) ? connector : undefined;
  }

  #authorized(exchange: Exchange): void | Promise<void> {
    exchange.user = authorize(this.#parts.gate, exchange.user, exchange.info, exchange.request);
    return this.#parts.inFlight.run(exchange, this.#serve);
  }

  readonly #serve = (exchange: Exchange): void | Promise<void> =>
    exchange.info.isResource ? this.#serveResource(exchange) : this.#servePath(exchange);

  async #servePath(exchange: Exchange): Promise<void> {
    for (const handler of this.#parts.paths) if (await handler(exchange)) return;
    sendNotFoundPage(exchange);
  }

  #serveResource(exchange: Exchange): void | Promise<void> {
    const { info, resource } = exchange;
    if (!resource) {
      if (this.#parts.registry.hasGroupVersion(info.group, info.version)) throw noSuchPath();
      return this.#servePath(exchange);
    }
    if (!isPlaced(resource.kind, info)) {
      throw resource.kind.namespaced && !info.name && !info.subresource ? methodNotAllowed() : noSuchPath();
    }
    if (!resource.kind.namespaced) exchange.namespace = '';
    requireName(info);
    if (resource.kind.deprecation) exchange.warn(resource.kind.deprecation);
    const connector = this.#connectorOf(resource, info);
    if (connector) {
      if (!connector.methods.has(info.method)) throw methodNotAllowed();
      return connector.serve(exchange.request, exchange.response, info, exchange.user);
    }
    requireRoute(resource, info);
    exchange.accepted = negotiate(exchange.header('accept'));
    if (info.subresource) return this.#parts.subresources.serve(exchange, resource);
    return this.#serveVerb(exchange, resource);
  }

  #serveVerb(exchange: Exchange, resource: ServedResource): void | Promise<void> {
    const { objects, lists, watches, subresources } = this.#parts;
    const { verb, name } = exchange.info;
    const { kind } = resource;
    if (verb === 'create' && name) throw methodNotAllowed();
    const action = this.#parts.actions.actions.get(groupResource(kind));
    if (action && verb === 'create') return subresources.act(exchange, resource, action);
    if (kind.kind === 'Binding' && verb === 'create') return subresources.bind(exchange, resource);
    if (!kind.verbs.some((known) => known === verb)) throw methodNotAllowed();
    switch (verb) {
      case 'get':
        return objects.get(exchange, resource);
      case 'list':
        return lists.serve(exchange, resource);
      case 'watch':
        return watches.serve(exchange, resource);
      case 'create':
        return objects.create(exchange, resource);
      case 'update':
        if (!name) throw methodNotAllowed();
        return objects.update(exchange, resource);
      case 'patch':
        if (!name) throw methodNotAllowed();
        return objects.patch(exchange, resource);
      case 'delete':
        return objects.delete(exchange, resource);
      case 'deletecollection':
        return objects.deleteCollection(exchange, resource);
      default:
        throw methodNotAllowed();
    }
  }
}

/**
 * Kinds of the cluster are not found in namespaces (a namespace is in itself), nor single objects of namespaced kinds outside of
 * them.
 */
function isPlaced({ namespaced, plural }: Kind, { namespace, name, subresource, verb }: RequestInfo): boolean {
  if (namespaced) return namespace !== '' || (COLLECTION_VERBS.has(verb) && subresource === '');
  return namespace === '' || (plural === 'namespaces' && namespace === name);
}

/** Throws a 404 StatusError for a path that upstream has no route for, and a 405 for a method that the route does not take. */
function requireRoute(
  resource: ServedResource,
  { verb, verbInPath, method, subresource, name, rest }: RequestInfo,
): void {
  if (subresource && (!name || verbInPath || !resource.hasSubresource(subresource))) throw noSuchPath();
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

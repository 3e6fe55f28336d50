/** Subresources that are views of a stored object or acts upon it, and the creates that store nothing. */
import { decodeObject } from '../../../api/machinery/decode.ts';
import { isStoredSubresource, type KubeObject, type ServedSubresource } from '../../../api/machinery/kind.ts';
import {
  badRequest,
  conflict,
  methodNotAllowed,
  noSuchPath,
  notAcceptable,
  notFound,
} from '../../../api/machinery/status-error.ts';
import { findByKind } from '../../../api/registry.ts';
import type { Action, Actions } from '../http/action.ts';
import type { Exchange } from '../http/exchange.ts';
import type { LocalApi } from '../catalogue/local-api.ts';
import { NOT_ACCEPTABLE } from '../http/negotiate.ts';
import { placeObject, type Stored } from '../catalogue/object-meta.ts';
import type { ObjectHandlers } from './object-handlers.ts';
import type { Registry } from '../catalogue/registry.ts';
import type { ServedResource } from '../catalogue/served-resource.ts';
import { serveScale } from './scale.ts';
import { validateDeleteOptions } from '../storage/deletion.ts';
import { BINDING } from '../storage/update-strategy.ts';
import { parseDryRun, parseFieldValidation, reportBody } from './write-options.ts';
import type { ObjectWriter } from '../storage/write.ts';
import type { Binding, Pod } from '../../../api/types/core/v1.gen.ts';
import type { Eviction } from '../../../api/types/policy/v1.gen.ts';

export interface SubresourceParts {
  readonly registry: Registry;
  readonly writer: ObjectWriter;
  readonly objects: ObjectHandlers;
  readonly api: LocalApi;
  readonly actions: Actions;
}

export class Subresources {
  readonly #parts: SubresourceParts;
  constructor(parts: SubresourceParts) {
    this.#parts = parts;
  }

  serve(exchange: Exchange, resource: ServedResource): void | Promise<void> {
    const { verb, subresource } = exchange.info;
    const known = resource.kind.subresources.find(({ name }) => name === subresource);
    if (!known) throw noSuchPath();
    if (!known.verbs.some((allowed) => allowed === verb)) throw methodNotAllowed();
    const { objects } = this.#parts;
    if (!isStoredSubresource(known)) return this.#serveOwn(exchange, resource, known);
    switch (verb) {
      case 'get':
        return objects.get(exchange, resource);
      case 'update':
        return objects.update(exchange, resource, known);
      case 'patch':
        return objects.patch(exchange, resource, known);
      default:
        throw methodNotAllowed();
    }
  }

  #serveOwn(exchange: Exchange, resource: ServedResource, { name }: ServedSubresource): void | Promise<void> {
    const { objects, writer, actions } = this.#parts;
    switch (name) {
      case 'scale':
        return serveScale(exchange, resource, writer, objects);
      case 'binding':
        return this.bind(exchange, resource);
      case 'eviction':
        return this.#evict(exchange, resource);
      case 'token': {
        const action = actions.actions.get(`${resource.kind.plural}/${name}`);
        if (!action) throw noSuchPath();
        return this.act(exchange, resource, action);
      }
      // Where the api-server has connectors for these, the router has handed the request to them.
      case 'attach':
      case 'exec':
      case 'log':
      case 'portforward':
      case 'proxy':
        throw noSuchPath();
    }
  }

  /** A create that is answered by an action: reviews, tokens. */
  async act(exchange: Exchange, resource: ServedResource, action: Action): Promise<void> {
    const { info, user } = exchange;
    // Only what is stored has rows and metadata to show.
    if (exchange.accepted.form !== 'object') throw notAcceptable(NOT_ACCEPTABLE);
    const dryRun = parseDryRun(info.query, 'CreateOptions');
    const body = await this.#readBody(exchange, resource);
    const { code, object } = await action({ info, user, api: this.#parts.api, body, dryRun });
    exchange.sendObject(code, object);
  }

  /** Gives a pod its node, once. */
  async bind(exchange: Exchange, resource: ServedResource): Promise<void> {
    const { namespace } = exchange;
    const { query } = exchange.info;
    const dryRun = parseDryRun(query, 'CreateOptions');
    const binding = (await this.#readBody(exchange, resource, 'Binding')) as Binding;
    const { metadata } = placeObject({ ...resource.kind, namespaced: true }, binding, namespace, exchange.info.name);
    const { target } = binding;
    if (target.kind && target.kind !== 'Node') throw badRequest(`a pod cannot be bound to a ${target.kind}`);
    if (!target.name) throw badRequest('the target of a binding needs a name');
    const name = metadata.name ?? '';
    const pods = this.#parts.registry.find('', 'v1', 'pods');
    if (!pods) throw noSuchPath();
    const change = (old: Stored | undefined, reparse: () => Stored): Stored => {
      if (!old) throw notFound(pods.kind, name);
      const pod = reparse() as Stored & Pod;
      if (metadata.uid && metadata.uid !== pod.metadata.uid) {
        throw conflict(
          pods.kind,
          name,
          `Precondition failed: UID in precondition: ${metadata.uid}, UID in object meta: ${pod.metadata.uid}`,
        );
      }
      if (pod.metadata.deletionTimestamp) {
        throw conflict(
          { group: '', plural: 'pods/binding' },
          name,
          `pod ${name} is being deleted, cannot be assigned to a host`,
        );
      }
      if (pod.spec?.nodeName) {
        throw conflict(
          { group: '', plural: 'pods/binding' },
          name,
          `pod ${name} is already assigned to node ${JSON.stringify(pod.spec.nodeName)}`,
        );
      }
      pod.spec = { ...(pod.spec ?? { containers: [] }), nodeName: target.name };
      if (metadata.annotations) pod.metadata.annotations = { ...pod.metadata.annotations, ...metadata.annotations };
      pod.status = { ...pod.status, conditions: withScheduled(pod) };
      // Decoding completes what a condition always has.
      return pods.decode(pod).object;
    };
    const context = { ...this.#parts.objects.context(exchange, dryRun), admission: [] };
    await this.#parts.writer.update(pods, { namespace, name, part: BINDING, change }, context);
    exchange.sendObject(201, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 });
  }

  async #evict(exchange: Exchange, resource: ServedResource): Promise<void> {
    const { namespace } = exchange;
    const { name, query } = exchange.info;
    const eviction = (await this.#readBody(exchange, resource)) as Eviction;
    placeObject(resource.kind, eviction, namespace, name);
    const options = eviction.deleteOptions ?? {};
    validateDeleteOptions(options);
    const dryRun = parseDryRun(query, 'CreateOptions') || (options.dryRun?.includes('All') ?? false);
    const context = this.#parts.objects.context(exchange, dryRun);
    await this.#parts.writer.delete(resource, namespace, name, options, context);
    exchange.sendObject(201, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 });
  }

  async #readBody(exchange: Exchange, resource: ServedResource, travels?: string): Promise<KubeObject> {
    const { query, subresource } = exchange.info;
    const validation = parseFieldValidation(query, 'CreateOptions');
    const body = await exchange.readBody();
    const parsed = exchange.parseBody(body, validation !== 'Ignore');
    const described = resource.kind.subresources.find(({ name }) => name === subresource);
    const { group = '', version = 'v1', kind = travels } = described ?? {};
    const travelling = kind === undefined ? undefined : findByKind(group, version, kind);
    const known = travelling ?? resource.kind;
    const decoded = decodeObject(known, parsed.value);
    reportBody(known, parsed, decoded.problems, validation, exchange);
    known.applyDefaults(decoded.object);
    return decoded.object;
  }
}

function withScheduled({ metadata, status }: Pod): NonNullable<NonNullable<Pod['status']>['conditions']> {
  const others = (status?.conditions ?? []).filter(({ type }) => type !== 'PodScheduled');
  const now = `${new Date().toISOString().slice(0, 19)}Z`;
  const observedGeneration = metadata?.generation;
  return [...others, { type: 'PodScheduled', status: 'True', observedGeneration, lastTransitionTime: now }];
}

/** The verbs on one stored object, or on a collection of them. */
import { apiVersionOf } from '../../../api/machinery/define-kind.ts';
import { isNotFound, notFound } from '../../../api/machinery/status-error.ts';
import type { AdmissionPlugin } from '../admission/plugin.ts';
import { validateDeleteOptions } from '../storage/deletion.ts';
import type { Exchange } from '../http/exchange.ts';
import { authorizeAs, type Gate } from '../access/gate.ts';
import { partialMetadata } from './partial-metadata.ts';
import { parseRevision } from './list-options.ts';
import { waitUntilFresh } from '../catalogue/freshness.ts';
import type { Stored } from '../catalogue/object-meta.ts';
import { readPatch } from './patch-request.ts';
import type { Registry } from '../catalogue/registry.ts';
import type { ServedResource } from '../catalogue/served-resource.ts';
import type { Entry } from '../storage/cache/entry.ts';
import { parseSelection } from './selection.ts';
import { columnDefinitions, parseIncludeObject, tableRow } from './table.ts';
import { WHOLE, type UpdatedPart } from '../storage/update-strategy.ts';
import { decodeBody, parseDryRun, parseFieldValidation, readDeleteOptions } from './write-options.ts';
import type { ObjectWriter, WriteContext, Written } from '../storage/write.ts';

/** Objects of a collection that are deleted at the same time, and share flushes of the store. */
const DELETE_SLICE = 250;

export class ObjectHandlers {
  readonly #registry: Registry;
  readonly #writer: ObjectWriter;
  readonly #admission: readonly AdmissionPlugin[];
  readonly #gate: Gate;

  constructor(registry: Registry, writer: ObjectWriter, admission: readonly AdmissionPlugin[], gate: Gate) {
    this.#registry = registry;
    this.#writer = writer;
    this.#admission = admission;
    this.#gate = gate;
  }

  context(exchange: Exchange, dryRun: boolean): WriteContext {
    const { user, info, warn } = exchange;
    const authorizeCreate = (): void => authorizeAs(this.#gate, user, { ...info, verb: 'create' });
    return { user, dryRun, admission: this.#admission, warn, authorizeCreate };
  }

  get(exchange: Exchange, resource: ServedResource): void | Promise<void> {
    const { namespace } = exchange;
    const { name, query } = exchange.info;
    const revision = query.size > 0 ? parseRevision(query.get('resourceVersion') ?? '') : undefined;
    const stale = waitUntilFresh(this.#registry, revision);
    if (stale) return stale.then(() => this.#get(exchange, resource, namespace, name));
    this.#get(exchange, resource, namespace, name);
  }

  #get(exchange: Exchange, resource: ServedResource, namespace: string, name: string): void {
    const entry = resource.cache.get(namespace, name);
    if (!entry) throw notFound(resource.kind, name);
    sendServed(exchange, resource, 200, resource.serve(entry.bytes));
  }

  async create(exchange: Exchange, resource: ServedResource): Promise<void> {
    const { namespace } = exchange;
    const { query } = exchange.info;
    const dryRun = parseDryRun(query, 'CreateOptions');
    const validation = parseFieldValidation(query, 'CreateOptions');
    const body = await exchange.readBody();
    const object = decodeBody(resource, body, validation, exchange);
    resource.kind.applyDefaults(object);
    const { bytes } = await this.#writer.create(resource, namespace, object, this.context(exchange, dryRun));
    sendServed(exchange, resource, 201, bytes);
  }

  async update(exchange: Exchange, resource: ServedResource, part: UpdatedPart = WHOLE): Promise<void> {
    const { namespace } = exchange;
    const { query, name } = exchange.info;
    const dryRun = parseDryRun(query, 'UpdateOptions');
    const validation = parseFieldValidation(query, 'UpdateOptions');
    const body = await exchange.readBody();
    const change = (): Stored => {
      const object = decodeBody(resource, body, validation, exchange);
      resource.kind.applyDefaults(object);
      return object;
    };
    const written = await this.#writer.update(
      resource,
      { namespace, name, part, change },
      this.context(exchange, dryRun),
    );
    sendServed(exchange, resource, written.outcome === 'created' ? 201 : 200, written.bytes);
  }

  async patch(exchange: Exchange, resource: ServedResource, part: UpdatedPart = WHOLE): Promise<void> {
    const { namespace } = exchange;
    const { query, name } = exchange.info;
    const dryRun = parseDryRun(query, 'PatchOptions');
    const validation = parseFieldValidation(query, 'PatchOptions');
    const patch = await readPatch(exchange, validation);
    const change = (old: Stored | undefined, reparse: () => Stored): Stored => {
      if (!old) throw notFound(resource.kind, name);
      const object = patch.apply(resource.kind, old, reparse, exchange) as Stored;
      resource.kind.applyDefaults(object);
      return object;
    };
    const { bytes } = await this.#writer.update(
      resource,
      { namespace, name, part, change },
      this.context(exchange, dryRun),
    );
    sendServed(exchange, resource, 200, bytes);
  }

  async delete(exchange: Exchange, resource: ServedResource): Promise<void> {
    const { namespace } = exchange;
    const { name } = exchange.info;
    const options = await readDeleteOptions(exchange);
    validateDeleteOptions(options);
    const context = this.context(exchange, options.dryRun?.includes('All') ?? false);
    sendDeleted(exchange, resource, await this.#writer.delete(resource, namespace, name, options, context));
  }

  /** Each object by itself, as upstream; the answer is the list of what was there. */
  async deleteCollection(exchange: Exchange, resource: ServedResource): Promise<void> {
    const { namespace } = exchange;
    const selection = parseSelection(resource, exchange.info);
    const options = await readDeleteOptions(exchange);
    validateDeleteOptions(options);
    const context = this.context(exchange, options.dryRun?.includes('All') ?? false);
    const entries = [...resource.cache.entries(namespace)].filter((entry) => selection.matches(entry));
    const deleteOne = async (entry: Entry): Promise<Buffer[]> => {
      try {
        const { bytes } = await this.#writer.delete(resource, entry.namespace, entry.name, options, context);
        return [bytes];
      } catch (error) {
        // Somebody else was faster.
        if (isNotFound(error)) return [];
        throw error;
      }
    };
    const gone: Buffer[] = [];
    for (let first = 0; first < entries.length; first += DELETE_SLICE) {
      const deleted = await Promise.all(entries.slice(first, first + DELETE_SLICE).map(deleteOne));
      gone.push(...deleted.flat());
    }
    const { kind } = resource;
    exchange.sendObject(200, {
      kind: `${kind.kind}List`,
      apiVersion: apiVersionOf(kind),
      metadata: { resourceVersion: String(this.#registry.revision) },
      items: gone.map((bytes) => JSON.parse(bytes.toString()) as object),
    });
  }
}

/** Answers with an object in the form that the client asked for. */
export function sendServed(exchange: Exchange, resource: ServedResource, code: number, bytes: Buffer): void {
  const { form, metaVersion } = exchange.accepted;
  switch (form) {
    case 'object':
      return exchange.send(code, bytes);
    case 'metadata':
      return exchange.send(code, partialMetadata(resource, bytes, metaVersion));
    case 'table': {
      const object = JSON.parse(bytes.toString()) as Stored;
      exchange.sendObject(code, {
        kind: 'Table',
        apiVersion: metaVersion,
        metadata: { resourceVersion: object.metadata.resourceVersion },
        columnDefinitions: columnDefinitions(resource.kind),
        rows: [tableRow(resource.kind, object, parseIncludeObject(exchange.info.query), Date.now(), metaVersion)],
      });
    }
  }
}

function sendDeleted(exchange: Exchange, resource: ServedResource, { bytes, outcome }: Written): void {
  const { kind } = resource;
  if (outcome !== 'deleted' || kind.returnDeletedObject) {
    return sendServed(exchange, resource, 200, bytes);
  }
  const { uid } = (JSON.parse(bytes.toString()) as Stored).metadata;
  exchange.sendObject(200, {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: { name: exchange.info.name, ...(kind.group && { group: kind.group }), kind: kind.plural, uid },
  });
}

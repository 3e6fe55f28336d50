/** The last step of a write: one compare-and-write, with what is reserved for it. */
import { groupResource } from '../../../api/machinery/define-kind.ts';
import type { Kind } from '../../../api/machinery/kind.ts';
import { cachedKind } from '../../../api/machinery/stored-as.ts';
import { tooLarge } from '../../../api/machinery/status-error.ts';
import { spanning, type Span } from '../../../daemon/tracing/span.ts';
import { StoreTimeoutError } from '../../store/store.ts';
import type { Stored } from '../catalogue/object-meta.ts';
import type { Registry } from '../catalogue/registry.ts';
import type { EncodedObject, ServedResource } from '../catalogue/served-resource.ts';
import { entryKey, type Entry } from './cache/entry.ts';
import { isDeletedBy } from './deletion.ts';
import { encodeOwned, isTooLarge, isUnchanged, MAX_STORED_BYTES, ownBytes } from './encoding.ts';
import type { Reservation, Reservers } from './reserver.ts';

export interface Written {
  /** The current object, as served. */
  readonly bytes: Buffer;
  readonly outcome: 'created' | 'updated' | 'unchanged' | 'deleted';
}

/** Of the request that writes. */
export interface WriteMode {
  readonly dryRun: boolean;
  readonly origin?: { readonly span: Span | undefined } | undefined;
}

export class ObjectStore {
  readonly #registry: Registry;
  readonly #reservers: Reservers;
  readonly #ttls: ReadonlyMap<Kind, number>;

  /** @param ttls milliseconds, by the kind as which the object is stored */
  constructor(registry: Registry, reservers: Reservers, ttls: ReadonlyMap<Kind, number>) {
    this.#registry = registry;
    this.#reservers = reservers;
    this.#ttls = ttls;
  }

  /** Writes a new object. Throws ConflictError when there is one of its name. */
  async add(
    resource: ServedResource,
    namespace: string,
    object: Stored,
    owners: string,
    { dryRun, origin }: WriteMode,
  ): Promise<Written> {
    const reserver = this.#reservers.get(resource.kind);
    const reservation = reserver && (await reserver.reserve(object, undefined, dryRun));
    const encoding = encodeOwned(resource, object, owners);
    const encoded = encoding instanceof Promise ? await encoding : encoding;
    if (dryRun) return { bytes: ownBytes(resource, object, owners, encoded), outcome: 'created' };
    const name = object.metadata.name ?? '';
    const bytes = reservation
      ? await this.#putReserved(resource, namespace, name, encoded, 0, reservation, origin?.span)
      : await this.#put(resource, namespace, name, encoded, 0, origin?.span);
    return { bytes, outcome: 'created' };
  }

  /** Writes `object` over `current`; deletes it instead when nothing keeps an object that is being deleted. */
  async replace(
    resource: ServedResource,
    current: Entry,
    old: Stored,
    object: Stored,
    owners: string,
    mode: WriteMode,
  ): Promise<Written> {
    const { dryRun, origin } = mode;
    if (isDeletedBy(resource.kind, object)) return this.remove(resource, current, old, object, owners, mode);
    const reserver = this.#reservers.get(resource.kind);
    const reservation = reserver && (await reserver.reserve(object, old, dryRun));
    const encoding = encodeOwned(resource, object, owners);
    const encoded = encoding instanceof Promise ? await encoding : encoding;
    if (isUnchanged(resource, current, encoded.bytes)) {
      await reservation?.rollback();
      return { bytes: resource.serve(current.bytes), outcome: 'unchanged' };
    }
    const { namespace, name, revision } = current;
    if (dryRun) {
      const bytes = resource.bytes.serve(ownBytes(resource, object, owners, encoded), revision);
      return { bytes, outcome: 'updated' };
    }
    const bytes = reservation
      ? await this.#putReserved(resource, namespace, name, encoded, revision, reservation, origin?.span)
      : await this.#put(resource, namespace, name, encoded, revision, origin?.span);
    return { bytes, outcome: 'updated' };
  }

  async #putReserved(
    resource: ServedResource,
    namespace: string,
    name: string,
    encoded: EncodedObject,
    base: number,
    reservation: Reservation,
    span: Span | undefined,
  ): Promise<Buffer> {
    try {
      const bytes = await this.#put(resource, namespace, name, encoded, base, span);
      await reservation.commit();
      return bytes;
    } catch (error) {
      // The write may have taken place, or may yet: keep the reservation; a leak is found by the repair.
      if (!(error instanceof StoreTimeoutError)) await reservation.rollback();
      throw error;
    }
  }

  async #put(
    resource: ServedResource,
    namespace: string,
    name: string,
    { bytes: stored, written: note }: EncodedObject,
    base: number,
    span: Span | undefined,
  ): Promise<Buffer> {
    if (isTooLarge(stored)) throw tooLarge(`Request entity too large: limit is ${MAX_STORED_BYTES}`);
    const key = resource.storeKey(namespace, name);
    const ttlMs = this.#ttls.get(cachedKind(resource.kind));
    const ttl = ttlMs !== undefined && { ttlMs };
    const revision = await storing(span, resource, base === 0 ? 'create' : 'update', (traceparent) =>
      this.#registry.store.put(key, stored, { revision: base, note, traceparent, ...ttl }),
    );
    const behind = this.#registry.caughtUp(revision);
    if (behind) await behind;
    const entry = resource.cache.get(namespace, name);
    const isCurrent = entry?.revision === revision;
    if (resource.converted) {
      const written = isCurrent ? entry : resource.cache.entryOf(entryKey(namespace, name), stored, revision, note);
      return resource.serve((await resource.converted.one(written)).bytes);
    }
    return resource.serve(isCurrent ? entry.bytes : resource.cache.bytes.serve(stored, revision));
  }

  /** Deletes an object. @param old as it is stored, which is what it holds. @param object the last state, as clients are told it. */
  async remove(
    resource: ServedResource,
    current: Entry,
    old: Stored,
    object: Stored,
    owners: string,
    { dryRun, origin }: WriteMode,
  ): Promise<Written> {
    const { namespace, name, revision } = current;
    if (dryRun) return { bytes: resource.serve(current.bytes), outcome: 'deleted' };
    const key = resource.storeKey(namespace, name);
    const deletedAt = await storing(origin?.span, resource, 'delete', (traceparent) =>
      this.#registry.store.delete(key, { revision, traceparent }),
    );
    const behind = this.#registry.caughtUp(deletedAt);
    if (behind) await behind;
    const reserver = this.#reservers.get(resource.kind);
    if (reserver) await reserver.release(old);
    const last = { ...object, metadata: { ...object.metadata, resourceVersion: String(deletedAt) } };
    return { bytes: resource.bytes.serve(resource.bytes.encode(last, owners), deletedAt), outcome: 'deleted' };
  }
}

/** Calls the store, as a part of the request's trace. */
const storing = <T>(
  parent: Span | undefined,
  { kind }: ServedResource,
  operation: 'create' | 'update' | 'delete',
  call: (traceparent: string | undefined) => Promise<T>,
): Promise<T> =>
  spanning(
    parent,
    'Store',
    (span) => {
      span?.set('operation', operation).set('resource', groupResource(kind));
      return call(span?.traceparent);
    },
    'client',
  );

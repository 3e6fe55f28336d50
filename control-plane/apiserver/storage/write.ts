/**
 * The write path: admission, preparation, validation, one serialization, one compare-and-write. Resolves when the write is
 * on disk and in the caches, so that clients read their own writes.
 */
import { deepEqual } from '../../../api/machinery/deep-equal.ts';
import { invalid } from '../../../api/machinery/field-error.ts';
import { validateObjectMeta, validateObjectMetaUpdate } from '../../../api/machinery/metadata.ts';
import {
  alreadyExists,
  conflict,
  invalidObject,
  notFound,
  staleObject,
  tooLarge,
} from '../../../api/machinery/status-error.ts';
import { ConflictError, StoreTimeoutError } from '../../store/store.ts';
import type { WriteContext } from '../admission/pipeline.ts';
import { admit, type AdmissionRequest } from '../admission/plugin.ts';
import { deletionWarning, isDeletedBy, planDeletion } from './deletion.ts';
import {
  fillSystemFields,
  keepSystemFields,
  generateName,
  placeObject,
  type Stored,
} from '../catalogue/object-meta.ts';
import type { Registry } from '../catalogue/registry.ts';
import type { ConvertedEntries } from '../catalogue/converted-entries.ts';
import type { EncodedObject, ServedResource } from '../catalogue/served-resource.ts';
import { entryKey, type Entry } from './cache/entry.ts';
import { Ownership, sameOwners, type OwnedPart } from './ownership.ts';
import { updateRules, viewOf, type UpdatedPart } from './update-strategy.ts';
import type { HookContext, Kind } from '../../../api/machinery/kind.ts';
import type { DeleteOptions } from '../../../api/types/meta/v1.gen.ts';
import { waitUntilFresh } from '../catalogue/freshness.ts';

/** Upstream retries as often after a collision of a generated name, and after a conflict of a patch. */
const MAX_NAME_ATTEMPTS = 8;
const MAX_CONFLICT_ATTEMPTS = 5;
/** Upstream's limit for a stored object: without it, repeated small patches could grow an object without bound. */
const MAX_STORED_BYTES = 1.5 * 1024 * 1024;

export interface Written {
  /** The current object, as served. */
  readonly bytes: Buffer;
  readonly outcome: 'created' | 'updated' | 'unchanged' | 'deleted';
}

interface UpdateTarget {
  readonly namespace: string;
  readonly name: string;
  readonly part: UpdatedPart;
}

export interface ChangeRequest extends UpdateTarget {
  /**
   * Returns the new object, or the new Scale of it where `part` is `scale`. `old` (undefined when a PUT may create the object) must
   * not be changed: `reparse` returns a copy that may. Called again after a conflict. The result shares nothing with `old`, and its
   * resourceVersion, if any, must be that of `old`.
   */
  readonly change: (old: Stored | undefined, reparse: () => Stored) => Stored | Promise<Stored>;
  readonly apply?: undefined;
}

export interface ApplyRequest extends UpdateTarget {
  /**
   * Applies a configuration. `live` is what travels for the part, undefined when there is no object, and `owners` the text of its
   * managedFields. Called again after a conflict.
   */
  readonly apply: (live: Stored | undefined, owners: string, part: OwnedPart) => AppliedChange;
}

export type UpdateRequest = ChangeRequest | ApplyRequest;

export interface AppliedChange {
  readonly object: Stored;
  readonly owners: string;
}

/** Reserves unique resources (addresses, ports) while an object of its kind is written. */
export interface Reserver {
  /** Sets what the object lacks. Throws StatusError when a requested resource is taken. A dry run reserves nothing. */
  reserve(object: Stored, old: Stored | undefined, dryRun: boolean): Promise<Reservation>;
  /** Called when the object has been deleted. Never rejects. */
  release(object: Stored): Promise<void>;
}

export interface Reservation {
  /** Called after the write: releases what only the old object had. Never rejects. */
  commit(): Promise<void>;
  /** Called when nothing was written: releases what was reserved. Never rejects. */
  rollback(): Promise<void>;
}

/** By the kinds of the objects, which must be the served ones: a kind that has a reserver is not replaced while the server runs. */
export type Reservers = ReadonlyMap<Kind, Reserver>;

export class ObjectWriter {
  readonly #registry: Registry;
  readonly #reservers: Reservers;
  readonly #ownership: Ownership;
  /** One write per object at a time, so that consecutive patches do not conflict with each other. */
  readonly #inFlight = new Map<string, Promise<unknown>>();

  constructor(registry: Registry, reservers: Reservers) {
    this.#registry = registry;
    this.#reservers = reservers;
    this.#ownership = new Ownership(registry.kinds);
  }

  /** @param applied the owners of an object that an apply creates, as text */
  async create(
    resource: ServedResource,
    namespace: string,
    decoded: Stored,
    context: WriteContext,
    applied?: string,
  ): Promise<Written> {
    const { kind } = resource;
    const object = placeObject(kind, decoded, namespace, '');
    const { generateName: base, managedFields: sent } = object.metadata;
    const generated = !object.metadata.name && base !== undefined && base !== '';
    fillSystemFields(kind, object, Date.now());
    // What admission and the kind add is nobody's.
    const owners =
      applied ??
      (resource.converted
        ? await this.#ownership.ofNewByWebhook(resource, object, sent, context)
        : this.#ownership.ofNew(resource, object, sent, context));
    for (let attempt = 1; ; attempt++) {
      if (generated) object.metadata.name = generateName(base);
      try {
        return await this.#createOnce(resource, namespace, object, owners, context);
      } catch (error) {
        if (!(error instanceof ConflictError)) throw error;
        if (!generated || attempt === MAX_NAME_ATTEMPTS) throw alreadyExists(kind, object.metadata.name ?? '');
      }
    }
  }

  async #createOnce(
    resource: ServedResource,
    namespace: string,
    object: Stored,
    owners: string,
    context: WriteContext,
  ): Promise<Written> {
    const { kind } = resource;
    const asked = object.metadata.name ?? '';
    const request = admissionRequest('CREATE', resource, '', namespace, asked, object, undefined, context);
    await admit(context.admission, 'mutate', request);
    kind.applyDefaults(object);
    kind.prepareForCreate(object, hookContext(context));
    // The kind's `prepare` may have set a name.
    const name = object.metadata.name ?? '';
    const errors = [...validateObjectMeta(object.metadata, kind), ...kind.validate(object)];
    if (errors.length > 0) throw invalidObject(kind, name, errors);
    for (const warning of kind.warnings(object)) context.warn(warning);
    await admit(context.admission, 'validate', request);
    if (resource.cache.get(namespace, name)) {
      await this.#fresh();
      if (resource.cache.get(namespace, name)) throw new ConflictError(name, undefined, this.#registry.revision);
    }
    const reserver = this.#reservers.get(resource.kind);
    const reservation = reserver && (await reserver.reserve(object, undefined, context.dryRun));
    const encoding = encodeOwned(resource, object, owners);
    const encoded = encoding instanceof Promise ? await encoding : encoding;
    if (context.dryRun) return { bytes: ownBytes(resource, object, owners, encoded), outcome: 'created' };
    const bytes = await this.#putReserved(resource, namespace, name, encoded, 0, reservation);
    return { bytes, outcome: 'created' };
  }

  async update(resource: ServedResource, request: UpdateRequest, context: WriteContext): Promise<Written> {
    const key = resource.storeKey(request.namespace, request.name);
    return this.#alone(key, async () => {
      const stale = this.#fresh();
      if (stale) await stale;
      for (let attempt = 1; ; attempt++) {
        try {
          return await this.#updateOnce(resource, request, context);
        } catch (error) {
          if (!(error instanceof ConflictError)) throw error;
          if (attempt === MAX_CONFLICT_ATTEMPTS) throw staleObject(resource.kind, request.name);
          await this.#registry.caughtUp(error.revision);
        }
      }
    });
  }

  async #updateOnce(resource: ServedResource, request: UpdateRequest, context: WriteContext): Promise<Written> {
    const { kind } = resource;
    const { namespace, name, part } = request;
    const subresource = part.name;
    const cached = resource.cache.get(namespace, name);
    const current = cached && resource.converted ? await resource.converted.one(cached) : cached;
    if (!current) {
      if (subresource || !(request.apply || kind.createOnUpdate)) throw notFound(kind, name);
      if (request.apply) return this.#createApplied(resource, request, context);
      const wanted = placeObject(kind, await request.change(undefined, () => ({ metadata: {} })), namespace, name);
      // A resourceVersion means that the client expects the object to exist.
      if (wanted.metadata.resourceVersion) throw notFound(kind, name);
      context.authorizeCreate();
      return this.create(resource, namespace, wanted, context);
    }
    const { object: old, owners: oldOwners } = resource.parseOwned(current.bytes);
    const view = viewOf(part);
    const before = view.of(old);
    const reparse = () => view.of(resource.parse(current.bytes));
    const { object: changed, owners: applied } = request.apply
      ? resource.converted
        ? await this.#applyByWebhook(resource, request, before, oldOwners)
        : this.#apply(resource, request, before, oldOwners)
      : { object: await request.change(before, reparse), owners: undefined };
    const wanted = placeObject(kind, changed, namespace, name);
    checkBase(resource, wanted, old);
    const rules = updateRules(kind, part);
    const { managedFields: sent } = wanted.metadata;
    const merged = rules.merge(wanted, before) as Stored;
    keepSystemFields(merged, before);
    // What admission and the kind change is nobody's.
    const owners =
      applied ??
      (resource.converted
        ? await this.#ownership.afterUpdateByWebhook(resource, part, before, merged, oldOwners, sent, context)
        : this.#ownership.afterUpdate(resource, part, before, merged, oldOwners, sent, context));

    const admission = admissionRequest(
      'UPDATE',
      resource,
      subresource,
      namespace,
      name,
      merged,
      before,
      context,
      'body' in part ? part.body : undefined,
    );
    await admit(context.admission, 'mutate', admission);
    const object = view.applied(merged, resource, current);
    kind.applyDefaults(object);
    rules.prepare(object, old, hookContext(context));
    const errors = [...validateObjectMetaUpdate(object.metadata, old.metadata), ...rules.validate(object, old)];
    if (errors.length > 0) throw invalidObject(kind, name, errors);
    for (const warning of subresource ? [] : kind.warnings(object, old)) context.warn(warning);
    const shown = view.of(object);
    await admit(context.admission, 'validate', shown === object ? admission : { ...admission, object: shown });
    // A write that changes nothing does not change its time, either.
    const isTimeOnly = owners !== oldOwners && deepEqual(object, old) && sameOwners(owners, oldOwners);
    return this.#replace(resource, current, old, object, isTimeOnly ? oldOwners : owners, context.dryRun);
  }

  #apply(resource: ServedResource, { apply, part }: ApplyRequest, live: Stored, owners: string): AppliedChange {
    const owned = this.#ownership.part(resource, part);
    const applied = apply(live, owned.of(owners), owned);
    return { object: applied.object, owners: owned.applied(owners, applied.owners) };
  }

  #applyByWebhook(
    resource: ServedResource,
    request: ApplyRequest,
    live: Stored,
    owners: string,
  ): Promise<AppliedChange> {
    return this.#ownership.withConversions(() => this.#apply(resource, request, live, owners));
  }

  async #createApplied(
    resource: ServedResource,
    { namespace, name, part, apply }: ApplyRequest,
    context: WriteContext,
  ): Promise<Written> {
    const { object, owners } = apply(undefined, '', this.#ownership.part(resource, part));
    const placed = placeObject(resource.kind, object, namespace, name);
    const { uid } = placed.metadata;
    if (uid) {
      const why = `Precondition failed: UID in precondition: ${uid}, UID in object meta: `;
      throw conflict(resource.kind, name, why);
    }
    context.authorizeCreate();
    return this.create(resource, namespace, placed, context, owners);
  }

  async delete(
    resource: ServedResource,
    namespace: string,
    name: string,
    options: DeleteOptions,
    context: WriteContext,
  ): Promise<Written> {
    return this.#alone(resource.storeKey(namespace, name), async () => {
      const stale = this.#fresh();
      if (stale) await stale;
      for (let attempt = 1; ; attempt++) {
        const cached = resource.cache.get(namespace, name);
        if (!cached) throw notFound(resource.kind, name);
        const current = resource.converted ? await resource.converted.one(cached) : cached;
        const { object: old, owners } = resource.parseOwned(current.bytes);
        const plan = planDeletion(resource.kind, old, options, Date.now());
        const warning = deletionWarning(resource.kind, options);
        if (warning !== undefined && attempt === 1) context.warn(warning);
        const admission = {
          ...admissionRequest('DELETE', resource, '', namespace, name, undefined, old, context),
          deleteOptions: options,
        };
        await admit(context.admission, 'mutate', admission);
        await admit(context.admission, 'validate', admission);
        try {
          if (plan.action === 'keep') return { bytes: resource.serve(current.bytes), outcome: 'unchanged' };
          if (plan.action === 'mark') {
            return await this.#replace(resource, current, old, plan.object, owners, context.dryRun);
          }
          return await this.#remove(resource, current, old, old, owners, context.dryRun);
        } catch (error) {
          if (!(error instanceof ConflictError)) throw error;
          if (attempt === MAX_CONFLICT_ATTEMPTS) throw staleObject(resource.kind, name);
          await this.#registry.caughtUp(error.revision);
        }
      }
    });
  }

  /** Waits until the caches have the acknowledged writes of other servers. */
  #fresh(): Promise<void> | undefined {
    return waitUntilFresh(this.#registry, undefined);
  }

  /** Writes `object` over `current`; deletes it instead when nothing keeps an object that is being deleted. */
  async #replace(
    resource: ServedResource,
    current: Entry,
    old: Stored,
    object: Stored,
    owners: string,
    dryRun: boolean,
  ): Promise<Written> {
    if (isDeletedBy(resource.kind, object)) return this.#remove(resource, current, old, object, owners, dryRun);
    const reserver = this.#reservers.get(resource.kind);
    const reservation = reserver && (await reserver.reserve(object, old, dryRun));
    const encoding = encodeOwned(resource, object, owners);
    const encoded = encoding instanceof Promise ? await encoding : encoding;
    if (isUnchanged(resource, current, encoded.bytes)) {
      await reservation?.rollback();
      return { bytes: resource.serve(current.bytes), outcome: 'unchanged' };
    }
    const { namespace, name, revision } = current;
    const bytes = dryRun
      ? resource.bytes.serve(ownBytes(resource, object, owners, encoded), revision)
      : await this.#putReserved(resource, namespace, name, encoded, revision, reservation);
    return { bytes, outcome: 'updated' };
  }

  async #putReserved(
    resource: ServedResource,
    namespace: string,
    name: string,
    encoded: EncodedObject,
    base: number,
    reservation: Reservation | undefined,
  ): Promise<Buffer> {
    if (!reservation) return this.#put(resource, namespace, name, encoded, base);
    try {
      const bytes = await this.#put(resource, namespace, name, encoded, base);
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
  ): Promise<Buffer> {
    if (isTooLarge(stored)) throw tooLarge(`Request entity too large: limit is ${MAX_STORED_BYTES}`);
    const key = resource.storeKey(namespace, name);
    const revision = await this.#registry.store.put(key, stored, { revision: base, note });
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

  /** @param old as it is stored, which is what it holds. @param object the last state, as clients are told it. */
  async #remove(
    resource: ServedResource,
    current: Entry,
    old: Stored,
    object: Stored,
    owners: string,
    dryRun: boolean,
  ): Promise<Written> {
    const { namespace, name, revision } = current;
    if (dryRun) return { bytes: resource.serve(current.bytes), outcome: 'deleted' };
    const deletedAt = await this.#registry.store.delete(resource.storeKey(namespace, name), { revision });
    const behind = this.#registry.caughtUp(deletedAt);
    if (behind) await behind;
    const reserver = this.#reservers.get(resource.kind);
    if (reserver) await reserver.release(old);
    const last = { ...object, metadata: { ...object.metadata, resourceVersion: String(deletedAt) } };
    return { bytes: resource.bytes.serve(resource.bytes.encode(last, owners), deletedAt), outcome: 'deleted' };
  }

  async #alone<T>(key: string, write: () => Promise<T>): Promise<T> {
    for (let other = this.#inFlight.get(key); other; other = this.#inFlight.get(key)) await other;
    const result = write();
    const settled = result.then(
      () => undefined,
      () => undefined,
    );
    this.#inFlight.set(key, settled);
    try {
      return await result;
    } finally {
      this.#inFlight.delete(key);
    }
  }
}

const isTooLarge = (stored: Buffer): boolean =>
  stored.length > MAX_STORED_BYTES && unescapedLength(stored) > MAX_STORED_BYTES;

/** An object that is too large for its owners loses them, as upstream, instead of being rejected. */
function encodeOwned(resource: ServedResource, object: Stored, owners: string): EncodedObject | Promise<EncodedObject> {
  if (resource.converted) return encodeConverted(resource.converted, object, owners);
  const encoded = resource.encode(object, owners);
  return owners && isTooLarge(encoded.bytes) ? resource.encode(object, '') : encoded;
}

async function encodeConverted(entries: ConvertedEntries, object: Stored, owners: string): Promise<EncodedObject> {
  const encoded = await entries.encode(object, owners);
  return owners && isTooLarge(encoded.bytes) ? entries.encode(object, '') : encoded;
}

/** An object that has been encoded to be stored, in the version of the resource. */
const ownBytes = (resource: ServedResource, object: Stored, owners: string, { bytes }: EncodedObject): Buffer =>
  resource.bytes === resource.cache.bytes ? bytes : resource.bytes.encode(object, owners);

/** The length of JSON with `\uXXXX` counted as one byte, as upstream stores it: a file of zeros is six times as long. */
function unescapedLength(json: Buffer): number {
  let { length } = json;
  for (let at = json.indexOf('\\u'); at >= 0; at = json.indexOf('\\u', at + 6)) length -= 5;
  return length;
}

const hookContext = ({ user }: WriteContext): HookContext => ({ user, now: Date.now() });

function admissionRequest(
  operation: AdmissionRequest['operation'],
  { kind }: ServedResource,
  subresource: string,
  namespace: string,
  name: string,
  object: Stored | undefined,
  old: Stored | undefined,
  { user, dryRun, warn, origin }: WriteContext,
  objectKind?: Kind,
): AdmissionRequest {
  return { operation, kind, subresource, namespace, name, object, old, user, dryRun, warn, objectKind, origin };
}

/** Checks the preconditions of an update: uid and resourceVersion. */
function checkBase({ kind }: ServedResource, wanted: Stored, old: Stored): void {
  const name = old.metadata.name ?? '';
  const { uid, resourceVersion } = wanted.metadata;
  if (resourceVersion && resourceVersion !== '0') {
    if (!/^\d+$/.test(resourceVersion)) {
      throw invalidObject(kind, name, [invalid('metadata.resourceVersion', resourceVersion, 'must be an integer')]);
    }
    if (resourceVersion !== old.metadata.resourceVersion) throw staleObject(kind, name);
  } else if (!kind.unconditionalUpdate) {
    throw invalidObject(kind, name, [invalid('metadata.resourceVersion', 0, 'must be specified for an update')]);
  }
  if (uid && uid !== old.metadata.uid) {
    throw conflict(
      kind,
      name,
      `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${old.metadata.uid}`,
    );
  }
}

/** Whether `stored` equals the current object, apart from the order of fields. */
function isUnchanged({ cache }: ServedResource, shown: Entry, stored: Buffer): boolean {
  const current = shown.cached ?? shown;
  // What is stored as another version is written again as the one that is to be stored.
  if (current.version !== undefined) return false;
  if (cache.bytes.sameAs(current.bytes, stored)) return true;
  if (!cache.bytes.mayBeReordered(current.bytes, stored)) return false;
  const served = cache.bytes.serve(stored, current.revision);
  return deepEqual(JSON.parse(served.toString()), JSON.parse(current.bytes.toString()));
}

/**
 * The write path: admission, preparation, validation, one serialization, one compare-and-write. Resolves when the write is
 * on disk and in the caches, so that clients read their own writes.
 */
import { deepEqual } from '../../../api/machinery/deep-equal.ts';
import { invalid } from '../../../api/machinery/field-error.ts';
import { validateObjectMeta, validateObjectMetaUpdate } from '../../../api/machinery/metadata.ts';
import { alreadyExists, conflict, invalidObject, notFound, staleObject } from '../../../api/machinery/status-error.ts';
import { ConflictError } from '../../store/store.ts';
import type { WriteContext } from '../admission/pipeline.ts';
import { admit, type AdmissionRequest } from '../admission/plugin.ts';
import { deletionWarning, planDeletion } from './deletion.ts';
import {
  fillSystemFields,
  refuseVersion,
  keepSystemFields,
  generateName,
  placeNamed,
  placeObject,
  type Stored,
} from '../catalogue/object-meta.ts';
import type { Registry } from '../catalogue/registry.ts';
import type { ServedResource } from '../catalogue/served-resource.ts';
import { ObjectStore, type Written } from './object-store.ts';
import { dedupeOwnerReferences } from './owner-references.ts';
import { Ownership, sameOwners } from './ownership.ts';
import type { Reservers } from './reserver.ts';
import type { AppliedChange, ApplyRequest, UpdateRequest } from './update-request.ts';
import { updateRules, viewOf } from './update-strategy.ts';
import type { HookContext, Kind } from '../../../api/machinery/kind.ts';
import { cachedKind } from '../../../api/machinery/stored-as.ts';
import type { DeleteOptions } from '../../../api/types/meta/v1.gen.ts';
import { waitUntilFresh } from '../catalogue/freshness.ts';

/** Upstream retries as often after a collision of a generated name, and after a conflict of a patch. */
const MAX_NAME_ATTEMPTS = 8;
const MAX_CONFLICT_ATTEMPTS = 5;
export class ObjectWriter {
  readonly #registry: Registry;
  readonly #store: ObjectStore;
  readonly #ownership: Ownership;
  /** One write per object at a time, so that consecutive patches do not conflict with each other; but for those that ask webhooks. */
  readonly #inFlight = new Map<string, Promise<unknown>>();

  /** @param ttls milliseconds for which objects of a kind are kept after a write, where the store knows how to */
  constructor(registry: Registry, reservers: Reservers, ttls: ReadonlyMap<Kind, number> = new Map()) {
    this.#registry = registry;
    this.#store = new ObjectStore(registry, reservers, ttls);
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
    dedupeOwnerReferences(object.metadata, context.warn, false);
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
    const request = admissionRequest('CREATE', resource, '', namespace, asked, object, undefined, context, {});
    const mutating = admit(context.admission, 'mutate', request);
    if (mutating) await mutating;
    dedupeOwnerReferences(object.metadata, context.warn, true);
    kind.applyDefaults(object);
    kind.prepareForCreate(object, hookContext(context));
    // The kind's `prepare` may have set a name.
    const name = object.metadata.name ?? '';
    const errors = [...validateObjectMeta(object.metadata, kind), ...kind.validate(object)];
    if (errors.length > 0) throw invalidObject(cachedKind(kind), name, errors);
    for (const warning of kind.warnings(object)) context.warn(warning);
    const validating = admit(context.admission, 'validate', request);
    if (validating) await validating;
    refuseVersion(object, context.dryRun);
    // What cannot be read is there, too.
    const isThere = (): boolean =>
      (resource.cache.get(namespace, name) ?? resource.cache.unreadable(namespace, name)) !== undefined;
    if (isThere()) {
      await this.#fresh();
      if (isThere()) throw new ConflictError(name, undefined, this.#registry.revision);
    }
    return this.#store.add(resource, namespace, object, owners, context);
  }

  async update(resource: ServedResource, request: UpdateRequest, context: WriteContext): Promise<Written> {
    const key = resource.storeKey(request.namespace, request.name);
    return this.#alone(key, async (letOthersWrite) => {
      const stale = this.#fresh();
      if (stale) await stale;
      for (let attempt = 1; ; attempt++) {
        try {
          return await this.#updateOnce(resource, request, context, letOthersWrite);
        } catch (error) {
          if (!(error instanceof ConflictError)) throw error;
          if (attempt === MAX_CONFLICT_ATTEMPTS) throw staleObject(resource.kind, request.name);
          await this.#registry.caughtUp(error.revision);
        }
      }
    });
  }

  async #updateOnce(
    resource: ServedResource,
    request: UpdateRequest,
    context: WriteContext,
    letOthersWrite: () => void,
  ): Promise<Written> {
    const { kind } = resource;
    const { namespace, name, part } = request;
    const subresource = part.name;
    const cached = resource.cache.get(namespace, name);
    const current = cached && resource.converted ? await resource.converted.one(cached) : cached;
    if (!current) {
      resource.requireReadable(namespace, name);
      if (subresource || !(request.apply || kind.createOnUpdate)) throw notFound(kind, name);
      if (request.apply) return this.#createApplied(resource, request, context);
      const wanted = placeNamed(kind, await request.change(undefined, () => ({ metadata: {} })), namespace, name);
      // A resourceVersion means that the client expects the object to exist.
      if (wanted.metadata.resourceVersion) throw notFound(kind, name);
      await context.authorizeCreate();
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
    const wanted = placeNamed(kind, changed, namespace, name);
    checkBase(resource, wanted, old);
    const rules = updateRules(kind, part);
    const { managedFields: sent } = wanted.metadata;
    const merged = rules.merge(wanted, before) as Stored;
    keepSystemFields(merged, before);
    dedupeOwnerReferences(merged.metadata, context.warn, false);
    // What admission and the kind change is nobody's.
    const owners =
      applied ??
      (resource.converted
        ? await this.#ownership.afterUpdateByWebhook(resource, part, before, merged, oldOwners, sent, context)
        : this.#ownership.afterUpdate(resource, part, before, merged, oldOwners, sent, context));

    const objectKind = 'body' in part ? part.body : undefined;
    const admission = admissionRequest('UPDATE', resource, subresource, namespace, name, merged, before, context, {
      objectKind,
      letOthersWrite,
    });
    const mutating = admit(context.admission, 'mutate', admission);
    if (mutating) await mutating;
    dedupeOwnerReferences(merged.metadata, context.warn, true);
    const object = view.applied(merged, resource, current);
    kind.applyDefaults(object);
    rules.prepare(object, old, hookContext(context));
    const errors = [...validateObjectMetaUpdate(object.metadata, old.metadata, kind), ...rules.validate(object, old)];
    if (errors.length > 0) throw invalidObject(cachedKind(kind), name, errors);
    for (const warning of rules.warnings?.(object, old) ?? []) context.warn(warning);
    const shown = view.of(object);
    const validated = shown === object ? admission : { ...admission, object: shown };
    const validating = admit(context.admission, 'validate', validated);
    if (validating) await validating;
    // A write that changes nothing does not change its time, either.
    const isTimeOnly = owners !== oldOwners && deepEqual(object, old) && sameOwners(owners, oldOwners);
    return this.#store.replace(resource, current, old, object, isTimeOnly ? oldOwners : owners, context);
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
    const placed = placeNamed(resource.kind, object, namespace, name);
    const { uid } = placed.metadata;
    if (uid) {
      const why = `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`;
      throw conflict(resource.kind, name, why);
    }
    await context.authorizeCreate();
    return this.create(resource, namespace, placed, context, owners);
  }

  async delete(
    resource: ServedResource,
    namespace: string,
    name: string,
    options: DeleteOptions,
    context: WriteContext,
  ): Promise<Written> {
    return this.#alone(resource.storeKey(namespace, name), async (letOthersWrite) => {
      const stale = this.#fresh();
      if (stale) await stale;
      for (let attempt = 1; ; attempt++) {
        const cached = resource.cache.get(namespace, name);
        if (!cached) resource.requireReadable(namespace, name);
        if (!cached) throw notFound(resource.kind, name);
        const current = resource.converted ? await resource.converted.one(cached) : cached;
        const { object: old, owners } = resource.parseOwned(current.bytes);
        const plan = planDeletion(resource.kind, old, options, Date.now());
        const warning = deletionWarning(resource.kind, options);
        if (warning !== undefined && attempt === 1) context.warn(warning);
        const admission = {
          ...admissionRequest('DELETE', resource, '', namespace, name, undefined, old, context, { letOthersWrite }),
          deleteOptions: options,
        };
        await admit(context.admission, 'mutate', admission);
        await admit(context.admission, 'validate', admission);
        try {
          if (plan.action === 'keep') return { bytes: resource.serve(current.bytes), outcome: 'unchanged' };
          if (plan.action === 'mark') {
            return await this.#store.replace(resource, current, old, plan.object, owners, context);
          }
          return await this.#store.remove(resource, current, old, old, owners, context);
        } catch (error) {
          if (!(error instanceof ConflictError)) throw error;
          if (attempt === MAX_CONFLICT_ATTEMPTS) throw staleObject(resource.kind, name);
          await this.#registry.caughtUp(error.revision);
        }
      }
    });
  }

  /**
   * Removes what is stored for an object that cannot be decrypted or decoded: neither finalizers nor admission have a say, since nobody knows
   * them. Throws a 422 StatusError for one that can be read.
   */
  async deleteUnreadable(resource: ServedResource, namespace: string, name: string): Promise<void> {
    const { kind } = resource;
    const key = resource.storeKey(namespace, name);
    await this.#alone(key, async () => {
      const stored = await this.#registry.store.get(key);
      if (!stored) throw notFound(kind, name);
      // The cache has judged this value, or a later one.
      await this.#registry.caughtUp(stored.revision);
      if (resource.cache.unreadable(namespace, name) === undefined)
        throw invalidObject(kind, name, [
          invalid(
            'ignoreStoreReadErrorWithClusterBreakingPotential',
            true,
            'is exclusively used to delete corrupt object(s), try again by removing this option',
          ),
        ]);
      try {
        await this.#registry.caughtUp(await this.#registry.store.delete(key, { revision: stored.revision }));
      } catch (error) {
        throw error instanceof ConflictError ? staleObject(kind, name) : error;
      }
    });
  }

  /** Waits until the caches have the acknowledged writes of other servers. */
  #fresh(): Promise<void> | undefined {
    return waitUntilFresh(this.#registry, undefined);
  }

  /** @param write calls back when others need not wait for it any more: then conflicts decide. */
  async #alone<T>(key: string, write: (letOthersWrite: () => void) => Promise<T>): Promise<T> {
    for (let other = this.#inFlight.get(key); other; other = this.#inFlight.get(key)) await other;
    const { promise: left, resolve } = Promise.withResolvers<void>();
    this.#inFlight.set(key, left);
    const leave = (): void => {
      if (this.#inFlight.get(key) === left) this.#inFlight.delete(key);
      resolve();
    };
    try {
      return await write(leave);
    } finally {
      leave();
    }
  }
}

const hookContext = ({ user, warn }: WriteContext): HookContext => ({ user, now: Date.now(), warn });

function admissionRequest(
  operation: AdmissionRequest['operation'],
  { kind }: ServedResource,
  subresource: string,
  namespace: string,
  name: string,
  object: Stored | undefined,
  old: Stored | undefined,
  { user, dryRun, warn, origin }: WriteContext,
  more: Pick<AdmissionRequest, 'objectKind' | 'letOthersWrite'>,
): AdmissionRequest {
  return { operation, kind, subresource, namespace, name, object, old, user, dryRun, warn, origin, ...more };
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
    // As upstream, this error is about the resource.
    const resource = { group: kind.group, kind: kind.plural };
    throw invalidObject(resource, name, [invalid('metadata.resourceVersion', 0, 'must be specified for an update')]);
  }
  if (uid && uid !== old.metadata.uid) {
    throw conflict(
      kind,
      name,
      `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${old.metadata.uid}`,
    );
  }
}

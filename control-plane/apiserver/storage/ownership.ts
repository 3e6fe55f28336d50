/** Field ownership on the write path: what the parts of a kind's objects are, and who owns them after a write. */
import { apiVersionOf } from '../../../api/machinery/define-kind.ts';
import { EMPTY, FieldSet } from '../../../api/machinery/fieldset/field-set.ts';
import { fieldTypeOf, type FieldType } from '../../../api/machinery/fieldset/field-type.ts';
import { isReset, ownersOf, ownersText, type Manager } from '../../../api/machinery/fieldset/owners.ts';
import { FieldsError } from '../../../api/machinery/fieldset/path-element.ts';
import { ownersOfScale, ownersWithScale } from '../../../api/machinery/fieldset/scale-owners.ts';
import {
  ownersAfterUpdate,
  ownersOfNew,
  updatedOwners,
  type Ownable,
  type Versioned,
} from '../../../api/machinery/fieldset/track.ts';
import type { Kind } from '../../../api/machinery/kind.ts';
import { timeOf } from '../../../api/machinery/time.ts';
import type { ObjectMeta } from '../../../api/types/meta/v1.gen.ts';
import type { WriteContext } from '../admission/pipeline.ts';
import type { Stored } from '../catalogue/object-meta.ts';
import type { ConvertedEntries } from '../catalogue/converted-entries.ts';
import type { ServedKinds } from '../catalogue/served-kinds.ts';
import type { ServedResource } from '../catalogue/served-resource.ts';
import { BINDING, WHOLE, type UpdatedPart } from './update-strategy.ts';

type ManagedFields = NonNullable<ObjectMeta['managedFields']>;

/** The part of an object that is written, as ownership sees it. */
export interface OwnedPart {
  readonly ownable: Ownable;
  readonly apiVersion: string;
  /** The owners of the part, of those of the object, as text. */
  of(owners: string): string;
  /** The owners of the object, after its part has got new ones. */
  applied(owners: string, ofPart: string): string;
}

/** Owners are of a version to which a webhook has to convert the object first. */
class NotConverted extends Error {
  override readonly name = 'NotConverted';
  readonly object: Stored;
  readonly to: ConvertedEntries;
  readonly key: string;
  constructor(object: Stored, to: ConvertedEntries, key: string) {
    super('not converted');
    this.object = object;
    this.to = to;
    this.key = key;
  }
}

/** The object before and after, in each version that owners may be of. */
const MAX_CONVERSIONS = 64;

export class Ownership {
  readonly #kinds: ServedKinds;
  /** What webhooks have converted for what is being computed, by version and text; undefined when none is asked. */
  #converted: ReadonlyMap<string, Stored> | undefined;
  /** By resource, so that nothing keeps one that is no longer served. */
  readonly #parts = new WeakMap<ServedResource, Map<string, OwnedPart>>();

  constructor(kinds: ServedKinds) {
    this.#kinds = kinds;
  }

  part(resource: ServedResource, part: UpdatedPart): OwnedPart {
    const parts = this.#parts.get(resource) ?? new Map<string, OwnedPart>();
    this.#parts.set(resource, parts);
    const known = parts.get(part.name) ?? this.#part(resource, part);
    parts.set(part.name, known);
    return known;
  }

  /**
   * Returns what `compute` does with these owners. Where that takes objects in a version that a webhook converts to, they are
   * converted, and `compute` is called again. Throws a 500 StatusError when the webhook fails.
   */
  async withConversions<T>(compute: () => T): Promise<T> {
    const converted = new Map<string, Stored>();
    for (;;) {
      this.#converted = converted;
      try {
        return compute();
      } catch (error) {
        if (!(error instanceof NotConverted) || converted.size >= MAX_CONVERSIONS) throw error;
        this.#converted = undefined;
        converted.set(error.key, await error.to.object(error.object));
      } finally {
        this.#converted = undefined;
      }
    }
  }

  /** The owners of an object that a client creates, as text. @param sent managedFields that came with it */
  ofNew(resource: ServedResource, object: Stored, sent: ManagedFields | undefined, context: WriteContext): string {
    const { ownable, apiVersion } = this.part(resource, WHOLE);
    const by: Manager = { manager: context.manager, operation: 'Update', apiVersion, subresource: '' };
    const now = timeOf(Date.now());
    try {
      const owners = sent?.length ? sentOwners(sent) : undefined;
      if (!owners) return ownersOfNew(ownable, object, by, now);
      return ownersText(updatedOwners(ownable, ownable.empty, object, owners, by, now));
    } catch (error) {
      return withoutOwners(error);
    }
  }

  /**
   * The owners after an update from `before` to `after`, which are what travels for the part.
   * @param owners of the object @param sent managedFields that came with the update; those of a subresource are ignored
   */
  afterUpdate(
    resource: ServedResource,
    part: UpdatedPart,
    before: Stored,
    after: Stored,
    owners: string,
    sent: ManagedFields | undefined,
    context: WriteContext,
  ): string {
    // What the server itself does for a client has no manager.
    if (part === BINDING) return owners;
    const owned = this.part(resource, part);
    const { ownable, apiVersion } = owned;
    const by: Manager = { manager: context.manager, operation: 'Update', apiVersion, subresource: part.name };
    const now = timeOf(Date.now());
    try {
      if (sent && !part.name && JSON.stringify(sent) !== owners) {
        if (isReset(sent)) return '';
        const claimed = sentOwners(sent);
        if (claimed) return ownersText(updatedOwners(ownable, before, after, claimed, by, now));
      }
      const current = owned.of(owners);
      return owned.applied(owners, ownersAfterUpdate(ownable, before, after, current, by, now));
    } catch (error) {
      return withoutOwners(error);
    }
  }

  /** As `ofNew`, for versions that a webhook converts. */
  ofNewByWebhook(...args: Parameters<Ownership['ofNew']>): Promise<string> {
    return this.withConversions(() => this.ofNew(...args));
  }

  /** As `afterUpdate`, for versions that a webhook converts. */
  afterUpdateByWebhook(...args: Parameters<Ownership['afterUpdate']>): Promise<string> {
    return this.withConversions(() => this.afterUpdate(...args));
  }

  #part(resource: ServedResource, part: UpdatedPart): OwnedPart {
    const { kind } = resource;
    if ('scaleOf' in part) return scalePart(kind, part);
    const ofWhole = kind.resets ?? (kind.subresources.some(({ name }) => name === 'status') ? ['status'] : []);
    const resets = 'update' in part ? (part.update.resets ?? []) : ofWhole;
    return {
      ownable: {
        type: typeOf(kind),
        empty: emptyObject(kind),
        resets: FieldSet.ofPaths(resets),
        ...('update' in part && part.update.owns && { owns: FieldSet.ofPaths(part.update.owns) }),
        inVersion: (apiVersion, object) => this.#inVersion(resource, apiVersion, object as Stored),
        ...(kind.custom && { mutableType: (apiVersion: string) => this.#typeIn(resource, apiVersion) }),
      },
      apiVersion: apiVersionOf(kind),
      of: (owners) => owners,
      applied: (_owners, ofPart) => ofPart,
    };
  }

  #inVersion(resource: ServedResource, apiVersion: string, object: Stored): Versioned | undefined {
    const to = this.#version(resource, apiVersion);
    if (!to) return undefined;
    const type = typeOf(to.kind);
    if (object.apiVersion === apiVersion) return { type, object };
    const from = this.#version(resource, object.apiVersion ?? '') ?? resource;
    return {
      type,
      object: to.converted ? this.#byWebhook(to.converted, apiVersion, object) : from.convert(object, to),
    };
  }

  #typeIn(resource: ServedResource, apiVersion: string): FieldType | undefined {
    const found = this.#version(resource, apiVersion);
    return found && typeOf(found.kind);
  }

  /** The resource that shows the same objects in another version. */
  #version({ cache }: ServedResource, apiVersion: string): ServedResource | undefined {
    for (const other of this.#kinds.resources)
      if (other.cache === cache && apiVersionOf(other.kind) === apiVersion) return other;
    return undefined;
  }

  #byWebhook(to: ConvertedEntries, apiVersion: string, object: Stored): Stored {
    const key = `${apiVersion} ${JSON.stringify(object)}`;
    const known = this.#converted?.get(key);
    if (known) return known;
    throw new NotConverted(object, to, key);
  }
}

const typeOf = ({ schema, custom }: Kind): FieldType => custom?.fields ?? fieldTypeOf(schema);

/** An object of the kind without values. */
export const emptyObject = (kind: Kind): Stored => {
  const { object } = kind.decode({ metadata: {} });
  return { ...object, apiVersion: apiVersionOf(kind), kind: kind.kind } as Stored;
};

function scalePart(kind: Kind, { body }: { readonly body: Kind }): OwnedPart {
  const apiVersion = apiVersionOf(body);
  const inVersion = (): undefined => undefined;
  return {
    ownable: { type: fieldTypeOf(body.schema), empty: emptyObject(body), resets: EMPTY, inVersion },
    apiVersion,
    of: (owners) => ownersOfScale(owners, apiVersionOf(kind), apiVersion),
    applied: (owners, ofPart) => ownersWithScale(owners, ofPart, apiVersionOf(kind)),
  };
}

/** Undefined for managedFields that are empty or not valid: upstream takes those of the stored object instead. */
function sentOwners(sent: ManagedFields): ReturnType<typeof ownersOf> | undefined {
  try {
    const owners = ownersOf(sent);
    return owners.size > 0 ? owners : undefined;
  } catch (error) {
    if (error instanceof FieldsError) return undefined;
    throw error;
  }
}

/** An object whose fields cannot be told apart (a list item without its keys) has no owners, as upstream's `UpdateNoErrors`. */
function withoutOwners(error: unknown): string {
  if (error instanceof FieldsError) return '';
  throw error;
}

/** Whether owners differ in nothing but the time of their last write. */
export const sameOwners = (one: string, other: string): boolean => untimed(one) === untimed(other);

const untimed = (owners: string): string => owners.replace(/,"time":"[^"]*"/g, '');

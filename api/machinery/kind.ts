/**
 * What Kedge knows of a kind of the Kubernetes API. A kind is defined once, in a file of its own, as a value of this type;
 * validation, defaulting, pruning, OpenAPI, tables, discovery and the REST verbs are all driven by it. Adding a kind is
 * adding its file and a line in `api/registry.ts`.
 */
import type { Shape } from './schema.ts';
import type { FieldError } from './field-error.ts';
import type { DeleteOptions, ObjectMeta } from '../types/meta/v1.gen.ts';

/** Any API object: what every kind has in common. */
export interface KubeObject {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
}

export type Verb = 'create' | 'delete' | 'deletecollection' | 'get' | 'list' | 'patch' | 'update' | 'watch';

/** Reads the value that a field selector compares with. (A method's type, so that a `Kind<Pod>` is a `Kind`.) */
export type FieldReader<T> = { read(object: T): string }['read'];

export interface Decoded<T> {
  /** A fresh object that shares nothing with what it was decoded from, but for `anyJson` parts. */
  readonly object: T;
  /** The fields that no schema knows, as `unknown field "spec.foo"`, up to `MAX_PROBLEMS`; they are not in `object`. */
  readonly problems: string[];
}

export type Decoder<T> = (value: unknown) => Decoded<T>;

/** A column that `kubectl get` prints. `cell` reads it off an object; `now` (ms since the epoch) is what ages count from. */
export interface Column<T> {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'date' | 'boolean' | 'number';
  readonly format: string;
  /** 0 is always shown, 1 with `-o wide`. */
  readonly priority: number;
  readonly description?: string;
  cell(object: T, now: number): string | number | boolean | undefined;
}

/** For whom and when a hook runs. */
export interface HookContext {
  readonly user: {
    readonly name: string;
    readonly uid?: string;
    readonly groups: readonly string[];
    readonly extra?: Readonly<Record<string, readonly string[]>>;
  };
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** What a delete means beyond finalizers and propagation, which are the same for every kind: upstream's graceful deletion. */
export interface DeletionRules<T> {
  /**
   * Seconds that the object gets to end in; 0: none, it goes at once. Asked again when what is being deleted is deleted once more:
   * the period that runs can be made shorter.
   */
  graceSeconds(object: T, options: DeleteOptions): number;
  /** Whether something besides its finalizers keeps the deleted object. */
  isHeld(object: T): boolean;
  /** Changes the object that has just been marked with its deletionTimestamp. */
  markDeleted(object: T): void;
}

export type SubresourceVerb = 'create' | 'get' | 'patch' | 'update' | 'delete';

/** What an update of an object may change, and how it is checked. */
export interface UpdateRules<T> {
  /** The object that is stored when the client wants `wanted`; it may be `wanted` itself, and never is `old`. */
  merge(wanted: T, old: T): T;
  /** Runs after admission; changes the object. */
  prepare(object: T, old: T, context: HookContext): void;
  validate(object: T, old: T): FieldError[];
}

/** A view of the stored object, which clients get, update and patch: `status`, `approval`. */
export interface StoredSubresource<T> {
  readonly name: string;
  readonly verbs: readonly SubresourceVerb[];
  readonly update: UpdateRules<T>;
  /** What travels is the object itself. */
  readonly group?: undefined;
  readonly version?: undefined;
  readonly kind?: undefined;
}

/** A create whose body is of a kind of its own, and which stores no object of that kind: `binding`, `eviction`, `token`. */
export interface ActionSubresource {
  readonly name: 'binding' | 'eviction' | 'token';
  readonly verbs: readonly SubresourceVerb[];
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly body: Kind;
}

/** A connection to what the object stands for: `exec`, `proxy`. Admission is asked about its options, as operation CONNECT. */
export interface ConnectSubresource {
  readonly name: 'attach' | 'exec' | 'portforward' | 'proxy';
  readonly verbs: readonly SubresourceVerb[];
  readonly group: string;
  readonly version: string;
  /** Of the options: PodExecOptions. */
  readonly kind: string;
  /**
   * Reads the options. `path` is what follows the subresource in the URL, percent-encoded as it came. Throws a 400 StatusError for
   * values that are not of the field's type.
   */
  readOptions(query: URLSearchParams, path: string): KubeObject;
  /**
   * Whether the connection takes the right to `create`, whatever the method: a WebSocket comes as a GET, and who may read is not to
   * run commands. Upstream's `AuthorizePodWebsocketUpgradeCreatePermission`.
   */
  takesCreate(options: KubeObject): boolean;
}

/** Served in ways of their own: the number of replicas as a Scale, and what a container has written. */
export type ServedSubresource =
  | {
      readonly name: 'scale';
      readonly verbs: readonly SubresourceVerb[];
      readonly group: 'autoscaling';
      readonly version: 'v1';
      readonly kind: 'Scale';
    }
  | {
      readonly name: 'log';
      readonly verbs: readonly SubresourceVerb[];
      readonly group?: undefined;
      readonly version?: undefined;
      readonly kind?: undefined;
    };

/** There are no others: what nobody serves is not announced, and what has no rules is never updated as a whole object. */
export type Subresource<T> = StoredSubresource<T> | ActionSubresource | ConnectSubresource | ServedSubresource;

export const isStoredSubresource = <T>(subresource: Subresource<T>): subresource is StoredSubresource<T> =>
  'update' in subresource;

export const isActionSubresource = <T>(subresource: Subresource<T>): subresource is ActionSubresource =>
  'body' in subresource;

export const isConnectSubresource = <T>(subresource: Subresource<T>): subresource is ConnectSubresource =>
  'readOptions' in subresource;

/**
 * Objects of a kind with several versions, be they of one group or of two, are stored in one of them, under one key, and served
 * in all: what is written in one is read in the others. Nothing may get lost on the way: what one version has no field for, the
 * conversion keeps in annotations.
 */
export interface StoredAs<T> {
  /** The version that is stored. */
  readonly kind: Kind;
  /** Complete, as decoding makes it; it may share parts with what it is made of, which stays as it is. */
  toStored(object: T): KubeObject;
  /** Decoding completes it. */
  fromStored(stored: KubeObject): KubeObject;
  /** What the fields that selectors may name are called in the stored version. */
  readonly fields: Readonly<Record<string, string>>;
}

/**
 * One kind, in one version. The hooks are pure functions over decoded objects (of the schema's static type); they run in this order:
 *   create: decode -> applyDefaults -> mutating admission -> applyDefaults -> prepareForCreate -> validate
 *   update: decode (or patch) -> applyDefaults -> mutating admission -> applyDefaults -> prepareForUpdate -> validate -> validateUpdate
 *   subresource: decode (or patch) -> applyDefaults -> merge -> mutating admission -> applyDefaults -> prepare -> validate,
 *     the last two of its `update`
 *   action: decode -> applyDefaults -> mutating admission -> applyDefaults -> validate, of the kind of its body
 * Validating admission comes after them.
 * Hooks change the object that they are handed and never keep it. Metadata (names, labels, uid, timestamps, generation
 * for kinds with `hasGeneration`) is the api-server's affair and the same for every kind.
 */
export interface Kind<T extends KubeObject = KubeObject> {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly namespaced: boolean;
  readonly schema: Shape;
  /** From parsed JSON; most callers want `decodeObject` around it. Throws DecodeError. */
  readonly decode: Decoder<T>;
  readonly verbs: readonly Verb[];
  /** False for kinds whose `create` is answered and stores nothing (reviews, Binding): the api-server has an action for each. */
  readonly persisted: boolean;
  readonly subresources: readonly Subresource<T>[];
  readonly columns: readonly Column<T>[];
  /** Fields beyond `metadata.name` and `metadata.namespace` that field selectors may name. */
  readonly selectableFields: Readonly<Record<string, FieldReader<T>>>;
  /** Whether `metadata.generation` counts the changes of `spec`. */
  readonly hasGeneration: boolean;
  /** How `metadata.name` is checked: a DNS subdomain unless the kind says otherwise. */
  validateName(name: string, prefix: boolean): string[];
  /** What every request for this kind is warned with, when its time is over. */
  readonly deprecation?: string;
  /** Whether a PUT to a name that is not there creates it (events, leases, endpoints and a few more). */
  readonly createOnUpdate: boolean;
  /** Whether an update may leave out the resourceVersion that it is based on. */
  readonly unconditionalUpdate: boolean;
  /** Whether a delete answers with the object instead of a Status. */
  readonly returnDeletedObject: boolean;
  readonly deletion: DeletionRules<T>;
  /** Of a kind that is served in several versions, those that are not stored: how they become the one that is. */
  readonly storedAs?: StoredAs<T>;
  applyDefaults(object: T): void;
  prepareForCreate(object: T, context: HookContext): void;
  prepareForUpdate(object: T, old: T, context: HookContext): void;
  /** `old` is undefined on create: for what is accepted when it is there already. */
  validate(object: T, old?: T): FieldError[];
  validateUpdate(object: T, old: T): FieldError[];
  /** Warnings that a write answers with (the `Warning` header), such as a deprecated field. */
  warnings(object: T): string[];
}

/** The parts of a kind that have a sensible default. */
type Defaulted =
  | 'shortNames'
  | 'categories'
  | 'verbs'
  | 'persisted'
  | 'subresources'
  | 'columns'
  | 'selectableFields'
  | 'hasGeneration'
  | 'validateName'
  | 'createOnUpdate'
  | 'unconditionalUpdate'
  | 'returnDeletedObject'
  | 'applyDefaults'
  | 'prepareForCreate'
  | 'prepareForUpdate'
  | 'validate'
  | 'validateUpdate'
  | 'warnings'
  | 'singular';

export type KindDefinition<T extends KubeObject> = Omit<Kind<T>, Defaulted | 'decode' | 'deletion'> &
  Partial<Pick<Kind<T>, Defaulted>> & { readonly deletion?: Partial<DeletionRules<T>> };

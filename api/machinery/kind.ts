/**
 * The definition of a kind of the Kubernetes API. A kind is defined once, in its own file, as a value of this type; validation,
 * defaulting, pruning, OpenAPI, tables, discovery and the REST verbs are all driven by it. To add a kind, add its file and a line in
 * `api/registry.ts`.
 */
import type { Query } from './query-values.ts';
import type { Shape } from './schema.ts';
import type { FieldType } from './fieldset/field-type.ts';
import type { FieldError } from './field-error.ts';
import type { Scale } from '../types/autoscaling/v1.gen.ts';
import type { DeleteOptions, ObjectMeta } from '../types/meta/v1.gen.ts';

/** Any API object. */
export interface KubeObject {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
}

export type Verb = 'create' | 'delete' | 'deletecollection' | 'get' | 'list' | 'patch' | 'update' | 'watch';

/** Returns the value that a field selector compares with. (The type of a method, so that a `Kind<Pod>` is assignable to `Kind`.) */
export type FieldReader<T> = { read(object: T): string }['read'];

export interface Decoded<T> {
  /** A new object that shares nothing with the input, except values of `anyJson`. */
  readonly object: T;
  /** Unknown fields, as `unknown field "spec.foo"`, up to `MAX_PROBLEMS`; they are not in `object`. */
  readonly problems: string[];
}

export type Decoder<T> = (value: unknown) => Decoded<T>;

/** A column that `kubectl get` prints. `cell` computes its value; ages are relative to `now` (ms since the epoch). */
export interface Column<T> {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'date' | 'boolean' | 'number';
  readonly format: string;
  /** 0: always shown, 1: with `-o wide`. */
  readonly priority: number;
  readonly description?: string;
  cell(object: T, now: number): string | number | boolean | undefined;
}

/**
 * Conversion between the versions of a kind. Objects of a kind with several versions, in one group or in two, are stored in one of
 * them and served in all. Conversion must not lose anything: what a version has no field for is kept in annotations.
 */
export interface StoredAs<T> {
  /** The version that is stored. */
  readonly kind: Kind;
  /** The result is complete, as if it had been decoded; it may share parts with `object`, which is not changed. */
  toStored(object: T): KubeObject;
  /** The caller decodes the result, which completes it. */
  fromStored(stored: KubeObject): KubeObject;
  /** Selectable fields, and their names in the stored version. */
  readonly fields: Readonly<Record<string, string>>;
}

/** Who makes the request of a hook, and when. */
export interface HookContext {
  readonly user: {
    readonly name: string;
    readonly uid?: string;
    readonly groups: readonly string[];
    readonly extra?: Readonly<Record<string, readonly string[]>>;
  };
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Adds a `Warning` to the response. */
  readonly warn: (text: string) => void;
}

/** What is particular to deleting objects of a kind, besides finalizers and propagation: upstream's graceful deletion. */
export interface DeletionRules<T> {
  /**
   * The grace period in seconds; 0: the object is removed immediately. Called for repeated deletes as well, which can shorten the
   * current period.
   */
  graceSeconds(object: T, options: DeleteOptions): number;
  /** Whether something besides `metadata.finalizers` keeps the deleted object. */
  isHeld(object: T): boolean;
  /** Changes an object whose deletionTimestamp has just been set. */
  markDeleted(object: T): void;
  /** Whether its dependents are orphaned when neither the options nor its finalizers say what becomes of them. */
  readonly orphansDependents: boolean;
  /** The warning to a delete that says nothing of them. */
  readonly orphanWarning?: string;
}

/**
 * Creates that store no object of the kind of their body, as RBAC names the resource. Only these can be declared by a kind or a
 * subresource, and an api-server that lacks a handler for one does not compile (`Handlers` in `apiserver/verbs/handlers.ts`). The
 * same holds for connections and streams.
 */
export type ActionName =
  | 'bindings'
  | 'localsubjectaccessreviews.authorization.k8s.io'
  | 'pods/binding'
  | 'pods/eviction'
  | 'selfsubjectaccessreviews.authorization.k8s.io'
  | 'selfsubjectreviews.authentication.k8s.io'
  | 'selfsubjectrulesreviews.authorization.k8s.io'
  | 'serviceaccounts/token'
  | 'subjectaccessreviews.authorization.k8s.io'
  | 'tokenreviews.authentication.k8s.io';

export type ConnectionName =
  'nodes/proxy' | 'pods/attach' | 'pods/exec' | 'pods/portforward' | 'pods/proxy' | 'services/proxy';

export type StreamName = 'pods/log';

export type SubresourceVerb = 'create' | 'get' | 'patch' | 'update' | 'delete';

/** What an update may change, and its validation. */
export interface UpdateRules<T> {
  /** The top-level fields that `merge` takes from `wanted`, besides metadata; all of them when not given. */
  readonly takes?: readonly string[];
  /** Paths of fields that the update resets, so that nobody owns them by it: upstream's `GetResetFields`. */
  readonly resets?: readonly string[];
  /** Instead of `resets`: paths of the only fields that the update changes, each with all below it; `*` is any item of a list. */
  readonly owns?: readonly string[];
  /** Returns the object to store when a client sends `wanted`; may be `wanted` itself, but not `old`. */
  merge(wanted: T, old: T): T;
  /** Runs after admission; changes the object. */
  prepare(object: T, old: T, context: HookContext): void;
  validate(object: T, old: T): FieldError[];
  /** Warnings about a valid update; the default is none. */
  warnings?(object: T, old: T): string[];
}

/** A subresource that is a part of the stored object, which clients get, update and patch: `status`, `approval`. */
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
  readonly name: string;
  readonly action: ActionName;
  readonly verbs: readonly SubresourceVerb[];
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly body: Kind;
  /**
   * Whether the body's uid says which object is meant; of other bodies it is dropped, as of any object that is created. Upstream's
   * `PreserveRequestObjectMetaSystemFieldsOnSubresourceCreate`.
   */
  readonly keepsMetadata: boolean;
}

/** A connection to what the object stands for: `exec`, `proxy`. Admission is asked about its options, as operation CONNECT. */
export interface ConnectSubresource {
  readonly name: string;
  readonly connection: ConnectionName;
  readonly verbs: readonly SubresourceVerb[];
  readonly group: string;
  readonly version: string;
  /** Of the options: PodExecOptions. */
  readonly kind: string;
  /**
   * Reads the options. `path` is what follows the subresource in the URL, percent-encoded as it came. Throws a 400 StatusError for
   * values that are not of the field's type.
   */
  readOptions(query: Query, path: string): KubeObject;
  /**
   * Whether the connection takes the right to `create`, whatever the method: a WebSocket comes as a GET, and who may read is not to
   * run commands. Upstream's `AuthorizePodWebsocketUpgradeCreatePermission`.
   */
  takesCreate(options: KubeObject): boolean;
}

/** A read of something that is no object, for as long as it is written: `log`. */
export interface StreamSubresource {
  readonly name: string;
  readonly stream: StreamName;
  readonly verbs: readonly SubresourceVerb[];
  readonly group?: undefined;
  readonly version?: undefined;
  readonly kind?: undefined;
}

/** How many replicas an object has and wants, as an autoscaling/v1 Scale: `scale`. */
export interface ScaleSubresource<T> {
  readonly name: string;
  readonly verbs: readonly SubresourceVerb[];
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly body: Kind<Scale>;
  /** Returns a new Scale, with the resourceVersion of the object. */
  scaleOf(object: T): Scale;
  setReplicas(object: T, replicas: number): void;
}

/** There are no others: what nobody serves is not announced, and what has no rules is never updated as a whole object. */
export type Subresource<T> =
  StoredSubresource<T> | ActionSubresource | ConnectSubresource | StreamSubresource | ScaleSubresource<T>;

export const isStoredSubresource = <T>(subresource: Subresource<T>): subresource is StoredSubresource<T> =>
  'update' in subresource;

export const isActionSubresource = <T>(subresource: Subresource<T>): subresource is ActionSubresource =>
  'action' in subresource;

export const isConnectSubresource = <T>(subresource: Subresource<T>): subresource is ConnectSubresource =>
  'connection' in subresource;

export const isScaleSubresource = <T>(subresource: Subresource<T>): subresource is ScaleSubresource<T> =>
  'scaleOf' in subresource;

export const isStreamSubresource = <T>(subresource: Subresource<T>): subresource is StreamSubresource =>
  'stream' in subresource;

/** How a webhook converts between the versions of a kind. What is stored may be of any of them. */
export interface WebhookConversion {
  /** The version whose cache holds the objects of all of them; undefined for itself. */
  readonly cachedAs: Kind | undefined;
  /** The version as which objects are written. */
  readonly storageVersion: string;
  /** Returns the objects, of any versions, in one version. Throws a 500 StatusError. */
  convert(objects: readonly KubeObject[], version: string): Promise<KubeObject[]>;
}

/** What is particular to a kind that a CustomResourceDefinition has defined. */
export interface CustomResource {
  /** Set when a webhook converts between its versions, which are not `storedAs` each other then. */
  readonly conversion?: WebhookConversion;
  /** What ownership needs to know of its schema. */
  readonly fields: FieldType;
  /** Its schema in OpenAPI v3, as it is published. */
  readonly openApi: Readonly<Record<string, unknown>>;
  /** Its definition is being deleted. */
  readonly isTerminating: boolean;
  /** Adds the defaults that the schema has got since an object was stored; undefined when it has none. */
  readonly complete?: (stored: KubeObject) => void;
}

/**
 * One kind, in one version. The hooks are pure functions over decoded objects (of the schema's static type); they run in this order:
 *   create: decode -> applyDefaults -> mutating admission -> applyDefaults -> prepareForCreate -> validate
 *   update: decode (or patch) -> applyDefaults -> mutating admission -> applyDefaults -> prepareForUpdate -> validate -> validateUpdate
 *   subresource: decode (or patch) -> applyDefaults -> merge -> mutating admission -> applyDefaults -> prepare -> validate,
 *     the last two of its `update`
 *   scale: decode (or patch) -> mutating admission -> validate, of the Scale; then setReplicas, and on as for an update, from defaults
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
  /** Older apiVersions with the same fields, which bodies of requests may have: upstream's `GroupVersionAcceptor`. */
  readonly alsoAccepts?: readonly string[];
  /** Decodes parsed JSON; most callers use `decodeObject`. Throws DecodeError. */
  readonly decode: Decoder<T>;
  readonly verbs: readonly Verb[];
  /** Set for kinds whose `create` is answered and stores nothing: reviews, Binding. */
  readonly action?: ActionName;
  readonly subresources: readonly Subresource<T>[];
  readonly columns: readonly Column<T>[];
  /** Fields that field selectors support, besides `metadata.name` and `metadata.namespace`. */
  readonly selectableFields: Readonly<Record<string, FieldReader<T>>>;
  /** Whether `metadata.generation` is incremented when `spec` changes. */
  readonly hasGeneration: boolean;
  /** Validates `metadata.name`; the default is a DNS subdomain. */
  validateName(name: string, prefix: boolean): readonly string[];
  /** Whether finalizers may have names without a domain: upstream validates those of some kinds less strictly. */
  readonly freeFinalizers?: boolean;
  /** The warning to every request, when the kind is deprecated. */
  readonly deprecation?: string;
  /** As `resets` of an update of the whole object; the default is `status` for kinds that have the subresource. */
  readonly resets?: readonly string[];
  /** Whether a PUT creates an object that does not exist (events, leases, endpoints and a few more). */
  readonly createOnUpdate: boolean;
  /** Whether an update may omit the resourceVersion. */
  readonly unconditionalUpdate: boolean;
  /** Whether a delete returns the object instead of a Status. */
  readonly returnDeletedObject: boolean;
  readonly deletion: DeletionRules<T>;
  /** Set for the kinds of CustomResourceDefinitions. */
  readonly custom?: CustomResource;
  /** The kind of its lists; the default is the kind's name and `List`. */
  readonly listKind?: string;
  /** Set on the versions of a kind that are not stored. */
  readonly storedAs?: StoredAs<T>;
  applyDefaults(object: T): void;
  prepareForCreate(object: T, context: HookContext): void;
  prepareForUpdate(object: T, old: T, context: HookContext): void;
  /** @param old undefined on create; values that it has already may be exempt from newer rules */
  validate(object: T, old?: T): FieldError[];
  validateUpdate(object: T, old: T): FieldError[];
  /** Warnings about a valid object (the `Warning` header), such as deprecated fields. @param old undefined on create */
  warnings(object: T, old?: T): string[];
}

/** The properties of a kind that have a default. */
type Defaulted =
  | 'shortNames'
  | 'categories'
  | 'verbs'
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

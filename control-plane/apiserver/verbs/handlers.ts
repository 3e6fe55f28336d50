/** The handlers of requests, which have passed the stages before them (`admission/pipeline.ts`). */
import type {
  ActionName,
  ConnectionName,
  KubeObject,
  ScaleSubresource,
  StreamName,
  Verb,
} from '../../../api/machinery/kind.ts';
import type { AdmittedConnect, AdmittedCreate, AuthorizedRequest } from '../admission/pipeline.ts';
import type { LocalApi } from '../catalogue/local-api.ts';
import type { ServedResource } from '../catalogue/served-resource.ts';
import type { Upgrade } from '../http/upgrade.ts';
import type { Status } from '../../../api/types/meta/v1.gen.ts';
import type { UpdatedPart } from '../storage/update-strategy.ts';

/**
 * Serves a verb on the stored objects of a resource. Throws StatusError.
 * @param part of the object: the whole one when absent.
 */
export type VerbHandler = (
  request: AuthorizedRequest,
  resource: ServedResource,
  part?: UpdatedPart,
) => void | Promise<void>;

export type VerbHandlers = Readonly<Record<Verb, VerbHandler>>;

/** Serves all verbs of a `scale` subresource. Throws StatusError. */
export type ScaleHandler = (
  request: AuthorizedRequest,
  resource: ServedResource,
  scale: ScaleSubresource<KubeObject>,
) => Promise<void>;

/** Serves a path outside of the resources. Returns false for paths of other handlers. */
export type PathHandler = (request: AuthorizedRequest) => boolean | Promise<boolean>;

/** What handlers read by; they write with a WriteContext of the pipeline alone. */
export type ReadApi = Pick<LocalApi, 'get' | 'list'>;

/** Serves a create that stores no object of its kind: reviews, `pods/binding`, `serviceaccounts/token`. Throws StatusError. */
export type Action = (admitted: AdmittedCreate) => Promise<ActionResult> | ActionResult;

export interface ActionResult {
  /** 201 mostly; 200 for a few. */
  readonly code: number;
  readonly object: KubeObject;
}

/** Serves a long-running request as a whole: upgrades, proxies, and (as `Stream`) logs. */
export interface Connector<R = AdmittedConnect> {
  /** Other methods are answered with a 405. */
  readonly methods: ReadonlySet<string>;
  /** Whether the path goes on behind the subresource. */
  readonly takesPath: boolean;
  serve(admitted: R): Promise<void>;
  upgrade(admitted: R, upgrade: Upgrade): Promise<void>;
}

/** A read: admission does not run. */
export type Stream = Connector<AuthorizedRequest>;

/** A handler for each name that a kind can declare. */
export interface Handlers {
  readonly actions: Readonly<Record<ActionName, Action>>;
  readonly connectors: Readonly<Record<ConnectionName, Connector>>;
  readonly streams: Readonly<Record<StreamName, Stream>>;
}

/** What is done to pods by creates; it needs the write path, as the verbs do, so `serve` makes these itself. */
export type PodAction = 'bindings' | 'pods/binding' | 'pods/eviction';

/** The result of an action that returns no object. */
export const SUCCESS: KubeObject & Status = {
  kind: 'Status',
  apiVersion: 'v1',
  metadata: {},
  status: 'Success',
  code: 201,
};

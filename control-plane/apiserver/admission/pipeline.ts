/**
 * The stages that every request passes, in this order, whatever it asks for (a verb, a subresource, a connection) and however it
 * came (HTTP/1.1, HTTP/2, an upgrade to WebSocket or SPDY); as upstream's `DefaultBuildHandlerChain` and its endpoint handlers:
 *
 *   limits of the connection (`http/`), authentication, the audit log, impersonation, priority and fairness, authorization,
 *   decoding, defaulting, mutating admission, defaulting again, validation, validating admission, storage or connection
 *
 * The result of a stage is a value that only this file can make and that the next stage requires: no handler runs without an
 * AuthorizedRequest, no action without an AdmittedCreate, no connection without an AdmittedConnect, and nothing is written for a
 * client without a WriteContext, with which `storage/write.ts` runs the stages that need the stored object.
 */
import type { ConnectSubresource, Kind, KubeObject } from '../../../api/machinery/kind.ts';
import { MAX_MANAGER_BYTES } from '../../../api/machinery/metadata.ts';
import { badRequest, invalidObject, StatusError } from '../../../api/machinery/status-error.ts';
import { spanning } from '../../../daemon/tracing/span.ts';
import type { Tracer } from '../../../daemon/tracing/tracer.ts';
import type { AccessMetrics } from '../access/metrics.ts';
import type { Auditor } from '../audit/auditor.ts';
import type { ConnectionCredentials } from '../access/credentials.ts';
import { authenticate, authorize, type Gate } from '../access/gate.ts';
import { impersonatedUser } from '../access/impersonation.ts';
import type { Exchange } from '../http/exchange.ts';
import { beginTrace } from '../http/request-trace.ts';
import type { RequestFairness } from '../fairness/request-fairness.ts';
import type { User } from '../http/user.ts';
import {
  admit,
  NO_ADMISSION,
  type AdmissionChain,
  type AdmissionOrigin,
  type AdmissionRequest,
  type ObjectKind,
} from './plugin.ts';

declare const AUTHORIZED: unique symbol;

/** A request whose user is known and may do what it asks. */
export type AuthorizedRequest = Exchange & { readonly [AUTHORIZED]: true };

/** The user of a write, its options, and the admission that it has to pass. */
class WriteContext {
  readonly user: User;
  readonly dryRun: boolean;
  readonly admission: AdmissionChain;
  readonly warn: (message: string) => void;
  /** For an update that would create its object: throws, or rejects with, a 403 StatusError unless the user may create it, too. */
  readonly authorizeCreate: () => void | Promise<void>;
  /** The name by which fields are owned that this changes. */
  readonly manager: string;
  /** Undefined for the server's own writes. */
  readonly origin: AdmissionOrigin | undefined;
  /** Keeps values of the same shape from being taken for one that was made here; so below. */
  declare protected readonly stage: 'write';

  constructor(
    user: User,
    dryRun: boolean,
    admission: AdmissionChain,
    warn: (message: string) => void,
    authorizeCreate: () => void | Promise<void>,
    manager: string,
    origin?: AdmissionOrigin,
  ) {
    this.manager = manager;
    this.user = user;
    this.dryRun = dryRun;
    this.admission = admission;
    this.warn = warn;
    this.authorizeCreate = authorizeCreate;
    this.origin = origin;
  }
}

/** A create that an action answers, with its body as admission has left it. */
class AdmittedCreate {
  readonly request: AuthorizedRequest;
  readonly object: KubeObject;
  readonly #context: WriteContext;

  constructor(request: AuthorizedRequest, object: KubeObject, context: WriteContext) {
    this.request = request;
    this.object = object;
    this.#context = context;
  }

  /**
   * For what the action writes: the action itself has passed admission, which as upstream does not run again.
   * @param dryRun whether the body asks for one; the request may do so, too.
   */
  writeContext(dryRun = false): WriteContext {
    const { user, warn, authorizeCreate, manager, origin } = this.#context;
    return new WriteContext(user, this.#context.dryRun || dryRun, NO_ADMISSION, warn, authorizeCreate, manager, origin);
  }
}

/** A connection to what an object stands for. */
class AdmittedConnect {
  readonly request: AuthorizedRequest;
  /** As the subresource's `readOptions` has read them, and admission has left them: PodExecOptions. */
  readonly options: KubeObject;
  declare protected readonly stage: 'connect';

  constructor(request: AuthorizedRequest, options: KubeObject) {
    this.request = request;
    this.options = options;
  }
}

export type { AdmittedConnect, AdmittedCreate, WriteContext };

export interface PipelineOptions {
  readonly gate: Gate;
  readonly credentials: ConnectionCredentials;
  readonly fairness: Pick<RequestFairness, 'run'>;
  readonly admission: AdmissionChain;
  /** Absent: nothing is recorded. */
  readonly auditor?: Pick<Auditor, 'received' | 'refused'> | undefined;
  readonly metrics?: AccessMetrics;
  /** Absent: nothing is traced. */
  readonly tracer?: Tracer | undefined;
}

export class Pipeline {
  readonly #options: PipelineOptions;

  constructor(options: PipelineOptions) {
    this.#options = options;
  }

  /**
   * Calls `serve` with the request once it is authorized. Synchronous where it can be: most reads are served without a turn of the
   * event loop. Throws or rejects with a StatusError: 401 or 403.
   */
  run(exchange: Exchange, serve: (request: AuthorizedRequest) => void | Promise<void>): void | Promise<void> {
    const startedAt = performance.now();
    const user = this.#userOf(exchange, startedAt);
    if (user instanceof Promise) return user.then((known) => this.#runAs(known, exchange, startedAt, serve));
    return this.#runAs(user, exchange, startedAt, serve);
  }

  #userOf(exchange: Exchange, startedAt: number): User | Promise<User> {
    const { gate, credentials } = this.#options;
    try {
      const user = authenticate(gate, credentials.of(exchange.request, exchange.info.path));
      if (!(user instanceof Promise)) return user;
      return exchange.awaited.during(user).catch((error: unknown) => this.#refuse(exchange, error, startedAt));
    } catch (error) {
      return this.#refuse(exchange, error, startedAt);
    }
  }

  #refuse(exchange: Exchange, error: unknown, startedAt: number): never {
    const isRefused = error instanceof StatusError && error.code === 401;
    this.#options.metrics?.notAuthenticated(isRefused ? 'failure' : 'error', startedAt);
    if (error instanceof StatusError) this.#options.auditor?.refused(exchange, error.code);
    throw error;
  }

  #runAs(
    user: User,
    exchange: Exchange,
    startedAt: number,
    serve: (request: AuthorizedRequest) => void | Promise<void>,
  ): void | Promise<void> {
    const { gate, auditor, metrics, tracer } = this.#options;
    metrics?.authenticated(user, startedAt);
    if (tracer) beginTrace(tracer, exchange, user, startedAt);
    auditor?.received(exchange, user);
    const acting = impersonatedUser(gate.authorizer, user, exchange.request);
    if (acting instanceof Promise) return acting.then((known) => this.#runAuthorized(known, exchange, serve, true));
    return this.#runAuthorized(acting, exchange, serve, false);
  }

  #runAuthorized(
    user: User,
    exchange: Exchange,
    serve: (request: AuthorizedRequest) => void | Promise<void>,
    isImpersonated: boolean,
  ): void | Promise<void> {
    const { fairness } = this.#options;
    exchange.user = user;
    if (isImpersonated) exchange.audit?.impersonated(user);
    return fairness.run(exchange, () => {
      const pending = spanning(exchange.span, 'Authorization', () => this.#authorize(user, exchange));
      if (pending) return pending.then(() => serve(exchange as AuthorizedRequest));
      return serve(exchange as AuthorizedRequest);
    });
  }

  /** For what takes one right more than the verb of its request. Throws, or rejects with, a 403 StatusError. */
  authorizeAlso({ user, info }: AuthorizedRequest, verb: string): void | Promise<void> {
    return authorize(this.#options.gate, user, { ...info, verb });
  }

  #authorize(user: User, exchange: Exchange): void | Promise<void> {
    const { gate, metrics } = this.#options;
    const startedAt = performance.now();
    const refused = (error: unknown): never => {
      metrics?.authorized(error instanceof StatusError && error.code === 403 ? 'denied' : 'error', startedAt);
      throw error;
    };
    try {
      const pending = authorize(gate, user, exchange.info, exchange.audit);
      if (!pending) return metrics?.authorized('allowed', startedAt);
      return exchange.awaited.during(pending).then(() => metrics?.authorized('allowed', startedAt), refused);
    } catch (error) {
      return refused(error);
    }
  }

  /** For a write of the object that the request names. */
  writeContext(request: AuthorizedRequest, dryRun: boolean): WriteContext {
    const { gate, admission } = this.#options;
    const { user, info, warn } = request;
    const authorizeCreate = (): void | Promise<void> => authorize(gate, user, { ...info, verb: 'create' });
    return new WriteContext(user, dryRun, admission, warn, authorizeCreate, managerOf(request), request);
  }

  /**
   * The stages from mutating admission on, for a create that stores no object of its kind.
   * @param kind of the resource in the URL: what admission calls it.
   * @param bodyKind of `object`, which has been decoded and defaulted.
   */
  async admitCreate(
    request: AuthorizedRequest,
    kind: Kind,
    bodyKind: Kind,
    object: KubeObject,
    dryRun: boolean,
  ): Promise<AdmittedCreate> {
    const { admission } = this.#options;
    const name = request.info.name || (object.metadata?.name ?? '');
    const attributes = admissionRequest(request, 'CREATE', kind, name, bodyKind, object, dryRun);
    await admit(admission, 'mutate', attributes);
    bodyKind.applyDefaults(object);
    const errors = bodyKind.validate(object);
    if (errors.length > 0) throw invalidObject(bodyKind, '', errors);
    await admit(admission, 'validate', attributes);
    return new AdmittedCreate(request, object, this.writeContext(request, dryRun));
  }

  /**
   * Reads the options of a connection and runs admission on them, as upstream's `ConnectResource`. Throws a StatusError:
   * 400 for options that cannot be read, 403.
   */
  async admitConnect(
    request: AuthorizedRequest,
    kind: Kind,
    subresource: ConnectSubresource,
  ): Promise<AdmittedConnect> {
    const { gate, admission } = this.#options;
    const { info, user } = request;
    if (info.query.has('dryRun')) throw badRequest('dryRun is not supported');
    const options = subresource.readOptions(info.query, info.rest);
    if (info.verb !== 'create' && subresource.takesCreate(options))
      await authorize(gate, user, { ...info, verb: 'create' });
    const attributes = admissionRequest(request, 'CONNECT', kind, info.name, subresource, options, false);
    await admit(admission, 'mutate', attributes);
    await admit(admission, 'validate', attributes);
    return new AdmittedConnect(request, options);
  }
}

const UNPRINTABLE = /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu;

/** The option `fieldManager`, or what the user agent says before the first slash: upstream's `managerOrUserAgent`. */
function managerOf(request: AuthorizedRequest): string {
  const { query } = request.info;
  const asked = query.size > 0 ? query.get('fieldManager') : null;
  if (asked) return asked;
  const [name = ''] = (request.header('user-agent') ?? '').split('/', 1);
  const printable = name.replace(UNPRINTABLE, '');
  return (printable.length > MAX_MANAGER_BYTES ? shortened(printable) : printable) || 'unknown';
}

/** The longest beginning of whole characters that fits. */
function shortened(name: string): string {
  let [length, bytes] = [0, 0];
  for (const character of name) {
    bytes += Buffer.byteLength(character);
    if (bytes > MAX_MANAGER_BYTES) break;
    length += character.length;
  }
  return name.slice(0, length);
}

function admissionRequest(
  origin: AuthorizedRequest,
  operation: AdmissionRequest['operation'],
  kind: Kind,
  name: string,
  objectKind: ObjectKind,
  object: KubeObject,
  dryRun: boolean,
): AdmissionRequest {
  const { namespace, user, warn } = origin;
  const { subresource } = origin.info;
  const old = undefined;
  return { operation, kind, subresource, namespace, name, object, old, user, dryRun, warn, objectKind, origin };
}

/** For what the server's own parts write in their own name: no client has requested it, so that admission does not run. */
export const ownWriteContext = (): WriteContext =>
  new WriteContext(
    { name: 'system:apiserver', groups: ['system:masters', 'system:authenticated'] },
    false,
    NO_ADMISSION,
    () => undefined,
    () => undefined,
    'kube-apiserver',
  );

/**
 * One request as events of audit.k8s.io/v1, a line of JSON for each of its stages. What all stages have in common becomes text once:
 * at level Metadata a request has two events, and they are made for every request that the server answers.
 * https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/
 */
import type { Status } from '../../../api/types/meta/v1.gen.ts';
import { isJsonObject } from '../../../api/machinery/own.ts';
import type { Exchange } from '../http/exchange.ts';
import type { AuditedUser, RequestAudit } from '../http/request-audit.ts';
import { isLongRunning } from '../http/request-timeout.ts';
import type { AuditConfig, Stage } from './policy.ts';
import { legacyLine } from './legacy-line.ts';
import { sourceIPs } from './source-ips.ts';
import type { EventTexts } from './texts.ts';

/** As upstream bounds nothing here: of longer requests and responses, the event says that they have been left out. */
const MAX_OBJECT_BYTES = 8 * 1024 * 1024;
const OMITTED_ANNOTATION = 'audit.kedge.io/omitted';

/** An event, made in the form that a sink wants. */
export interface AuditEvent {
  readonly json: string;
  legacy(): string;
}

type ObjectMetaLike = Partial<Record<'name' | 'namespace' | 'uid' | 'resourceVersion', unknown>>;

export class AuditRecord implements RequestAudit {
  readonly #exchange: Exchange;
  readonly #config: AuditConfig;
  readonly #emit: (event: AuditEvent) => void;
  readonly #texts: EventTexts;
  readonly #user: AuditedUser;
  readonly #receivedAt: number;
  readonly #isLongRunning: boolean;
  /** From `requestURI` to `user`, and from `sourceIPs` to `userAgent`. */
  readonly #who: string;
  readonly #where: string;
  #impersonated: AuditedUser | undefined;
  #allowed: boolean | undefined;
  #reason = '';
  #meta: ObjectMetaLike | undefined;
  #requestObject: string | undefined;
  #responseObject: string | undefined;
  #status: Partial<Status> | undefined;
  #isStarted = false;
  #isOver = false;

  constructor(
    exchange: Exchange,
    user: AuditedUser,
    config: AuditConfig,
    texts: EventTexts,
    emit: (event: AuditEvent) => void,
  ) {
    this.#texts = texts;
    this.#exchange = exchange;
    this.#config = config;
    this.#emit = emit;
    this.#user = user;
    this.#receivedAt = Date.now();
    this.#isLongRunning = isLongRunning(exchange.info);
    const { request, info } = exchange;
    this.#who = `"requestURI":${JSON.stringify(request.url ?? '')},"verb":${JSON.stringify(info.verb)},"user":${texts.user(user)}`;
    this.#where = texts.client(sourceIPs(request), exchange.header('user-agent') ?? '');
  }

  get wantsResponse(): boolean {
    return this.#config.level === 'RequestResponse';
  }

  received(): void {
    this.#stage('RequestReceived');
  }

  impersonated(user: AuditedUser): void {
    this.#impersonated = user;
  }

  authorized(allowed: boolean, reason: string): void {
    this.#allowed = allowed;
    this.#reason = reason;
  }

  requested(object: object): void {
    // Options have none. What the URL says counts more.
    const { metadata } = object as { readonly metadata?: unknown };
    if (isJsonObject(metadata)) this.#meta = metadata;
    if (this.#config.level === 'Metadata') return;
    this.#requestObject = this.#bounded('requestObject', this.#textOf(object));
  }

  requestedPatch(patch: unknown): void {
    if (this.#config.level !== 'Metadata') this.#requestObject = this.#bounded('requestObject', JSON.stringify(patch));
  }

  started(code: number): void {
    if (!this.#isLongRunning || this.#isStarted) return;
    this.#isStarted = true;
    this.#status = { ...this.#status, code };
    this.#stage('ResponseStarted');
  }

  /** Of a request that has no user: upstream records it as soon as it is answered, and only then. */
  refused(message: string, code: number): void {
    this.#isOver = true;
    this.#status = { message, code };
    this.#stage('ResponseStarted');
  }

  responded(object: object | Buffer): void {
    const isBytes = Buffer.isBuffer(object);
    if (!isBytes && 'kind' in object && object.kind === 'Status') {
      const { status, message, reason, details, code } = object as Status;
      this.#status = { status, message, reason, details, code };
    }
    if (!this.wantsResponse) return;
    const asIs = isBytes && !this.#config.omitManagedFields;
    const text = asIs ? object.toString().trimEnd() : this.#textOf(isBytes ? JSON.parse(object.toString()) : object);
    this.#responseObject = this.#bounded('responseObject', text);
  }

  panicked(error: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const message = `APIServer panic'd: ${error instanceof Error ? error.message : String(error)}`;
    this.#status = { status: 'Failure', message, reason: 'InternalError', code: 500 };
    this.#stage('Panic');
  }

  completed(code: number): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (code > 0) this.#status = { ...this.#status, code };
    this.#status ??= { status: 'Success', message: 'Connection closed early', code: 200 };
    if (this.#isLongRunning && !this.#isStarted) this.#stage('ResponseStarted');
    this.#stage('ResponseComplete');
  }

  #stage(stage: Stage): void {
    if (this.#config.omitStages.has(stage)) return;
    const { auditId } = this.#exchange;
    const { level } = this.#config;
    const now = stage === 'RequestReceived' ? this.#receivedAt : Date.now();
    const json =
      `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"${level}","auditID":${JSON.stringify(auditId)},"stage":"${stage}",` +
      this.#who +
      (this.#impersonated ? `,"impersonatedUser":${this.#texts.user(this.#impersonated)}` : '') +
      this.#where +
      this.#objectRef() +
      this.#responseStatus() +
      (this.#requestObject === undefined ? '' : `,"requestObject":${this.#requestObject}`) +
      (this.#responseObject === undefined ? '' : `,"responseObject":${this.#responseObject}`) +
      `,"requestReceivedTimestamp":"${this.#texts.time(this.#receivedAt)}","stageTimestamp":"${this.#texts.time(now)}"` +
      `${this.#annotations()}}`;
    this.#emit({ json, legacy: () => this.#legacy(stage) });
  }

  #legacy(stage: Stage): string {
    const { info, auditId, request } = this.#exchange;
    return legacyLine({
      receivedAt: this.#texts.time(this.#receivedAt),
      id: auditId,
      stage,
      ip: sourceIPs(request)[0],
      verb: info.verb,
      user: this.#user,
      impersonated: this.#impersonated,
      userAgent: this.#exchange.header('user-agent') ?? '',
      namespace: info.isResource ? info.namespace : '',
      uri: request.url ?? '',
      code: this.#status?.code,
    });
  }

  #objectRef(): string {
    const { isResource, resource, namespace, name, group, version, subresource } = this.#exchange.info;
    if (!isResource && !this.#meta) return '';
    const meta = this.#meta;
    const text = (value: unknown): string => (typeof value === 'string' ? value : '');
    let fields = '';
    const add = (field: string, value: string): void => {
      if (value !== '') fields += `${fields && ','}"${field}":${JSON.stringify(value)}`;
    };
    add('resource', resource);
    add('namespace', namespace || text(meta?.namespace));
    add('name', name || text(meta?.name));
    add('uid', text(meta?.uid));
    add('apiGroup', group);
    add('apiVersion', version);
    add('resourceVersion', text(meta?.resourceVersion));
    add('subresource', subresource);
    return `,"objectRef":{${fields}}`;
  }

  #responseStatus(): string {
    if (!this.#status) return '';
    const { status, message, reason, details, code } = this.#status;
    if (message === undefined && status === undefined) return `,"responseStatus":{"metadata":{},"code":${code ?? 0}}`;
    return `,"responseStatus":${JSON.stringify({ metadata: {}, status, message, reason, details, code })}`;
  }

  #annotations(): string {
    const more = this.#exchange.annotations;
    if (!more) {
      if (this.#allowed === undefined) return '';
      return `,"annotations":{"authorization.k8s.io/decision":"${this.#decision}","authorization.k8s.io/reason":${JSON.stringify(this.#reason)}}`;
    }
    const all = new Map(more);
    if (this.#allowed !== undefined) {
      all.set('authorization.k8s.io/decision', this.#decision);
      all.set('authorization.k8s.io/reason', this.#reason);
    }
    const sorted = [...all].sort(([a], [b]) => (a < b ? -1 : 1));
    return `,"annotations":{${sorted.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join()}}`;
  }

  get #decision(): string {
    return this.#allowed ? 'allow' : 'forbid';
  }

  #textOf(object: unknown): string {
    return JSON.stringify(this.#config.omitManagedFields ? withoutManagedFields(object) : object);
  }

  #bounded(field: string, text: string): string | undefined {
    if (text.length <= MAX_OBJECT_BYTES) return text;
    this.#exchange.annotate(OMITTED_ANNOTATION, `${field} is longer than ${MAX_OBJECT_BYTES} characters`);
    return undefined;
  }
}

/** Of an object, the items of a list, or the objects in the rows of a table. */
function withoutManagedFields(object: unknown): unknown {
  if (!isJsonObject(object)) return object;
  const { metadata, items, rows } = object;
  const copy = { ...object };
  if (isJsonObject(metadata) && 'managedFields' in metadata) {
    const others = { ...metadata };
    delete others['managedFields'];
    copy['metadata'] = others;
  }
  if (Array.isArray(items)) copy['items'] = items.map(withoutManagedFields);
  if (Array.isArray(rows)) {
    copy['rows'] = rows.map((row: unknown) =>
      isJsonObject(row) ? { ...row, object: withoutManagedFields(row['object']) } : row,
    );
  }
  return copy;
}

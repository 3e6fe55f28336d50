import { deepEqual } from '../../../../api/machinery/deep-equal.ts';
import { DecodeError } from '../../../../api/machinery/schema-decoder.ts';
import type { KubeObject } from '../../../../api/machinery/kind.ts';
import { isJsonObject } from '../../../../api/machinery/own.ts';
import { applyJsonPatch } from '../../../../api/machinery/patch/json.ts';
import { badRequest, internalError, StatusError } from '../../../../api/machinery/status-error.ts';
import type { MutatingWebhook } from '../../../../api/types/admissionregistration/v1.gen.ts';
import { REINVOKE, type AdmissionPlugin, type AdmissionRequest, type Mutation } from '../plugin.ts';
import { converted, Dispatcher, failed, mutatingHooks, type Hook, type WebhookOptions } from './dispatcher.ts';
import { isExempt } from './matching.ts';
import type { ReviewResponse, VersionedRequest } from './review.ts';

const MUTATION = 'mutation.webhook.admission.k8s.io/';
const PATCH = 'patch.webhook.admission.k8s.io/';

/** Which webhooks a request has met, for the second round: upstream's `webhookReinvokeContext`. */
class Reinvocation {
  /** Have been called, and want to be again when something has changed since. */
  #invoked = new Set<Hook<MutatingWebhook>>();
  readonly #due = new Set<Hook<MutatingWebhook>>();
  #output: string | undefined;

  /** What has been called so far is to be called again. */
  requireAll(): void {
    for (const hook of this.#invoked) this.#due.add(hook);
    this.#invoked = new Set();
  }

  called(hook: Hook<MutatingWebhook>): void {
    if (hook.webhook.reinvocationPolicy === 'IfNeeded') this.#invoked.add(hook);
  }

  isDue(hook: Hook<MutatingWebhook>): boolean {
    return this.#due.has(hook);
  }

  remember(object: KubeObject | undefined): void {
    this.#output = JSON.stringify(object);
  }

  isChanged(object: KubeObject | undefined): boolean {
    return this.#output !== JSON.stringify(object);
  }
}

/**
 * Calls mutating webhooks, one after the other, each with what the one before has made of the object:
 * https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
 */
export function mutatingAdmissionWebhook(options: WebhookOptions): AdmissionPlugin {
  const hooks = mutatingHooks(options.api);
  const dispatcher = new Dispatcher('admit', options);
  const reinvocations = new WeakMap<AdmissionRequest, Reinvocation>();

  async function run(request: AdmissionRequest, again: boolean): Promise<Mutation> {
    const reinvocation = reinvocations.get(request) ?? new Reinvocation();
    reinvocations.set(request, reinvocation);
    if (again && reinvocation.isChanged(request.object)) reinvocation.requireAll();
    let anyChange = false;
    for (const [index, hook] of hooks.all.entries()) {
      const invocation = dispatcher.invocation(hook, request);
      // The second round calls no webhook for the first time.
      if (!invocation || (again && !reinvocation.isDue(hook))) continue;
      const at = `round_${again ? 1 : 0}_index_${index}`;
      const changed = await dispatcher.call(invocation, request, `failed-open.${MUTATION}${at}`, (response, asked) =>
        mutated(hook, request, response, asked, at),
      );
      if (changed) {
        anyChange = true;
        reinvocation.requireAll();
      }
      reinvocation.called(hook);
    }
    reinvocation.remember(request.object);
    return anyChange ? REINVOKE : undefined;
  }

  return {
    name: 'MutatingAdmissionWebhook',
    mutate(request, again = false) {
      if (hooks.all.length === 0 || isExempt(request)) return;
      return run(request, again);
    },
  };
}

/** Applies the patch of a response to the request's object; returns whether that has changed it. */
function mutated(
  { configuration, webhook }: Hook<MutatingWebhook>,
  request: AdmissionRequest,
  { patch, patchType }: ReviewResponse,
  asked: VersionedRequest,
  at: string,
): boolean {
  const { origin } = request;
  const note = (isMutated: boolean): boolean => {
    origin?.annotate(`${MUTATION}${at}`, JSON.stringify({ configuration, webhook: webhook.name, mutated: isMutated }));
    return isMutated;
  };
  if (patch === undefined) return note(false);
  const operations = parsedPatch(webhook.name, patch);
  if (operations.length === 0) return note(false);
  const { object } = request;
  if (!object || !asked.object)
    throw internalError(
      `admission webhook ${JSON.stringify(webhook.name)} attempted to modify the object, which is not supported for this operation`,
    );
  if (patchType !== 'JSONPatch') throw failed(webhook.name, `unsupported patch type ${JSON.stringify(patchType)}`);
  const before = JSON.parse(JSON.stringify(object)) as KubeObject;
  const result = patched(request, asked, operations);
  if (before.metadata) keepIdentity(result, before, request);
  replaceContents(object, result);
  origin?.annotate(
    `${PATCH}${at}`,
    JSON.stringify({ configuration, webhook: webhook.name, patch: operations, patchType }),
  );
  return note(!deepEqual(object, before));
}

function parsedPatch(webhook: string, patch: string): unknown[] {
  try {
    const operations: unknown = JSON.parse(patch);
    if (Array.isArray(operations)) return operations;
    throw new Error('json: cannot unmarshal object into Go value of type jsonpatch.Patch');
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw failed(webhook, `received undecodable patch in webhook response: ${why}`);
  }
}

/** The patched object, decoded (which drops unknown fields) and defaulted. */
function patched(request: AdmissionRequest, asked: VersionedRequest, operations: readonly unknown[]): KubeObject {
  const { kind, objectKind = kind } = request;
  const isConverted = !request.objectKind && asked.kind !== kind;
  try {
    const copy: unknown = JSON.parse(JSON.stringify(asked.object));
    const result = applyJsonPatch(copy, operations);
    if (!isJsonObject(result)) throw internalError('the patch leaves no object');
    if (isConverted) {
      const object = asked.kind.decode(result).object;
      asked.kind.applyDefaults(object);
      return converted(object, asked.kind, kind);
    }
    const object = objectKind.decode ? objectKind.decode(result).object : (result as KubeObject);
    objectKind.applyDefaults?.(object);
    return object;
  } catch (error) {
    if (error instanceof StatusError || error instanceof DecodeError || error instanceof RangeError)
      throw internalError(error.message);
    throw error;
  }
}

/** What a webhook cannot change: the system's fields of an object that is created, and its place. */
function keepIdentity(
  result: KubeObject,
  { metadata }: KubeObject,
  { operation, subresource }: AdmissionRequest,
): void {
  result.metadata ??= {};
  if (operation !== 'CREATE' || subresource !== '') return;
  if (result.metadata.namespace !== metadata?.namespace)
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  const { uid, creationTimestamp, generation } = metadata ?? {};
  Object.assign(result.metadata, { uid, creationTimestamp, generation });
  delete result.metadata.resourceVersion;
  delete result.metadata.deletionTimestamp;
  delete result.metadata.deletionGracePeriodSeconds;
}

/** Others hold the object already: it is changed in place. */
function replaceContents(object: KubeObject, wanted: KubeObject): void {
  for (const key of Object.keys(object)) delete object[key as keyof KubeObject];
  Object.assign(object, wanted);
}

import { deepEqual } from '../../../../api/machinery/deep-equal.ts';
import { DecodeError } from '../../../../api/machinery/schema-decoder.ts';
import type { KubeObject } from '../../../../api/machinery/kind.ts';
import { isJsonObject } from '../../../../api/machinery/own.ts';
import { applyJsonPatch } from '../../../../api/machinery/patch/json.ts';
import { internalError, StatusError } from '../../../../api/machinery/status-error.ts';
import type { MutatingWebhook } from '../../../../api/types/admissionregistration/v1.gen.ts';
import { completed, takeOver, type VersionedRequest } from '../mutated-object.ts';
import { REINVOKE, type AdmissionPlugin, type AdmissionRequest, type Mutation } from '../plugin.ts';
import { Reinvocation } from '../reinvocation.ts';
import { Dispatcher, failed, mutatingHooks, type Hook, type WebhookOptions } from './dispatcher.ts';
import { isExempt } from './matching.ts';
import { ReviewedRequest, type ReviewResponse } from './review.ts';

const MUTATION = 'mutation.webhook.admission.k8s.io/';
const PATCH = 'patch.webhook.admission.k8s.io/';

/**
 * Calls mutating webhooks, one after the other, each with what the one before has made of the object:
 * https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
 */
export function mutatingAdmissionWebhook(options: WebhookOptions): AdmissionPlugin {
  const hooks = mutatingHooks(options.api);
  const dispatcher = new Dispatcher('admit', options);
  const reinvocations = new WeakMap<AdmissionRequest, Reinvocation<Hook<MutatingWebhook>>>();

  async function run(request: AdmissionRequest, again: boolean): Promise<Mutation> {
    const reinvocation = reinvocations.get(request) ?? new Reinvocation<Hook<MutatingWebhook>>();
    reinvocations.set(request, reinvocation);
    if (again && reinvocation.isChanged(request.object)) reinvocation.requireAll();
    let anyChange = false;
    const reviewed = new ReviewedRequest(request);
    for (const [index, hook] of hooks.all.entries()) {
      const invocation = await dispatcher.invocation(hook, reviewed);
      // The second round calls no webhook for the first time.
      if (!invocation || (again && !reinvocation.isDue(hook))) continue;
      const at = `round_${again ? 1 : 0}_index_${index}`;
      const key = `failed-open.${MUTATION}${at}`;
      const changed = await dispatcher.call(invocation, reviewed, key, (response, asked) =>
        mutated(hook, request, response, asked, at),
      );
      if (changed) {
        reviewed.forget();
        anyChange = true;
        reinvocation.requireAll();
      }
      reinvocation.called(hook, hook.webhook.reinvocationPolicy);
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
async function mutated(
  { configuration, webhook }: Hook<MutatingWebhook>,
  request: AdmissionRequest,
  { patch, patchType }: ReviewResponse,
  asked: VersionedRequest,
  at: string,
): Promise<boolean> {
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
  const result = await patched(request, asked, operations);
  takeOver(request, object, result);
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

/** The patched object; what it does not know is dropped. */
async function patched(
  request: AdmissionRequest,
  asked: VersionedRequest,
  operations: readonly unknown[],
): Promise<KubeObject> {
  try {
    const copy: unknown = JSON.parse(JSON.stringify(asked.object));
    const result = applyJsonPatch(copy, operations);
    if (!isJsonObject(result)) throw internalError('the patch leaves no object');
    return (await completed(request, asked, result)).object;
  } catch (error) {
    if (error instanceof StatusError || error instanceof DecodeError || error instanceof RangeError)
      throw internalError(error.message);
    throw error;
  }
}

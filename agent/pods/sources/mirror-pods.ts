/**
 * Mirror pods, the objects of static pods in the API: created by the agent, again after each deletion. They are independent: one
 * that the api-server rejects is retried and logged, and does not block the others.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { MIRROR_ANNOTATION } from '../../../api/domain/mirror-annotation.ts';
import { StatusError } from '../../../api/machinery/status-error.ts';
import type { ApiClient } from '../../../client/api-client.ts';
import { backoffMs } from '../../../client/backoff.ts';
import type { Logger } from '../../../client/logger.ts';
import { logFailure } from '../../../client/outage.ts';
import { pods } from '../../../client/resources.gen.ts';
import { CONFIG_HASH } from '../labels.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

export interface MirrorPodsOptions {
  readonly client: Pick<ApiClient, 'create' | 'delete'>;
  readonly logger: Logger;
  readonly nodeName: string;
  /** Undefined before the node has been registered. */
  readonly nodeUid: () => string | undefined;
}

const RETRY = { initialMs: 500, maxMs: 30_000 };

/** Whether an object of the API claims to be a mirror pod. The agent never runs it, so the claim grants nothing. */
export const isMirror = ({ metadata }: Pod): boolean => metadata?.annotations?.[MIRROR_ANNOTATION] !== undefined;

/** Whether an object of the API is the mirror of this static pod. */
export const isMirrorOf = (mirror: Pod, staticPod: Pod): boolean =>
  keyOf(mirror) === keyOf(staticPod) && mirror.metadata?.annotations?.[MIRROR_ANNOTATION] === staticPod.metadata?.uid;

const keyOf = ({ metadata }: Pod): string => `${metadata?.namespace}/${metadata?.name}`;

const isStatus = (error: unknown, ...codes: number[]): boolean =>
  error instanceof StatusError && codes.includes(error.code);

type Step = { readonly kind: 'create' | 'delete'; readonly pod: Pod };

interface Failures {
  readonly count: number;
  readonly retryAt: number;
  /** What was logged last, to log it once. */
  readonly logged: string | undefined;
}

export class MirrorPods {
  readonly #options: MirrorPodsOptions;
  /** Unknown until the static pods have been read: existing mirrors are kept until then. */
  #wanted: ReadonlyMap<string, Pod> | undefined;
  readonly #present = new Map<string, Pod>();
  readonly #failures = new Map<string, Failures>();
  readonly #busy = new Set<string>();
  #wake: (() => void) | undefined;
  #isDirty = false;

  constructor(options: MirrorPodsOptions) {
    this.#options = options;
  }

  /** Sets the static pods that have mirrors: these and no others. */
  want(wanted: readonly Pod[]): void {
    this.#wanted = new Map(wanted.map((pod) => [keyOf(pod), pod]));
    this.#changed();
  }

  seen(mirror: Pod): void {
    this.#present.set(keyOf(mirror), mirror);
    this.#changed();
  }

  gone(mirror: Pod): void {
    const key = keyOf(mirror);
    if (this.#present.get(key)?.metadata?.uid === mirror.metadata?.uid) this.#present.delete(key);
    this.#changed();
  }

  /** The uid of the static pod of a mirror. */
  staticUid(mirror: Pod): string {
    return mirror.metadata?.annotations?.[MIRROR_ANNOTATION] ?? '';
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#isDirty = false;
      const now = performance.now();
      let retryAt = Infinity;
      for (const key of new Set([...(this.#wanted?.keys() ?? []), ...this.#present.keys()])) {
        if (this.#busy.has(key)) continue;
        const step = this.#stepFor(key);
        const due = this.#failures.get(key)?.retryAt ?? 0;
        if (step === undefined) this.#failures.delete(key);
        else if (due > now) retryAt = Math.min(retryAt, due);
        else void this.#take(key, step, signal);
      }
      await this.#change(retryAt - now, signal);
    }
  }

  /** The next action for a name; undefined when it is as wanted. */
  #stepFor(key: string): Step | undefined {
    const wanted = this.#wanted;
    if (!wanted) return undefined;
    const pod = wanted.get(key);
    const mirror = this.#present.get(key);
    if (mirror) {
      const isRight = pod !== undefined && isMirrorOf(mirror, pod) && mirror.metadata?.deletionTimestamp === undefined;
      return isRight ? undefined : { kind: 'delete', pod: mirror };
    }
    return pod && { kind: 'create', pod };
  }

  async #take(key: string, step: Step, signal: AbortSignal): Promise<void> {
    this.#busy.add(key);
    try {
      if (step.kind === 'create') await this.#create(step.pod, signal);
      else await this.#delete(step.pod, signal);
      this.#failures.delete(key);
    } catch (error) {
      if (!signal.aborted) this.#failed(key, error as Error, step.kind);
    } finally {
      this.#busy.delete(key);
      this.#changed();
    }
  }

  async #create(pod: Pod, signal: AbortSignal): Promise<void> {
    const created = await this.#options.client.create(pods, this.#mirrorOf(pod), { signal });
    // The informer sees it shortly; it must not be created again until then.
    if (!this.#present.has(keyOf(created))) this.#present.set(keyOf(created), created);
  }

  async #delete(mirror: Pod, signal: AbortSignal): Promise<void> {
    const { namespace = '', name = '', uid } = mirror.metadata ?? {};
    try {
      await this.#options.client.delete(pods, namespace, name, { gracePeriodSeconds: 0, uid, signal });
    } catch (error) {
      // Deleted already, or replaced by another one.
      if (!isStatus(error, 404, 409)) throw error;
    }
    this.gone(mirror);
  }

  #failed(key: string, error: Error, kind: Step['kind']): void {
    const before = this.#failures.get(key);
    const count = (before?.count ?? 0) + 1;
    // Right after a deletion the name is taken a moment longer; when it stays so, another object has it.
    const isEarly = isStatus(error, 409) && count === 1;
    if (!isEarly && before?.logged !== error.message) {
      const message = `failed to ${kind} mirror pod, retrying: the static pod is not affected`;
      logFailure(this.#options.logger, error, { pod: key }, message);
    }
    this.#failures.set(key, {
      count,
      retryAt: performance.now() + backoffMs(RETRY, count),
      logged: isEarly ? before?.logged : error.message,
    });
  }

  #mirrorOf({ metadata, spec }: Pod): Pod {
    const { name, namespace, labels, annotations } = metadata ?? {};
    const { nodeName, nodeUid } = this.#options;
    const uid = nodeUid();
    if (uid === undefined) throw new Error('the node is not registered yet');
    return {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name,
        namespace,
        labels,
        annotations: { ...annotations, [MIRROR_ANNOTATION]: annotations?.[CONFIG_HASH] ?? '' },
        // The Node owns its mirrors: they go when it goes, and NodeRestriction insists.
        ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: nodeName, uid, controller: true }],
      },
      spec,
    };
  }

  #changed(): void {
    this.#isDirty = true;
    this.#wake?.();
  }

  /** Resolves at the next change, when the wait is over, or when the agent stops. */
  async #change(waitMs: number, signal: AbortSignal): Promise<void> {
    if (this.#isDirty || signal.aborted) return;
    const changed = Promise.withResolvers<void>();
    this.#wake = changed.resolve;
    const end = new AbortController();
    const ends = AbortSignal.any([signal, end.signal]);
    const over = Number.isFinite(waitMs)
      ? sleep(waitMs, undefined, { signal: ends })
      : new Promise((resolve) => ends.addEventListener('abort', resolve, { once: true }));
    await Promise.race([changed.promise, over]).catch(() => undefined);
    this.#wake = undefined;
    end.abort();
  }
}

/** The extenders of a scheduler, asked one after the other. */
import { isJsonObject, own } from '../../../api/machinery/own.ts';
import type { Node, Pod } from '../../../api/types/core/v1.gen.ts';
import type { Logger } from '../../../client/logger.ts';
import type { Diagnosis } from '../framework/diagnosis.ts';
import type { NodeInfo } from '../framework/node-info.ts';
import { MAX_SCORE } from '../framework/plugin.ts';
import type { PendingPod, PodInfo } from '../framework/pod-info.ts';
import type { PreemptionCandidate } from '../framework/preemption.ts';
import { EXTENDER, unresolvable, unschedulable } from '../framework/rejection.ts';
import { ExtenderError, fieldOf, type HttpExtender } from './http-extender.ts';

/** Upstream's MaxExtenderPriority: scores of extenders are from 0 to it. */
const MAX_EXTENDER_SCORE = 10;
/** Of what an extender says of a node, as much becomes part of the pod's condition. */
const MAX_REASON_CHARS = 256;

/** The objects that extenders are sent whole; the scheduler itself keeps a part of them only. */
export interface WholeObjects {
  /** Rejects when it is gone, or another pod of that name. */
  pod(pod: PodInfo): Promise<Pod>;
  /** Undefined when it is not known. */
  node(name: string): Node | undefined;
}

export class Extenders {
  readonly #extenders: readonly HttpExtender[];
  readonly #objects: WholeObjects;
  readonly #logger: Logger;

  constructor(extenders: readonly HttpExtender[], objects: WholeObjects, logger: Logger) {
    this.#extenders = extenders;
    this.#objects = objects;
    this.#logger = logger;
  }

  /** Whether the decision about the pod has to be asked for. */
  isInterested(pod: PendingPod): boolean {
    return this.#extenders.some(
      (extender) =>
        extender.isInterested(pod) &&
        (extender.config.filterVerb || extender.config.prioritizeVerb || extender.config.preemptVerb),
    );
  }

  /** The nodes that are left; why others are not is added to the diagnosis. Throws ExtenderError. */
  async filter(
    pod: PendingPod,
    feasible: readonly NodeInfo[],
    diagnosis: Diagnosis,
    signal: AbortSignal,
  ): Promise<readonly NodeInfo[]> {
    let left = feasible;
    for (const { extender, verb } of this.#interested(pod, 'filterVerb')) {
      if (left.length === 0) break;
      const nodes = left;
      left = await this.#orIgnored(extender, left, async () => {
        const answer = await extender.call(verb, await this.#nodeArgs(extender, pod, nodes), signal);
        return this.#filtered(extender, answer, nodes, diagnosis);
      });
    }
    return left;
  }

  #filtered(
    { config: { urlPrefix, nodeCacheCapable } }: HttpExtender,
    answer: unknown,
    nodes: readonly NodeInfo[],
    diagnosis: Diagnosis,
  ): readonly NodeInfo[] {
    const error = fieldOf(answer, 'Error');
    if (typeof error === 'string' && error) throw new ExtenderError(error.slice(0, MAX_REASON_CHARS));
    const given = nodeCacheCapable ? fieldOf(answer, 'NodeNames') : undefined;
    const names = namesIn(given ?? itemsOf(fieldOf(answer, 'Nodes')));
    const byName = new Map(nodes.map((node) => [node.facts.name, node]));
    const left = names.map((name) => {
      const node = byName.get(name);
      if (node) return node;
      const shown = JSON.stringify(name.slice(0, MAX_REASON_CHARS));
      throw new ExtenderError(
        `extender "${urlPrefix}" claims a filtered node ${shown} which is not found in the input node list`,
      );
    });
    const kept = new Set(names);
    const [failed, hopeless] = [fieldOf(answer, 'FailedNodes'), fieldOf(answer, 'FailedAndUnresolvableNodes')];
    for (const name of byName.keys()) {
      if (kept.has(name)) continue;
      const [why, whyNever] = [reasonOf(failed, name), reasonOf(hopeless, name)];
      // Upstream preempts nothing on a node of which an extender says nothing.
      const rejection =
        whyNever === undefined && why !== undefined ? unschedulable(...why) : unresolvable(...(whyNever ?? []));
      diagnosis.nodeRejected(name, { plugin: EXTENDER, rejection });
    }
    return left;
  }

  /** What extenders add to the scores of nodes, by their names. One that fails adds nothing, as upstream. */
  async prioritize(pod: PendingPod, nodes: readonly NodeInfo[], signal: AbortSignal): Promise<Map<string, number>> {
    const scores = new Map<string, number>();
    const asked = this.#interested(pod, 'prioritizeVerb').map(async ({ extender, verb }) => {
      try {
        const answer = await extender.call(verb, await this.#nodeArgs(extender, pod, nodes), signal);
        const weight = (extender.config.weight ?? 1) * (MAX_SCORE / MAX_EXTENDER_SCORE);
        for (const { host, score } of scoresIn(answer)) scores.set(host, (scores.get(host) ?? 0) + score * weight);
      } catch (error) {
        if (signal.aborted) throw error;
        this.#skipped(extender, error);
      }
    });
    await Promise.all(asked);
    return scores;
  }

  /** The candidates that are left, maybe with other victims. Throws ExtenderError. */
  async preempt(
    pod: PendingPod,
    candidates: readonly PreemptionCandidate[],
    podsOf: (nodeName: string) => Iterable<PodInfo>,
    signal: AbortSignal,
  ): Promise<readonly PreemptionCandidate[]> {
    let left = candidates;
    for (const { extender, verb } of this.#interested(pod, 'preemptVerb')) {
      if (left.length === 0) break;
      const offered = left;
      left = await this.#orIgnored(extender, left, async () => {
        const answer = await extender.call(verb, await this.#victimArgs(extender, pod, offered), signal);
        return candidatesIn(extender, answer, podsOf);
      });
    }
    return left;
  }

  /** Returns false when no extender binds the pod. Throws ExtenderError. */
  async bind(pod: PendingPod, node: string, signal: AbortSignal): Promise<boolean> {
    const args = { PodName: pod.name, PodNamespace: pod.namespace, PodUID: pod.uid, Node: node };
    for (const { extender, verb } of this.#interested(pod, 'bindVerb')) {
      const isBound = await this.#orIgnored(extender, false, async () => {
        const error = fieldOf(await extender.call(verb, args, signal), 'Error');
        if (typeof error === 'string' && error) throw new ExtenderError(error.slice(0, MAX_REASON_CHARS));
        return true;
      });
      if (isBound) return true;
    }
    return false;
  }

  #interested(
    pod: PendingPod,
    which: 'filterVerb' | 'prioritizeVerb' | 'preemptVerb' | 'bindVerb',
  ): { extender: HttpExtender; verb: string }[] {
    return this.#extenders.flatMap((extender) => {
      const verb = extender.config[which];
      return verb && extender.isInterested(pod) ? [{ extender, verb }] : [];
    });
  }

  async #orIgnored<T>(extender: HttpExtender, without: T, ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (error) {
      if (!extender.config.ignorable || !(error instanceof ExtenderError)) throw error;
      this.#skipped(extender, error);
      return without;
    }
  }

  #skipped({ config: { urlPrefix } }: HttpExtender, error: unknown): void {
    this.#logger.warn({ extender: urlPrefix, err: error }, 'extender failed, going on without it');
  }

  async #nodeArgs({ config }: HttpExtender, pod: PendingPod, nodes: readonly NodeInfo[]): Promise<object> {
    const Pod = await this.#objects.pod(pod);
    const names = nodes.map(({ facts }) => facts.name);
    if (config.nodeCacheCapable) return { Pod, Nodes: null, NodeNames: names };
    return {
      Pod,
      Nodes: { metadata: {}, items: names.flatMap((name) => this.#objects.node(name) ?? []) },
      NodeNames: null,
    };
  }

  async #victimArgs(
    { config }: HttpExtender,
    pod: PendingPod,
    candidates: readonly PreemptionCandidate[],
  ): Promise<object> {
    const Pod = await this.#objects.pod(pod);
    const victims = await Promise.all(
      candidates.map(async ({ nodeName, victims, violations }) => {
        const Pods = config.nodeCacheCapable
          ? victims.map(({ uid }) => ({ UID: uid }))
          : await Promise.all(victims.map((victim) => this.#objects.pod(victim)));
        return [nodeName, { Pods, NumPDBViolations: violations }] as const;
      }),
    );
    const byNode = Object.fromEntries(victims);
    return config.nodeCacheCapable
      ? { Pod, NodeNameToVictims: null, NodeNameToMetaVictims: byNode }
      : { Pod, NodeNameToVictims: byNode, NodeNameToMetaVictims: null };
  }
}

function itemsOf(list: unknown): unknown[] {
  const items = fieldOf(list, 'items');
  return Array.isArray(items) ? items.map((item) => fieldOf(fieldOf(item, 'metadata'), 'name')) : [];
}

function namesIn(given: unknown): string[] {
  if (!Array.isArray(given) || !given.every((name) => typeof name === 'string'))
    throw new ExtenderError('the names of the nodes are not a list of strings');
  return given;
}

/** Undefined when the node is not among them. */
function reasonOf(failed: unknown, name: string): string[] | undefined {
  if (!isJsonObject(failed) || !Object.hasOwn(failed, name)) return undefined;
  const reason = own(failed, name);
  return typeof reason === 'string' && reason ? [reason.slice(0, MAX_REASON_CHARS)] : [];
}

function scoresIn(answer: unknown): { host: string; score: number }[] {
  if (!Array.isArray(answer)) throw new ExtenderError('the scores are not a list');
  return answer.map((each: unknown) => {
    const [host, score] = [fieldOf(each, 'Host'), fieldOf(each, 'Score')];
    if (typeof host !== 'string' || typeof score !== 'number' || !Number.isSafeInteger(score))
      throw new ExtenderError('a score is not a host with a whole number');
    return { host, score };
  });
}

function candidatesIn(
  { config: { urlPrefix, ignorable } }: HttpExtender,
  answer: unknown,
  podsOf: (nodeName: string) => Iterable<PodInfo>,
): PreemptionCandidate[] {
  const byNode = fieldOf(answer, 'NodeNameToMetaVictims') ?? {};
  if (!isJsonObject(byNode)) throw new ExtenderError('the victims are not listed by node');
  return Object.entries(byNode).flatMap(([nodeName, victims]) => {
    const named = fieldOf(victims, 'Pods');
    const uids = Array.isArray(named) ? named.map((pod) => fieldOf(pod, 'UID')) : [];
    if (uids.length === 0) {
      if (ignorable) return [];
      throw new ExtenderError(`expected at least one victim pod on node ${JSON.stringify(nodeName)}`);
    }
    const known = new Map(Iterator.from(podsOf(nodeName)).map((pod) => [pod.uid, pod]));
    const pods = uids.map((uid) => {
      const pod = typeof uid === 'string' ? known.get(uid) : undefined;
      if (pod) return pod;
      throw new ExtenderError(
        `extender: ${urlPrefix} claims to preempt pod (UID: ${JSON.stringify(uid)}) on node: ${nodeName}, but the pod is not found on that node`,
      );
    });
    const violations = fieldOf(victims, 'NumPDBViolations');
    return [{ nodeName, victims: pods, violations: typeof violations === 'number' ? violations : 0 }];
  });
}

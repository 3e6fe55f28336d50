/** One attempt to schedule one pod: runs the plugins' points in order and holds what each plugin computed on the way. */
import { DeadlineError, withDeadline } from '../../../client/deadline.ts';
import type { Cluster } from './cluster.ts';
import { Diagnosis } from './diagnosis.ts';
import type { NodeInfo } from './node-info.ts';
import type { NodeSampling } from './node-sampling.ts';
import { MAX_SCORE, type PermitWait, type Plugin, type PostFilterResult, type WhatIf } from './plugin.ts';
import type { PendingPod, PodInfo } from './pod-info.ts';
import { unschedulable, type PluginRejection, type Rejection } from './rejection.ts';

/** Upstream's maxTimeout of permit. */
const MAX_PERMIT_WAIT_MS = 15 * 60_000;
/** For one plugin: above upstream's bindTimeoutSeconds of volume binding (600), the slowest there is, which says itself that it is over. */
const PRE_BIND_LIMIT_MS = 11 * 60_000;

/** A plugin that takes part in the cycle, and what its pre-filter returned. */
interface Participant {
  readonly plugin: Plugin;
  readonly state: unknown;
}

interface PluginWait extends PermitWait {
  readonly plugin: string;
}

function firstRejection(
  participants: readonly Participant[],
  pod: PendingPod,
  node: NodeInfo,
): PluginRejection | undefined {
  for (const { plugin, state } of participants) {
    const rejection = plugin.filter?.(pod, node, state);
    if (rejection) return { plugin: plugin.name, rejection };
  }
  return undefined;
}

/** A copy of a node, and of the states of the plugins that depend on which pods run there. */
function copied(node: NodeInfo, participants: readonly Participant[]): { copy: NodeInfo; states: Participant[] } {
  const states = participants.map(({ plugin, state }) => ({
    plugin,
    state: plugin.preFilterExtensions ? plugin.preFilterExtensions.clone(state) : state,
  }));
  return { copy: node.clone(), states };
}

function addTo(node: NodeInfo, participants: readonly Participant[], pod: PodInfo): void {
  node.add(pod);
  for (const { plugin, state } of participants) plugin.preFilterExtensions?.addPod(state, pod, node);
}

export class Cycle {
  readonly pod: PendingPod;
  /** Filled by `feasibleNodes`. */
  readonly diagnosis: Diagnosis;
  readonly #plugins: readonly Plugin[];
  readonly #cluster: Cluster;
  #participants: readonly Participant[] = [];
  #preFilterRejection: Rejection | undefined;

  constructor(plugins: readonly Plugin[], pod: PendingPod, cluster: Cluster) {
    this.pod = pod;
    this.diagnosis = new Diagnosis(cluster.nodes.length);
    this.#plugins = plugins;
    this.#cluster = cluster;
  }

  /** Pre-filter and filter: nodes that can take the pod. To be called once, before the points that take a state. */
  feasibleNodes(sampling: NodeSampling): NodeInfo[] {
    const candidates = this.#preFilter();
    const filters = this.#participants.filter(({ plugin }) => plugin.filter !== undefined);
    const nominated = this.#cluster.nominated.nodeOf(this.pod.uid);
    const kept = nominated !== undefined && candidates.find(({ facts }) => facts.name === nominated);
    // The node that was cleared for the pod is as good as chosen.
    if (kept && !this.#rejection(kept, filters)) return [kept];
    return sampling.findFeasible(candidates, (node) => {
      const rejected = this.#rejection(node, filters);
      if (rejected) this.diagnosis.nodeRejected(node.facts.name, rejected);
      return !rejected;
    });
  }

  /** Pods that the node is kept for may or may not come to run there: the pod has to fit with them and without. */
  #rejection(node: NodeInfo, participants: readonly Participant[]): PluginRejection | undefined {
    const ahead = this.#cluster.nominated.ahead(this.pod, node.facts.name);
    if (ahead.length > 0) {
      const { copy, states } = copied(node, participants);
      for (const pod of ahead) addTo(copy, states, pod);
      const rejected = firstRejection(states, this.pod, copy);
      if (rejected) return rejected;
    }
    return firstRejection(participants, this.pod, node);
  }

  #preFilter(): readonly NodeInfo[] {
    const participants: Participant[] = [];
    const narrowing: string[] = [];
    let names: ReadonlySet<string> | undefined;
    for (const plugin of this.#plugins) {
      const result = plugin.preFilter ? plugin.preFilter(this.pod, this.#cluster) : { state: undefined };
      if (result === 'skip') continue;
      if ('rejection' in result) {
        this.#preFilterRejection = result.rejection;
        this.diagnosis.preFilterRejected({ plugin: plugin.name, rejection: result.rejection });
        return [];
      }
      participants.push({ plugin, state: result.state });
      if (!result.nodeNames) continue;
      narrowing.push(plugin.name);
      names = names?.intersection(result.nodeNames) ?? result.nodeNames;
    }
    this.#participants = participants;
    const { nodes } = this.#cluster;
    if (!names) return nodes;
    this.diagnosis.narrowed(narrowing);
    return nodes.filter(({ facts }) => names.has(facts.name));
  }

  /** Asks the plugins what can be done for a pod that no node can take. */
  postFilter(): PostFilterResult {
    const messages: string[] = [];
    let nominatedNodeName: string | undefined;
    for (const plugin of this.#plugins) {
      const result = plugin.postFilter?.(this.pod, this.#cluster, this.diagnosis, (node) => this.#whatIf(node));
      if (result?.message) messages.push(result.message);
      if (result?.nominatedNodeName) return { ...result, message: messages.join(' ') };
      nominatedNodeName ??= result?.nominatedNodeName;
    }
    return { message: messages.join(' '), nominatedNodeName };
  }

  #whatIf(original: NodeInfo): WhatIf {
    const { copy: node, states } = copied(original, this.#participants);
    return {
      node,
      addPod: (pod: PodInfo) => addTo(node, states, pod),
      removePod: (pod: PodInfo) => {
        node.remove(pod.uid);
        for (const { plugin, state } of states) plugin.preFilterExtensions?.removePod(state, pod, node);
      },
      filter: () => this.#preFilterRejection ?? this.#rejection(node, states)?.rejection,
    };
  }

  /**
   * Pre-score, score and normalize: the weighted sum of each node's scores, in the order of the nodes. Throws when a plugin's
   * score is out of range.
   */
  score(feasible: readonly NodeInfo[]): number[] {
    const totals = new Array<number>(feasible.length).fill(0);
    for (const plugin of this.#plugins) {
      if (!plugin.score) continue;
      const result = plugin.preScore ? plugin.preScore(this.pod, feasible, this.#cluster) : { state: undefined };
      if (result === 'skip') continue;
      let scores: number[] = [];
      for (const node of feasible) scores.push(plugin.score(this.pod, node, result.state));
      if (plugin.normalize) scores = plugin.normalize(scores);
      for (const [index, score] of scores.entries()) {
        if (!(score >= 0 && score <= MAX_SCORE))
          throw new Error(`plugin ${plugin.name} returned the score ${score}: not within 0 and ${MAX_SCORE}`);
        totals[index] = (totals[index] ?? 0) + score * (plugin.weight ?? 1);
      }
    }
    return totals;
  }

  /** A rejection is to be followed by `unreserve`, and so is an exception. */
  reserve(nodeName: string): PluginRejection | undefined {
    for (const { plugin, state } of this.#participants) {
      const rejection = plugin.reserve?.(this.pod, nodeName, state);
      if (rejection) return { plugin: plugin.name, rejection };
    }
    return undefined;
  }

  /** In the reverse order of `reserve`; throws the plugins' errors once all were called. */
  unreserve(nodeName: string): void {
    const errors: unknown[] = [];
    for (const { plugin, state } of this.#participants.toReversed()) {
      try {
        plugin.unreserve?.(this.pod, nodeName, state);
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw new AggregateError(errors, 'plugins failed to unreserve');
  }

  /** Returns a promise when the pod has to wait: of its rejection, or of undefined once every plugin lets it go on. */
  permit(nodeName: string, signal: AbortSignal): PluginRejection | Promise<PluginRejection | undefined> | undefined {
    const waits: PluginWait[] = [];
    for (const { plugin, state } of this.#participants) {
      const result = plugin.permit?.(this.pod, nodeName, state);
      if (!result) continue;
      if ('reasons' in result) return { plugin: plugin.name, rejection: result };
      // Nobody waits for it when a later plugin decides at once; it may reject all the same.
      result.decided.catch(() => undefined);
      waits.push({ ...result, plugin: plugin.name });
    }
    return waits.length > 0 ? waitOnPermit(waits, signal) : undefined;
  }

  /** Rejects with the first plugin's error, and when the signal is aborted. */
  async preBind(nodeName: string, signal: AbortSignal): Promise<void> {
    for (const { plugin, state } of this.#participants) {
      if (!plugin.preBind) continue;
      await withDeadline({ what: `pre-bind of ${plugin.name}`, limitMs: PRE_BIND_LIMIT_MS, signal }, async (inner) =>
        plugin.preBind?.(this.pod, nodeName, state, inner),
      );
    }
  }
}

/** The first rejection, or undefined once every wait has ended well. Rejects when a plugin's wait does, or by the signal. */
function waitOnPermit(waits: readonly PluginWait[], signal: AbortSignal): Promise<PluginRejection | undefined> {
  const settled = new AbortController();
  const either = AbortSignal.any([signal, settled.signal]);
  return new Promise<PluginRejection | undefined>((resolve, reject) => {
    let left = waits.length;
    for (const wait of waits)
      outcome(wait, either).then((rejection) => {
        if (rejection) resolve({ plugin: wait.plugin, rejection });
        else if (--left === 0) resolve(undefined);
      }, reject);
  }).finally(() => settled.abort());
}

async function outcome(
  { plugin, timeoutMs, decided }: PluginWait,
  signal: AbortSignal,
): Promise<Rejection | undefined> {
  const limitMs = Math.min(timeoutMs, MAX_PERMIT_WAIT_MS);
  try {
    return await withDeadline({ what: `permit of ${plugin}`, limitMs, signal }, () => decided);
  } catch (error) {
    if (!(error instanceof DeadlineError)) throw error;
    return unschedulable(`rejected due to timeout after waiting ${limitMs / 1000}s at plugin ${plugin}`);
  }
}

/** One attempt to schedule one pod: runs the plugins' points in order and holds what each plugin computed on the way. */
import { DeadlineError, withDeadline } from '../../../client/deadline.ts';
import type { Cluster } from './cluster.ts';
import { Diagnosis } from './diagnosis.ts';
import type { NodeInfo } from './node-info.ts';
import type { NodeSampling } from './node-sampling.ts';
import { MAX_SCORE, type PermitWait, type Plugin, type PostFilterResult, type WhatIf } from './plugin.ts';
import type { PendingPod, PodInfo } from './pod-info.ts';
import type { Profile } from './profile.ts';
import { unschedulable, type PluginRejection, type Rejection } from './rejection.ts';

/** Upstream's maxTimeout of permit. */
const MAX_PERMIT_WAIT_MS = 15 * 60_000;
/** For one plugin that has no limit of its own. */
const PRE_BIND_LIMIT_MS = 11 * 60_000;

/** A plugin at one of its points, and what its pre-filter returned. */
interface Participant {
  readonly plugin: Plugin;
  readonly state: unknown;
}

/** How long a point took from `start` (`performance.now()`), in upstream's name of it, and whether it let the pod go on. */
export type ObservePoint = (point: string, start: number, succeeded: boolean) => void;

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
  /** Filled by the filters. */
  readonly diagnosis: Diagnosis;
  readonly #profile: Profile;
  readonly #cluster: Cluster;
  readonly #sampling: NodeSampling;
  readonly #observe: ObservePoint;
  readonly #skipped = new Set<Plugin>();
  readonly #states = new Map<Plugin, unknown>();
  #filters: readonly Participant[] = [];
  #candidates: readonly NodeInfo[] = [];
  #preFilterRejection: Rejection | undefined;

  /** @param sampling which nodes are looked at @param observe is told how long the points take */
  constructor(
    profile: Profile,
    pod: PendingPod,
    cluster: Cluster,
    sampling: NodeSampling,
    observe: ObservePoint = () => undefined,
  ) {
    this.pod = pod;
    this.diagnosis = new Diagnosis(cluster.nodes.length);
    this.#profile = profile;
    this.#cluster = cluster;
    this.#sampling = sampling;
    this.#observe = observe;
  }

  /** Comes first. Returns false when a plugin has rejected the pod for all nodes. */
  preFilter(): boolean {
    const start = performance.now();
    const narrowing: string[] = [];
    let names: ReadonlySet<string> | undefined;
    for (const plugin of this.#profile.preFilter) {
      const result = plugin.preFilter?.(this.pod, this.#cluster);
      if (result === undefined) continue;
      if (result === 'skip') {
        this.#skipped.add(plugin);
        continue;
      }
      if ('rejection' in result) {
        this.#preFilterRejection = result.rejection;
        this.diagnosis.preFilterRejected({ plugin: plugin.name, rejection: result.rejection });
        this.#observe('PreFilter', start, false);
        return false;
      }
      this.#states.set(plugin, result.state);
      if (!result.nodeNames) continue;
      narrowing.push(plugin.name);
      names = names?.intersection(result.nodeNames) ?? result.nodeNames;
    }
    this.#filters = this.#participants(this.#profile.filter);
    const { nodes } = this.#cluster;
    if (names) this.diagnosis.narrowed(narrowing);
    this.#candidates = names ? nodes.filter(({ facts }) => names.has(facts.name)) : nodes;
    this.#observe('PreFilter', start, true);
    return true;
  }

  /** The node that was cleared for the pod, when it can take the pod: it is as good as chosen. */
  nominatedNode(): NodeInfo | undefined {
    const nominated = this.#cluster.nominated.nodeOf(this.pod.uid);
    if (nominated === undefined) return undefined;
    const kept = this.#candidates.find(({ facts }) => facts.name === nominated);
    return kept && !this.#rejection(kept, this.#filters) ? kept : undefined;
  }

  /** Nodes that can take the pod. */
  feasibleNodes(): NodeInfo[] {
    const start = performance.now();
    const feasible = this.#sampling.findFeasible(
      this.#candidates,
      (node) => {
        const rejected = this.#rejection(node, this.#filters);
        if (rejected) this.diagnosis.nodeRejected(node.facts.name, rejected);
        return !rejected;
      },
      this.#profile.percentageOfNodesToScore,
    );
    this.#observe('Filter', start, feasible.length > 0);
    return feasible;
  }

  /** Those whose points that take the state are to be called. */
  #participants(plugins: readonly Plugin[]): Participant[] {
    const participants: Participant[] = [];
    for (const plugin of plugins)
      if (!this.#skipped.has(plugin)) participants.push({ plugin, state: this.#states.get(plugin) });
    return participants;
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

  /** Asks the plugins what can be done for a pod that no node can take. */
  postFilter(): PostFilterResult {
    const messages: string[] = [];
    let nominatedNodeName: string | undefined;
    for (const plugin of this.#profile.postFilter) {
      const result = plugin.postFilter?.(this.pod, this.#cluster, this.diagnosis, (node) => this.#whatIf(node));
      if (result?.message) messages.push(result.message);
      if (result?.nominatedNodeName) return { ...result, message: messages.join(' ') };
      nominatedNodeName ??= result?.nominatedNodeName;
    }
    return { message: messages.join(' '), nominatedNodeName };
  }

  #whatIf(original: NodeInfo): WhatIf {
    const { copy: node, states } = copied(original, this.#filters);
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
    const start = performance.now();
    for (const { plugin, weight } of this.#profile.score) {
      if (!plugin.score) continue;
      const result = plugin.preScore
        ? plugin.preScore(this.pod, feasible, this.#cluster, this.#states.get(plugin))
        : { state: undefined };
      if (result === 'skip') continue;
      let scores: number[] = [];
      for (const node of feasible) scores.push(plugin.score(this.pod, node, result.state));
      if (plugin.normalize) scores = plugin.normalize(scores);
      for (const [index, score] of scores.entries()) {
        if (!(score >= 0 && score <= MAX_SCORE))
          throw new Error(`plugin ${plugin.name} returned the score ${score}: not within 0 and ${MAX_SCORE}`);
        totals[index] = (totals[index] ?? 0) + score * weight;
      }
    }
    this.#observe('Score', start, true);
    return totals;
  }

  /** A rejection is to be followed by `unreserve`, and so is an exception. */
  reserve(nodeName: string): PluginRejection | undefined {
    for (const { plugin, state } of this.#participants(this.#profile.reserve)) {
      const rejection = plugin.reserve?.(this.pod, nodeName, state);
      if (rejection) return { plugin: plugin.name, rejection };
    }
    return undefined;
  }

  /** In the reverse order of `reserve`; throws the plugins' errors once all were called. */
  unreserve(nodeName: string): void {
    const errors: unknown[] = [];
    for (const { plugin, state } of this.#participants(this.#profile.reserve).toReversed()) {
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
    for (const { plugin, state } of this.#participants(this.#profile.permit)) {
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
    for (const { plugin, state } of this.#participants(this.#profile.preBind)) {
      if (!plugin.preBind) continue;
      const limitMs = plugin.preBindLimitMs ?? PRE_BIND_LIMIT_MS;
      await withDeadline({ what: `pre-bind of ${plugin.name}`, limitMs, signal }, async (inner) =>
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

/**
 * The contract of a scheduling plugin: the extension points of upstream's scheduling framework
 * (https://kubernetes.io/docs/concepts/scheduling-eviction/scheduling-framework/). A plugin is a value in a file of its own, in
 * `plugins/`, with the points that it needs; adding one is adding it to `plugins/index.ts`.
 *
 * Points up to permit run synchronously, one pod at a time, against the live nodes; pre-bind runs while other pods are
 * scheduled. A point that throws ends the attempt: the pod is tried again after its back-off.
 */
import type { Cluster } from './cluster.ts';
import type { QueueingHints } from './cluster-event.ts';
import type { Diagnosis } from './diagnosis.ts';
import type { NodeInfo } from './node-info.ts';
import type { PendingPod, PodInfo } from './pod-info.ts';
import type { PreemptionCandidate } from './preemption.ts';
import type { Rejection } from './rejection.ts';

/** The highest score, upstream's MaxNodeScore; the lowest is 0. */
export const MAX_SCORE = 100;

/**
 * `skip`: the plugin has nothing to filter for this pod, and none of its points that take the state is called.
 * `nodeNames`: no other node can take the pod, so that only these are filtered.
 */
export type PreFilterResult<F> =
  'skip' | { readonly rejection: Rejection } | { readonly state: F; readonly nodeNames?: ReadonlySet<string> };

/** `skip`: the plugin would score all nodes alike. */
export type PreScoreResult<S> = 'skip' | { readonly state: S };

/** For a state that depends on which pods run where. A state without these is shared by all what-ifs. */
export interface PreFilterExtensions<F> {
  clone(state: F): F;
  /** Another pod was added to the node. */
  addPod(state: F, added: PodInfo, node: NodeInfo): void;
  /** Another pod was removed from the node. */
  removePod(state: F, removed: PodInfo, node: NodeInfo): void;
}

/** A copy of one node, with which post-filter tries whether the pod would fit if other pods were not there. */
export interface WhatIf {
  /** The copy. Change its pods with `addPod` and `removePod` only, which tell the plugins' states, too. */
  readonly node: NodeInfo;
  addPod(pod: PodInfo): void;
  removePod(pod: PodInfo): void;
  /** Why the pod does not fit as things are on the copy; undefined when it fits. */
  filter(): Rejection | undefined;
}

export interface PostFilterResult {
  /** The node on which the pod will fit once the victims are gone: `status.nominatedNodeName`. '' when there is none any more. */
  readonly nominatedNodeName?: string;
  /** Pods to be removed from that node. */
  readonly victims?: readonly PodInfo[];
  /** The nodes that it was chosen of, so that extenders may narrow the choice. */
  readonly candidates?: readonly PreemptionCandidate[];
  /** Appended to the message of the FailedScheduling event. */
  readonly message?: string;
}

/** The pod keeps its reservation and waits for `decided`, for `timeoutMs` at most; then it is rejected. */
export interface PermitWait {
  readonly timeoutMs: number;
  /** Resolves to undefined to let the pod be bound. */
  readonly decided: Promise<Rejection | undefined>;
}

/** F is what pre-filter computes for the points up to pre-bind, S what pre-score computes for score. */
interface ExtensionPoints<F, S> {
  readonly name: string;
  /** Which events can make a pod schedulable that this plugin has rejected. */
  readonly queueingHints?: QueueingHints;
  /** How much the score counts, unless the profile says otherwise; 1 when absent. */
  readonly weight?: number;
  /** Keeps a pod out of the active queue until an event or an update of the pod. Reads nothing but the pod. */
  preEnqueue?(pod: PendingPod): Rejection | undefined;
  preFilter?(pod: PendingPod, cluster: Cluster): PreFilterResult<F>;
  readonly preFilterExtensions?: PreFilterExtensions<F>;
  /** Why the node cannot take the pod, or undefined. */
  filter?(pod: PendingPod, node: NodeInfo, state: F): Rejection | undefined;
  /** Called when no node can take the pod. The first plugin that nominates a node is the last to be called. */
  postFilter?(
    pod: PendingPod,
    cluster: Cluster,
    diagnosis: Diagnosis,
    whatIf: (node: NodeInfo) => WhatIf,
  ): PostFilterResult | undefined;
  /** `feasible` are the nodes to be scored. `filtered` is the state that filter was called with, undefined when it was not. */
  preScore?(
    pod: PendingPod,
    feasible: readonly NodeInfo[],
    cluster: Cluster,
    filtered: F | undefined,
  ): PreScoreResult<S>;
  /** 0 to MAX_SCORE; any number when there is `normalize`. */
  score?(pod: PendingPod, node: NodeInfo, state: S): number;
  /** Brings the scores of one pod, one for each feasible node, into 0 to MAX_SCORE. */
  normalize?(scores: readonly number[]): number[];
  /** Called once the pod is assumed on the node. */
  reserve?(pod: PendingPod, nodeName: string, state: F): Rejection | undefined;
  /** Undoes `reserve`. Called for every later failure, also when this plugin's reserve was not reached. */
  unreserve?(pod: PendingPod, nodeName: string, state: F): void;
  permit?(pod: PendingPod, nodeName: string, state: F): Rejection | PermitWait | undefined;
  /** After this pre-bind has failed; 11 minutes when absent. */
  readonly preBindLimitMs?: number;
  /** What has to be done before the pod is bound. The signal is aborted when the pod is deleted or the scheduler stops. */
  preBind?(pod: PendingPod, nodeName: string, state: F, signal: AbortSignal): Promise<void>;
}

type Requires<State, Points, Point extends keyof Points> = undefined extends State
  ? unknown
  : Required<Pick<Points, Point>>;

/**
 * What a plugin is declared as: `PluginOf<PortState>`. A point that takes a state does not compile without the point that
 * makes it.
 */
export type PluginOf<F = undefined, S = undefined> = ExtensionPoints<F, S> &
  Requires<F, ExtensionPoints<F, S>, 'preFilter'> &
  Requires<S, ExtensionPoints<F, S>, 'preScore'>;

/**
 * A plugin whatever its states are. Only `Cycle` may call its points: it hands a plugin what that plugin has returned in the
 * same cycle and nothing else.
 */
export type Plugin = ExtensionPoints<unknown, unknown>;
/** Scales scores so that the highest becomes MAX_SCORE: upstream's DefaultNormalizeScore. `reverse` when less is better. */
export function scaleToMax(scores: readonly number[], reverse = false): number[] {
  let highest = 0;
  for (const score of scores) highest = Math.max(highest, score);
  if (highest === 0) return scores.map(() => (reverse ? MAX_SCORE : 0));
  return scores.map((score) => {
    const scaled = Math.floor((score * MAX_SCORE) / highest);
    return reverse ? MAX_SCORE - scaled : scaled;
  });
}

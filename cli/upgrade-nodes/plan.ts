/** What a rolling upgrade does next, from what the cluster says of its nodes. Pure: whoever is killed at it begins here again. */
import {
  isProgramOf,
  NODE_PROGRAM,
  readUpgradeRequest,
  readUpgradeState,
  UPGRADE_CORDONED,
  UPGRADE_REQUEST,
  UPGRADE_STATE,
} from '../../api/domain/node-upgrade.ts';
import { own } from '../../api/machinery/own.ts';
import type { Node } from '../../api/types/core/v1.gen.ts';

export interface RolloutOptions {
  /** Of the package, hexadecimal. */
  readonly sha256: string;
  readonly maxUnavailable: number;
  /** The names of nodes that are servers: they come first, as by the policy of version skew. */
  readonly servers: ReadonlySet<string>;
  /** How long a node may take from its request on. */
  readonly limitMs: number;
  /** Failures from before are tried again. Milliseconds since the epoch. */
  readonly startedAtMs: number;
}

/** How far a node is. */
export type Standing =
  /** It runs the version, and nothing is left to do. */
  | { readonly kind: 'current' }
  /** It runs the version, and is to be uncordoned. */
  | { readonly kind: 'finished' }
  | { readonly kind: 'upgrading' }
  /** Cordoned, and not asked yet. */
  | { readonly kind: 'leaving' }
  | { readonly kind: 'waiting' }
  /** Not Ready, and so it would not hear of it. */
  | { readonly kind: 'silent' }
  | { readonly kind: 'failed'; readonly reason: string };

export const nameOf = ({ metadata }: Node): string => metadata?.name ?? '';
export const isReady = ({ status }: Node): boolean =>
  status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') ?? false;
export const isCordonedHere = ({ metadata }: Node): boolean =>
  own(metadata?.annotations, UPGRADE_CORDONED) !== undefined;

export function standingOf(node: Node, options: RolloutOptions, nowMs: number): Standing {
  const annotations = node.metadata?.annotations;
  const request = readUpgradeRequest(own(annotations, UPGRADE_REQUEST));
  const state = readUpgradeState(own(annotations, UPGRADE_STATE));
  const runsIt = isProgramOf(own(annotations, NODE_PROGRAM), options.sha256);
  const isMarked = isCordonedHere(node);
  const isPending = request !== undefined && request.sha256 === options.sha256;
  const told = isPending && state?.attempt === request.attempt ? state : undefined;
  if (runsIt && isReady(node) && (!isPending || told?.phase === 'done'))
    return { kind: isMarked || request !== undefined ? 'finished' : 'current' };
  if (isPending) {
    const failure = told?.phase === 'failed' ? (told.reason ?? 'it does not say why') : undefined;
    const isLate = nowMs - request.atMs > options.limitMs;
    const isOver = failure !== undefined || isLate;
    if (isOver && request.atMs >= options.startedAtMs)
      return { kind: 'failed', reason: failure ?? lateReason(node, options.limitMs, told?.phase) };
    if (!isOver) return { kind: 'upgrading' };
  }
  if (!isReady(node)) return { kind: 'silent' };
  return { kind: isMarked ? 'leaving' : 'waiting' };
}

function lateReason(node: Node, limitMs: number, phase: string | undefined): string {
  const how = phase === undefined ? 'has not heard of it' : `is still ${phase}`;
  return `it ${how} after ${Math.round(limitMs / 1000)} s${isReady(node) ? '' : ', and is not Ready'}`;
}

export interface Rollout {
  readonly finish: readonly Node[];
  /** To be drained where that is wanted, and asked then. */
  readonly ask: readonly Node[];
  /** To be cordoned. */
  readonly begin: readonly Node[];
  readonly failed: readonly { readonly node: Node; readonly reason: string }[];
  readonly upgrading: readonly Node[];
  readonly silent: readonly Node[];
  /** All that still run another version. */
  readonly left: number;
}

/** @param refused nodes that could not be drained, with the reason */
export function planRollout(
  nodes: readonly Node[],
  options: RolloutOptions,
  refused: ReadonlyMap<string, string>,
  nowMs: number,
): Rollout {
  const ordered = nodes.toSorted(
    (a, b) =>
      Number(options.servers.has(nameOf(b))) - Number(options.servers.has(nameOf(a))) ||
      (nameOf(a) < nameOf(b) ? -1 : 1),
  );
  const standings = ordered.map((node) => {
    const reason = refused.get(nameOf(node));
    const standing: Standing = reason === undefined ? standingOf(node, options, nowMs) : { kind: 'failed', reason };
    return { node, standing };
  });
  const of = (kind: Standing['kind']): Node[] =>
    standings.filter(({ standing }) => standing.kind === kind).map(({ node }) => node);
  const failed = standings.flatMap(({ node, standing }) =>
    standing.kind === 'failed' ? [{ node, reason: standing.reason }] : [],
  );
  const [upgrading, leaving, silent, waiting] = [of('upgrading'), of('leaving'), of('silent'), of('waiting')];
  const busy = new Set([...upgrading, ...leaving]);
  // Nodes that are down for other reasons count: what is left has to carry the pods.
  const unavailable = nodes.filter((node) => busy.has(node) || !isReady(node)).length;
  const room = failed.length > 0 ? 0 : Math.max(0, options.maxUnavailable - unavailable);
  // Servers first: no agent is newer than an api-server that it may use.
  const serversBusy = [...busy, ...silent, ...failed.map(({ node }) => node)].some((node) =>
    options.servers.has(nameOf(node)),
  );
  const begin = waiting.slice(0, room).filter((node, index, chosen) => {
    const first = chosen[0];
    const isServer = options.servers.has(nameOf(node));
    return isServer || (!serversBusy && first !== undefined && !options.servers.has(nameOf(first)));
  });
  return {
    finish: of('finished'),
    ask: failed.length > 0 ? [] : leaving,
    ...{ begin, failed, upgrading, silent },
    left: failed.length + upgrading.length + leaving.length + silent.length + waiting.length,
  };
}

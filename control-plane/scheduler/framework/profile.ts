/**
 * A profile: which plugins run at which extension point for the pods of one schedulerName. All profiles share the queue and the cache.
 * https://kubernetes.io/docs/reference/scheduling/config/#multiple-profiles
 */
import type { Plugin } from './plugin.ts';

/** Upstream's names, in the order in which a pod passes them. */
export const EXTENSION_POINTS = [
  'preEnqueue',
  'queueSort',
  'preFilter',
  'filter',
  'postFilter',
  'preScore',
  'score',
  'reserve',
  'permit',
  'preBind',
  'bind',
  'postBind',
] as const;
export type ExtensionPoint = (typeof EXTENSION_POINTS)[number];

export const DEFAULT_SCHEDULER_NAME = 'default-scheduler';

export interface Scorer {
  readonly plugin: Plugin;
  readonly weight: number;
}

/** Plugins in the order in which they are called. Pre-score is called for each that scores. */
export interface Profile {
  readonly schedulerName: string;
  /** The percentage of the nodes after which no more are sought; 0: as the number of nodes suggests. */
  readonly percentageOfNodesToScore: number;
  readonly preEnqueue: readonly Plugin[];
  readonly preFilter: readonly Plugin[];
  readonly filter: readonly Plugin[];
  readonly postFilter: readonly Plugin[];
  readonly score: readonly Scorer[];
  readonly reserve: readonly Plugin[];
  readonly permit: readonly Plugin[];
  readonly preBind: readonly Plugin[];
}

/** Those of the plugins that have the point. */
export const having = (plugins: readonly Plugin[], point: keyof Plugin): Plugin[] =>
  plugins.filter((plugin) => plugin[point] !== undefined);

/** What was reserved is given back by the same plugins, also by one that only does that. */
export const reserving = (plugins: readonly Plugin[]): Plugin[] =>
  plugins.filter((plugin) => plugin.reserve !== undefined || plugin.unreserve !== undefined);

/** A profile in which each plugin runs at all points that it has, with its own weight. */
export function profileOf(plugins: readonly Plugin[], schedulerName = DEFAULT_SCHEDULER_NAME): Profile {
  return {
    schedulerName,
    percentageOfNodesToScore: 0,
    preEnqueue: having(plugins, 'preEnqueue'),
    preFilter: having(plugins, 'preFilter'),
    filter: having(plugins, 'filter'),
    postFilter: having(plugins, 'postFilter'),
    score: having(plugins, 'score').map((plugin) => ({ plugin, weight: plugin.weight ?? 1 })),
    reserve: reserving(plugins),
    permit: having(plugins, 'permit'),
    preBind: having(plugins, 'preBind'),
  };
}

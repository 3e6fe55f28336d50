/** Which records a person asks for. Pure. */
import type { PodName } from '../inspect/pod-name.ts';
import type { ReadRecord } from './read-records.ts';
import type { Moment } from './stored.ts';

export interface Selection {
  readonly pod?: PodName;
  /** What is no pod's. */
  readonly nodeOnly?: boolean;
  readonly kinds?: ReadonlySet<string>;
  readonly since?: TimeBound;
  readonly until?: TimeBound;
}

/** A time of the wall clock, in ms since the epoch; also one of the monotonic clock where it was given as an age. */
export interface TimeBound {
  readonly at: number;
  readonly mono?: { readonly boot: string; readonly ms: number };
}

/** `ageMs` before now: of this boot, whatever was done to the wall clock meanwhile. */
export const boundBefore = (ageMs: number, now: Moment, boot: string): TimeBound => ({
  at: now.at - ageMs,
  mono: { boot, ms: now.mono - ageMs },
});

export function isSelected({ record, life }: ReadRecord, wanted: Selection): boolean {
  if (wanted.since && isBefore(record, life?.boot, wanted.since)) return false;
  if (wanted.until && !isBefore(record, life?.boot, wanted.until)) return false;
  // Starts of the agent, and what was lost, belong to every story.
  if (record.kind === 'life' || record.kind === 'lost') return true;
  if (wanted.kinds && !wanted.kinds.has(record.kind)) return false;
  if (wanted.nodeOnly) return record.pod === undefined;
  return !wanted.pod || isPod(record.pod ?? '', wanted.pod);
}

const isBefore = ({ at, mono }: Moment, boot: string | undefined, bound: TimeBound): boolean =>
  bound.mono && bound.mono.boot === boot ? mono < bound.mono.ms : at < bound.at;

const isPod = (path: string, { namespace, name }: PodName): boolean =>
  namespace === undefined ? path.endsWith(`/${name}`) : path === `${namespace}/${name}`;

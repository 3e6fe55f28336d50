/**
 * Which zone each endpoint of a Service with `service.kubernetes.io/topology-mode: Auto` is for: in proportion to the CPU that the
 * nodes of the zones have, so that no endpoint gets much more than its share of connections. Pure.
 * https://kubernetes.io/docs/concepts/services-networking/topology-aware-routing/
 */
import { own } from '../../../api/machinery/own.ts';
import { compareText } from '../../../api/machinery/compare-text.ts';
import { CONTROL_PLANE_LABEL } from '../../../api/domain/control-plane-node.ts';
import { ZONE_LABEL } from '../../../api/domain/topology-labels.ts';
import type { Service } from '../../../api/types/core/v1.gen.ts';
import { readyStatus, type NodeView } from '../caches/node-view.ts';

const MODE = 'service.kubernetes.io/topology-mode';
/** The name of the annotation before Kubernetes 1.27; it takes precedence, as upstream has it. */
const OLD_MODE = 'service.kubernetes.io/topology-aware-hints';
/** So much more than its share an endpoint may get. */
const OVERLOAD = 0.2;
const CONTROL_PLANE_LABELS = [CONTROL_PLANE_LABEL, 'node-role.kubernetes.io/master'];

export function wantsTopologyHints({ metadata }: Pick<Service, 'metadata'>): boolean {
  const mode = own(metadata?.annotations, OLD_MODE) ?? own(metadata?.annotations, MODE);
  return mode === 'Auto' || mode === 'auto';
}

export type ZoneShares = ReadonlyMap<string, number>;
type ZoneNode = Pick<NodeView, 'labels' | 'conditions' | 'cpuMillis'>;

/** The part of the CPU of all ready nodes that each zone has; undefined where one of them does not say, or there is one zone. */
export function zoneShares(nodes: Iterable<ZoneNode>): ZoneShares | undefined {
  const cpu = new Map<string, number>();
  let total = 0;
  for (const node of nodes) {
    if (CONTROL_PLANE_LABELS.some((label) => own(node.labels, label) !== undefined) || readyStatus(node) !== 'True')
      continue;
    const zone = own(node.labels, ZONE_LABEL);
    if (!zone || !(node.cpuMillis > 0)) return undefined;
    cpu.set(zone, (cpu.get(zone) ?? 0) + node.cpuMillis);
    total += node.cpuMillis;
  }
  if (cpu.size < 2) return undefined;
  // In the order of names, so that the same nodes give the same hints.
  return new Map([...cpu].sort(([a], [b]) => compareText(a, b)).map(([zone, millis]) => [zone, millis / total]));
}

interface Allocation {
  readonly minimum: number;
  readonly maximum: number;
  readonly desired: number;
}

/** A ready endpoint. */
export interface HintedEndpoint {
  /** Undefined when its node is in none that is known. */
  readonly zone: string | undefined;
  /** The zone that it is for so far; undefined for none. */
  readonly hint: string | undefined;
}

/** One zone per endpoint, in their order; or why there are to be no hints, as a sentence. */
export type Hints = { readonly zones: readonly string[] } | { readonly problem: string };

/** What is for a zone already stays there as long as no zone gets too much or too little. */
export function topologyHints(endpoints: readonly HintedEndpoint[], shares: ZoneShares | undefined): Hints {
  if (!shares) return { problem: 'a ready node has no zone or no allocatable CPU, or all ready nodes are in one zone' };
  const count = `${endpoints.length} endpoints, ${shares.size} zones`;
  if (endpoints.length < shares.size) return { problem: `there are fewer endpoints than zones (${count})` };
  const allocations = allocationsOf(shares, endpoints.length);
  if (!allocations) return { problem: `some zone would get too few endpoints for its CPU (${count})` };
  const home = endpoints.flatMap(({ zone }) => zone ?? []);
  if (home.length < endpoints.length) return { problem: 'one or more endpoints have no zone' };
  const kept = endpoints.map(({ hint, zone = '' }) => (hint !== undefined && allocations.has(hint) ? hint : zone));
  if (isBalanced(kept, allocations)) return { zones: kept };
  return { zones: redistributed(home, allocations) };
}

function allocationsOf(shares: ZoneShares, endpoints: number): Map<string, Allocation> | undefined {
  const wanted = Array.from(shares, ([zone, share]) => {
    const desired = share * endpoints;
    return { zone, desired, minimum: Math.ceil(desired / (1 + OVERLOAD)) };
  });
  const spare = wanted.reduce((rest, { minimum }) => rest - minimum, endpoints);
  if (spare < 0) return undefined;
  return new Map(
    wanted.map(({ zone, desired, minimum }) => [
      zone,
      { minimum, maximum: minimum + spare, desired: Math.max(desired, minimum) },
    ]),
  );
}

function countOf(zones: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const zone of zones) counts.set(zone, (counts.get(zone) ?? 0) + 1);
  return counts;
}

/** Whether no zone has too few or too many, and none that has no nodes has any. */
function isBalanced(zones: readonly string[], allocations: ReadonlyMap<string, Allocation>): boolean {
  const counts = countOf(zones);
  for (const zone of counts.keys()) if (!allocations.has(zone)) return false;
  for (const [zone, { minimum, maximum }] of allocations) {
    const count = counts.get(zone) ?? 0;
    if (count < minimum || count > maximum) return false;
  }
  return true;
}

/** Zones with more endpoints than they need give some to those with fewer, the one with the most to the one that lacks most. */
function redistributed(home: readonly string[], allocations: ReadonlyMap<string, Allocation>): string[] {
  const counts = countOf(home);
  const surplus = new Map<string, number>();
  const lack = new Map<string, number>();
  // A zone whose nodes are all gone or not ready needs none.
  for (const zone of new Set([...counts.keys(), ...allocations.keys()])) {
    const difference = (counts.get(zone) ?? 0) - (allocations.get(zone)?.desired ?? 0);
    if (difference > 0) surplus.set(zone, difference);
    if (difference < 0) lack.set(zone, -difference);
  }
  const moves = new Map<string, string[]>();
  for (;;) {
    const [giver, most] = largestOf(surplus);
    const [receiver, least] = largestOf(lack);
    // Half an endpoint is not moved, and neither is one that would be missing as much where it comes from.
    if (most < 0.5 || least < 0.5 || (most < 1 && least < 1)) break;
    moves.set(giver, [...(moves.get(giver) ?? []), receiver]);
    surplus.set(giver, most - 1);
    lack.set(receiver, least - 1);
  }
  return home.map((zone) => moves.get(zone)?.shift() ?? zone);
}

function largestOf(zones: ReadonlyMap<string, number>): [zone: string, amount: number] {
  let largest: [string, number] = ['', 0];
  for (const [zone, amount] of zones) if (amount > largest[1]) largest = [zone, amount];
  return largest;
}

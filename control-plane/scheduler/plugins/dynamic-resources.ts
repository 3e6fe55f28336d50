import { setTimeout as delay } from 'node:timers/promises';
import { matchesTerms } from '../../../api/domain/node-selector.ts';
import {
  canBeReserved,
  CLAIM_FINALIZER,
  isReservedFor,
  notMadeForPod,
  type PodDeviceClaim,
} from '../../../api/domain/pod-device-claims.ts';
import { deepEqual } from '../../../api/machinery/deep-equal.ts';
import { isConflict } from '../../../api/machinery/status-error.ts';
import type { AllocationResult, ResourceClaim } from '../../../api/types/resource/v1.gen.ts';
import { backoffMs } from '../../../client/backoff.ts';
import { ConnectionError } from '../../../client/connection-error.ts';
import type { Cluster } from '../framework/cluster.ts';
import { allocate, type Alternative, SearchBudget, type WantedClaim } from '../framework/device-allocation.ts';
import type { Devices } from '../framework/devices.ts';
import { scaleToMax, type PluginOf } from '../framework/plugin.ts';
import type { PendingPod } from '../framework/pod-info.ts';
import { unresolvable } from '../framework/rejection.ts';

const RETRY = { initialMs: 10, maxMs: 1_000 };

interface DeviceState {
  readonly devices: Devices;
  readonly claims: readonly ResourceClaim[];
  /** Those of the claims that are not allocated yet. */
  readonly wanted: readonly WantedClaim[];
  readonly budget: SearchBudget;
  /** By the node's name: what the wanted claims get there, in their order. */
  readonly allocations: Map<string, readonly AllocationResult[]>;
  /** The uids of claims that are being written: their devices are held until it is known what has become of that. */
  readonly binding: Set<string>;
  isUnreserved: boolean;
}

const nameOf = ({ metadata }: ResourceClaim): string => `${metadata?.namespace}/${metadata?.name}`;
const uidOf = ({ metadata }: ResourceClaim): string => metadata?.uid ?? '';

/** The claim of an entry; null when it needs none, or why the pod has to wait. */
function claimOf(pod: PendingPod, { claim: name, template }: PodDeviceClaim, devices: Devices) {
  if (name === null) return null;
  if (name === undefined) return `pod "${pod.namespace}/${pod.name}": ResourceClaim not created yet`;
  const claim = devices.claim(pod.namespace, name);
  if (!claim) return `could not find v1.ResourceClaim "${pod.namespace}/${name}"`;
  if (claim.metadata?.deletionTimestamp) return `resourceclaim "${name}" is being deleted`;
  return (template !== undefined && notMadeForPod(pod, claim)) || claim;
}

/** The pod's claims, each once, or why it has to wait. */
function claimsOf(pod: PendingPod, devices: Devices): ResourceClaim[] | string {
  const claims = new Set<ResourceClaim>();
  for (const entry of pod.pending.deviceClaims) {
    const claim = claimOf(pod, entry, devices);
    if (typeof claim === 'string') return claim;
    if (claim) claims.add(claim);
  }
  return [...claims];
}

/** What a claim asks for, with the classes that it names; a string when one of them is not there. */
function wantedOf(claim: ResourceClaim, devices: Devices): WantedClaim | string {
  const requests: Alternative[][] = [];
  for (const { name, exactly, firstAvailable = [] } of claim.spec.devices?.requests ?? []) {
    const options = exactly
      ? [{ name, request: exactly, isAdmin: exactly.adminAccess ?? false }]
      : firstAvailable.map((sub) => ({ name: `${name}/${sub.name}`, request: sub, isAdmin: false }));
    if (options.length === 0) return `resource claim ${nameOf(claim)}, request ${name}: unknown request type`;
    const alternatives: Alternative[] = [];
    for (const option of options) {
      const { deviceClassName } = option.request;
      const deviceClass = devices.deviceClass(deviceClassName);
      if (!deviceClass) return `request ${option.name}: device class ${deviceClassName} does not exist`;
      alternatives.push({ ...option, deviceClass });
    }
    requests.push(alternatives);
  }
  return { claim, requests };
}

function stateOf(pod: PendingPod, devices: Devices): DeviceState | string {
  const claims = claimsOf(pod, devices);
  if (typeof claims === 'string') return claims;
  const wanted: WantedClaim[] = [];
  for (const claim of claims) {
    if (claim.status?.allocation) {
      if (!canBeReserved(claim) && !isReservedFor(claim, pod.uid)) return 'resourceclaim in use';
      continue;
    }
    if (devices.isInFlight(uidOf(claim))) return `resource claim ${nameOf(claim)} is in the process of being allocated`;
    const found = wantedOf(claim, devices);
    if (typeof found === 'string') return found;
    wanted.push(found);
  }
  return {
    devices,
    claims,
    wanted,
    budget: new SearchBudget(),
    allocations: new Map<string, readonly AllocationResult[]>(),
    binding: new Set<string>(),
    isUnreserved: false,
  };
}

/** What a claim is made of before it is written. Throws when it has changed so that it cannot be the pod's any more. */
function bound(claim: ResourceClaim, { uid, name }: PendingPod, allocation: AllocationResult | undefined) {
  if (claim.metadata?.deletionTimestamp) throw new Error(`claim ${nameOf(claim)} got deleted in the meantime`);
  const { status = {} } = claim;
  if (allocation && status.allocation)
    throw new Error(`claim ${nameOf(claim)} got allocated elsewhere in the meantime`);
  if (!allocation && !status.allocation)
    throw new Error(`claim ${nameOf(claim)} got deallocated elsewhere in the meantime`);
  const reservedFor = [...(status.reservedFor ?? []), { resource: 'pods', name, uid }];
  const allocationTimestamp = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
  return {
    ...claim,
    status: { ...status, reservedFor, ...(allocation && { allocation: { ...allocation, allocationTimestamp } }) },
  };
}

/** The write may have come through although its answer was lost. */
function isDone({ status }: ResourceClaim, pod: PendingPod, allocation: AllocationResult | undefined): boolean {
  if (!status?.reservedFor?.some(({ uid }) => uid === pod.uid)) return false;
  return !allocation || deepEqual(status.allocation?.devices?.results, allocation.devices?.results);
}

async function written(
  claim: ResourceClaim,
  pod: PendingPod,
  allocation: AllocationResult | undefined,
  devices: Devices,
  signal: AbortSignal,
): Promise<ResourceClaim> {
  signal.throwIfAborted();
  if (isDone(claim, pod, allocation)) return claim;
  let current = claim;
  const finalizers = claim.metadata?.finalizers ?? [];
  // A plain update is needed for it: the status is another resource.
  if (allocation && !finalizers.includes(CLAIM_FINALIZER)) {
    const metadata = { ...claim.metadata, finalizers: [...finalizers, CLAIM_FINALIZER] };
    bound(claim, pod, allocation);
    current = await devices.update({ ...claim, metadata });
    signal.throwIfAborted();
  }
  return devices.updateStatus(bound(current, pod, allocation));
}

/**
 * Writes until it is known what has become of it: a write that nobody knows of could give the devices to this claim after they were given
 * to another one. The signal ends it between two attempts, never within one.
 */
async function bind(
  known: ResourceClaim,
  pod: PendingPod,
  allocation: AllocationResult | undefined,
  devices: Devices,
  signal: AbortSignal,
): Promise<ResourceClaim> {
  let claim: ResourceClaim | undefined = known;
  for (let failures = 0; ;) {
    try {
      claim ??= await devices.get(known.metadata?.namespace ?? '', known.metadata?.name ?? '');
      if (claim.metadata?.uid !== known.metadata?.uid)
        throw new Error(`claim ${nameOf(known)} got deleted in the meantime`);
      return await written(claim, pod, allocation, devices, signal);
    } catch (error) {
      if (!isConflict(error) && !(error instanceof ConnectionError)) throw error;
      claim = undefined;
      await delay(backoffMs(RETRY, ++failures), undefined, { signal });
    }
  }
}

const isAvailable = ({ status }: ResourceClaim, node: { name: string; labels: Readonly<Record<string, string>> }) => {
  const selector = status?.allocation?.nodeSelector;
  return !selector || matchesTerms(selector.nodeSelectorTerms, node);
};

/** Upstream's FirstAvailableDeviceRequestMaxSize. */
const MAX_ALTERNATIVES = 8;

const hasAlternatives = ({ wanted }: DeviceState): boolean =>
  wanted.some(({ claim }) => claim.spec.devices?.requests?.some(({ firstAvailable }) => firstAvailable?.length));

/** More for the earlier alternatives of a claim's requests. */
function preference({ spec }: ResourceClaim, allocation: AllocationResult | undefined): number {
  const chosen = new Set((allocation?.devices?.results ?? []).map(({ request }) => request));
  let preferred = 0;
  for (const { name, firstAvailable = [] } of spec.devices?.requests ?? [])
    for (const [index, sub] of firstAvailable.entries())
      if (chosen.has(`${name}/${sub.name}`)) preferred += MAX_ALTERNATIVES - index;
  return preferred;
}

const usesClaim = ({ namespace, pending: { deviceClaims } }: PendingPod, { metadata }: ResourceClaim): boolean =>
  namespace === metadata?.namespace && deviceClaims.some(({ claim }) => claim === metadata.name);

/** A claim that keeps the pod from nodes, and that nobody else uses. */
function obstructing(pod: PendingPod, { nodes, devices }: Cluster): ResourceClaim | undefined {
  const claims = claimsOf(pod, devices);
  if (typeof claims === 'string') return undefined;
  return claims.find(
    (claim) =>
      claim.status?.allocation &&
      (claim.status.reservedFor ?? []).every(({ uid }) => uid === pod.uid) &&
      nodes.some(({ facts }) => !isAvailable(claim, facts)),
  );
}

/**
 * A pod goes where the devices of its ResourceClaims are, and claims get their devices where it goes.
 * https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/
 */
export const dynamicResources: PluginOf<DeviceState, DeviceState> = {
  name: 'DynamicResources',
  queueingHints: {
    NodeAdd: () => true,
    UpdateNodeLabel: () => true,
    UpdateNodeTaint: () => true,
    ResourceClaimAdd: (pod, { claim }) => usesClaim(pod, claim),
    ResourceClaimUpdate: (pod, { old, now }) =>
      (old.status?.allocation !== undefined && now.status?.allocation === undefined) ||
      (usesClaim(pod, now) && !deepEqual(old.status, now.status)),
    // A claim that held devices is gone.
    ResourceClaimDelete: (_pod, { claim }) => claim.status?.allocation !== undefined,
    DeviceClassAdd: () => true,
    DeviceClassUpdate: () => true,
    ResourceSliceAdd: () => true,
    ResourceSliceDelete: () => true,
  },
  // Which claims are made for the pod is in its status: the pod is looked at again when that changes.
  preEnqueue(pod) {
    if (pod.pending.deviceClaims.every(({ claim }) => claim !== undefined)) return undefined;
    return unresolvable(`pod "${pod.namespace}/${pod.name}": ResourceClaim not created yet`);
  },
  preFilter(pod, { devices }) {
    if (pod.pending.deviceClaims.every(({ claim }) => claim === null)) return 'skip';
    const state = stateOf(pod, devices);
    return typeof state === 'string' ? { rejection: unresolvable(state) } : { state };
  },
  filter(_pod, { facts }, { devices, claims, wanted, budget, allocations }) {
    if (!claims.every((claim) => isAvailable(claim, facts)))
      return unresolvable('resourceclaim not available on the node');
    if (wanted.length === 0) return undefined;
    const inventory = {
      budget,
      node: facts,
      pools: [...devices.poolsFor(facts.name)],
      isHeld: (key: string) => devices.isHeld(key),
    };
    const found = allocate(wanted, inventory);
    if (!found) return unresolvable('cannot allocate all claims');
    if (typeof found === 'string') return unresolvable(found);
    allocations.set(facts.name, found);
    return undefined;
  },
  postFilter(pod, cluster) {
    const claim = obstructing(pod, cluster);
    if (!claim) return undefined;
    cluster.devices.deallocate(claim);
    return { message: 'deallocation of ResourceClaim completed' };
  },
  preScore: (_pod, _feasible, _cluster, filtered) =>
    filtered && hasAlternatives(filtered) ? { state: filtered } : 'skip',
  score: (_pod, { facts }, { wanted, allocations }) =>
    wanted.reduce((sum, { claim }, index) => sum + preference(claim, allocations.get(facts.name)?.[index]), 0),
  normalize: (scores) => scaleToMax(scores),
  weight: 2,
  reserve(_pod, nodeName, { devices, wanted, allocations }) {
    for (const [index, { claim }] of wanted.entries()) {
      const allocation = allocations.get(nodeName)?.[index];
      if (!allocation) throw new Error('claim allocation not found for node');
      devices.assume(uidOf(claim), allocation);
    }
    return undefined;
  },
  unreserve(_pod, _nodeName, state) {
    state.isUnreserved = true;
    for (const { claim } of state.wanted) if (!state.binding.has(uidOf(claim))) state.devices.forget(uidOf(claim));
  },
  async preBind(pod, nodeName, state, signal) {
    const { devices, claims, wanted, allocations, binding } = state;
    for (const claim of claims) {
      const index = wanted.findIndex((one) => one.claim === claim);
      const allocation = index < 0 ? undefined : allocations.get(nodeName)?.[index];
      if (!allocation && isReservedFor(claim, pod.uid)) continue;
      const uid = uidOf(claim);
      binding.add(uid);
      try {
        devices.settle(await bind(claim, pod, allocation, devices, signal));
      } finally {
        binding.delete(uid);
        // Nobody waits for this any more: the pod was deleted, or its time is over.
        if (state.isUnreserved && allocation) devices.forget(uid);
      }
    }
  },
};

/** Which ResourceClaims a pod uses, which requests of them a container, and whether a claim is there for the pod. Pure. */
import { isReservedFor, notMadeForPod, podDeviceClaims } from '../../api/domain/pod-device-claims.ts';
import type { Container, Pod } from '../../api/types/core/v1.gen.ts';
import type { ResourceClaim } from '../../api/types/resource/v1.gen.ts';

export interface UsedClaim {
  /** Of the ResourceClaim, in the pod's namespace. */
  readonly claim: string;
  /** It was made of a template, for this pod and no other. */
  readonly isGenerated: boolean;
}

/** Without those that turned out not to be needed. Throws for one that is not there yet. */
export function claimsUsedBy(pod: Pod): readonly UsedClaim[] {
  const { namespace, name } = pod.metadata ?? {};
  // A pod may name a claim twice.
  const used = new Map<string, UsedClaim>();
  for (const { template, claim } of podDeviceClaims(pod)) {
    if (claim === undefined) throw new Error(`pod "${namespace}/${name}": ResourceClaim not created yet`);
    if (claim !== null)
      used.set(claim, { claim, isGenerated: template !== undefined || used.get(claim)?.isGenerated === true });
  }
  const extended = pod.status?.extendedResourceClaimStatus?.resourceClaimName;
  // Made by the scheduler for resources that a DeviceClass stands for.
  if (extended && !used.has(extended)) used.set(extended, { claim: extended, isGenerated: false });
  return [...used.values()];
}

/** A claim, and the request of it that a container uses; all requests when absent. */
export interface UsedRequest {
  readonly claim: string;
  readonly request?: string;
}

/** What the container names in `resources.claims`, as far as the claims are there. */
export function namedClaims(pod: Pod, { resources }: Container): readonly (UsedRequest & { readonly name: string })[] {
  const known = new Map(podDeviceClaims(pod).map(({ name, claim }) => [name, claim]));
  return (resources?.claims ?? []).flatMap(({ name, request }) => {
    const claim = known.get(name);
    return claim ? [{ name, claim, ...(request && { request }) }] : [];
  });
}

/** Throws for a claim that is not there yet. */
export function requestsUsedBy(pod: Pod, container: Container): readonly UsedRequest[] {
  const known = new Map(podDeviceClaims(pod).map(({ name, claim }) => [name, claim]));
  const used: UsedRequest[] = [];
  for (const { name, request } of container.resources?.claims ?? []) {
    const claim = known.get(name);
    if (claim === undefined) throw new Error(`container ${container.name}: ResourceClaim for ${name} not created yet`);
    if (claim !== null) used.push({ claim, ...(request && { request }) });
  }
  return [...used, ...extendedRequests(pod, container)];
}

/** Those of the claim that the scheduler has made for resources that a DeviceClass stands for. */
export function extendedRequests({ status }: Pod, { name }: Pick<Container, 'name'>): readonly UsedRequest[] {
  const { resourceClaimName: claim, requestMappings = [] } = status?.extendedResourceClaimStatus ?? {};
  return requestMappings.flatMap(({ containerName, requestName: request }) =>
    claim && containerName === name ? [{ claim, request }] : [],
  );
}

/** An allocated device, as `DRIVER/POOL/DEVICE`, in an order that does not change. */
const allocatedDevices = ({ status }: ResourceClaim): readonly string[] =>
  (status?.allocation?.devices?.results ?? []).map(({ driver, pool, device }) => `${driver}/${pool}/${device}`).sort();

export interface Allocation {
  readonly drivers: ReadonlySet<string>;
  /** Differs when other devices are allocated. */
  readonly fingerprint: string;
}

/** What is allocated to the claim. Throws, with upstream's words, when the claim is not there for the pod. */
export function allocationFor(pod: Pod, claim: ResourceClaim, isGenerated: boolean): Allocation {
  const { namespace, name, uid = '' } = pod.metadata ?? {};
  const stranger = isGenerated ? notMadeForPod({ namespace, name, uid }, claim) : undefined;
  if (stranger !== undefined) throw new Error(stranger);
  const { name: claimName, uid: claimUid } = claim.metadata ?? {};
  if (!isReservedFor(claim, uid))
    throw new Error(`pod ${name} (${uid}) is not allowed to use ResourceClaim ${claimName} (${claimUid})`);
  if (!claim.status?.allocation) throw new Error(`ResourceClaim ${claimName}: not allocated`);
  const results = claim.status.allocation.devices?.results ?? [];
  return { drivers: new Set(results.map(({ driver }) => driver)), fingerprint: allocatedDevices(claim).join(' ') };
}

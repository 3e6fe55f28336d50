/**
 * Devices and the claims to them as the scheduler sees them: what the api-server has, and what has been decided for claims that are
 * about to be written, so that no device is given away twice.
 */
import type { AllocationResult, DeviceClass, ResourceClaim } from '../../../api/types/resource/v1.gen.ts';
import type { DevicePool } from './device-pools.ts';

export interface Devices {
  /** Undefined when there is none of that name. */
  claim(namespace: string, name: string): ResourceClaim | undefined;
  deviceClass(name: string): DeviceClass | undefined;
  /** The pools of which devices may be reachable from the node. */
  poolsFor(nodeName: string): Iterable<DevicePool>;
  /** Whether a claim, written or in flight, holds the device. @param id of `deviceKey` */
  isHeld(id: string): boolean;
  /** Whether an allocation of the claim is about to be written. */
  isInFlight(claimUid: string): boolean;
  /** The devices of the allocation are held until `settle` or `forget`. */
  assume(claimUid: string, allocation: AllocationResult): void;
  forget(claimUid: string): void;
  /** The claim was written: what it says counts from now on, also while the cache is behind. */
  settle(claim: ResourceClaim): void;
  /** Takes the devices away from the claim, unless somebody else changes it meanwhile. Failures are logged. */
  deallocate(claim: ResourceClaim): void;
  get(namespace: string, name: string): Promise<ResourceClaim>;
  /** Both reject with a conflict when somebody else has changed the claim since it was read. */
  update(claim: ResourceClaim): Promise<ResourceClaim>;
  updateStatus(claim: ResourceClaim): Promise<ResourceClaim>;
}

const none = (): undefined => undefined;
const cannotReach = (): Promise<never> => Promise.reject(new Error('there are no devices'));

/** Those of a cluster that has none. */
export const NO_DEVICES: Devices = {
  claim: none,
  deviceClass: none,
  poolsFor: () => [],
  isHeld: () => false,
  isInFlight: () => false,
  assume: none,
  forget: none,
  settle: none,
  deallocate: none,
  get: cannotReach,
  update: cannotReach,
  updateStatus: cannotReach,
};

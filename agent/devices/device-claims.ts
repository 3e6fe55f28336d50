/**
 * Has drivers prepare what is allocated to pods' ResourceClaims before their sandboxes are created, and undo it after their containers
 * have ended. What may be prepared is on record before a driver is asked.
 */
import type { Container, Pod, ResourceHealth, ResourceStatus } from '../../api/types/core/v1.gen.ts';
import type { ResourceClaim } from '../../api/types/resource/v1.gen.ts';
import { own } from '../../api/machinery/own.ts';
import type { ApiClient } from '../../client/api-client.ts';
import { resourceClaims } from '../../client/resources.gen.ts';
import { CriError } from '../cri/rpc-error.ts';
import type { ClaimRecord, ClaimRecords } from './claim-records.ts';
import {
  allocationFor,
  claimsUsedBy,
  extendedRequests,
  namedClaims,
  requestsUsedBy,
  type Allocation,
} from './claim-use.ts';
import type { DeviceHealth } from './device-health.ts';
import type { ClaimReference, DraPlugin, PreparedDevice } from './dra-plugin.ts';
import { KeyedLocks } from './keyed-locks.ts';
import type { PodDevices } from './pod-devices.ts';

/** Upstream's names: https://kubernetes.io/docs/reference/instrumenting/metrics/ */
export interface DeviceMetrics {
  devicesHandled(operation: 'PrepareResources' | 'UnprepareResources', seconds: number, failed: boolean): void;
  /** The prepared claims of each driver, and of all as `<any>`. */
  claimsInUse(counts: ReadonlyMap<string, number>): void;
}

export interface DeviceClaimsOptions {
  readonly client: Pick<ApiClient, 'get'>;
  /** Throws when the driver is not there. */
  readonly plugin: (driver: string) => Pick<DraPlugin, 'prepare' | 'unprepare'>;
  readonly records: Pick<ClaimRecords, 'read' | 'write' | 'remove'>;
  readonly metrics?: DeviceMetrics;
  readonly healthOf: DeviceHealth['of'];
}

/** What a container has of a claim. */
export interface HeldClaim {
  readonly namespace: string;
  readonly claim: string;
  readonly devices: readonly (PreparedDevice & { readonly driver: string })[];
}

/** A claim that is to be prepared for a pod. */
interface Wanted extends Allocation {
  readonly reference: ClaimReference;
}

const keyOf = ({ namespace, name }: Pick<ClaimReference, 'namespace' | 'name'>): string => `${namespace}/${name}`;
const uidOf = ({ metadata }: Pod): string => metadata?.uid ?? '';
/** Whether it is a device of the request, or of all when there is none. */
const isFor = ({ requestNames }: PreparedDevice, request: string | undefined): boolean =>
  !request || requestNames.length === 0 || requestNames.includes(request);
/** What drivers are sent. */
const referenceTo = ({ namespace, name, uid }: ClaimReference): ClaimReference => ({ namespace, name, uid });

export class DeviceClaims implements Omit<PodDevices, 'devicesOf'> {
  readonly #options: DeviceClaimsOptions;
  readonly #records = new Map<string, ClaimRecord>();
  /** The uids of claims that have been prepared in this life of the agent: a driver may have forgotten what it did for another. */
  readonly #prepared = new Set<string>();
  readonly #locks = new KeyedLocks();

  private constructor(options: DeviceClaimsOptions) {
    this.#options = options;
  }

  /** Knows what earlier agents have had prepared. */
  static async open(options: DeviceClaimsOptions): Promise<DeviceClaims> {
    const claims = new DeviceClaims(options);
    for (const record of await options.records.read()) claims.#records.set(keyOf(record), record);
    claims.#countClaims();
    return claims;
  }

  holds(podUid: string): boolean {
    for (const { pods } of this.#records.values()) if (pods.includes(podUid)) return true;
    return false;
  }

  podUids(): readonly string[] {
    return [...new Set([...this.#records.values()].flatMap(({ pods }) => pods))];
  }

  /** UIDs of the pods that devices of the driver are prepared for. */
  podsUsing(driver: string): readonly string[] {
    return [...this.#records.values()].flatMap(({ devices, pods }) => (devices.has(driver) ? pods : []));
  }

  statusOf(pod: Pod): ReadonlyMap<string, ResourceStatus[]> {
    const found = new Map<string, ResourceStatus[]>();
    if (!pod.spec?.resourceClaims?.length || !this.holds(uidOf(pod))) return found;
    for (const container of pod.spec.containers) {
      const statuses: ResourceStatus[] = [];
      for (const { name, claim, request } of namedClaims(pod, container)) {
        const record = this.#records.get(keyOf({ namespace: pod.metadata?.namespace ?? '', name: claim }));
        const resources = record ? this.#healthOf(record, request) : [];
        if (resources.length > 0) statuses.push({ name: `claim:${name}${request ? `/${request}` : ''}`, resources });
      }
      if (statuses.length > 0) found.set(container.name, statuses);
    }
    return found;
  }

  #healthOf({ devices }: ClaimRecord, request: string | undefined): ResourceHealth[] {
    const byId = new Map<string, ResourceHealth>();
    for (const [driver, prepared] of devices)
      for (const device of prepared.filter((one) => isFor(one, request))) {
        const { poolName, deviceName, cdiDeviceIds } = device;
        const resourceID = cdiDeviceIds[0] ?? `${driver}/${poolName}/${deviceName}`;
        if (!byId.has(resourceID))
          byId.set(resourceID, { resourceID, ...this.#options.healthOf(driver, poolName, deviceName) });
      }
    return [...byId.values()];
  }

  #countClaims(): void {
    const counts = new Map([['<any>', 0]]);
    for (const { isPrepared, devices } of this.#records.values()) {
      if (!isPrepared) continue;
      for (const driver of ['<any>', ...devices.keys()]) counts.set(driver, (counts.get(driver) ?? 0) + 1);
    }
    this.#options.metrics?.claimsInUse(counts);
  }

  async prepare(pod: Pod, signal: AbortSignal): Promise<void> {
    if (!pod.spec?.resourceClaims?.length && !pod.status?.extendedResourceClaimStatus) return;
    await this.#measured('PrepareResources', 'prepare dynamic resources', signal, async () => {
      const wanted: Wanted[] = [];
      for (const { claim, isGenerated } of claimsUsedBy(pod))
        wanted.push(await this.#want(pod, claim, isGenerated, signal));
      const keys = wanted.map(({ reference }) => keyOf(reference));
      await this.#locks.run(keys, signal, () => this.#prepareAll(uidOf(pod), wanted, signal));
    });
  }

  /** Changes nothing: a pod whose claims are not there for it, or whose driver never was, can be deleted without a driver. */
  async #want(pod: Pod, name: string, isGenerated: boolean, signal: AbortSignal): Promise<Wanted> {
    const { client, plugin } = this.#options;
    const namespace = pod.metadata?.namespace ?? '';
    let claim: ResourceClaim;
    try {
      claim = await client.get(resourceClaims, namespace, name, { signal });
    } catch (error) {
      signal.throwIfAborted();
      throw new Error(`fetch ResourceClaim ${name}: ${(error as Error).message}`, { cause: error });
    }
    const allocation = allocationFor(pod, claim, isGenerated);
    for (const driver of allocation.drivers) plugin(driver);
    return { reference: { namespace, name, uid: claim.metadata?.uid ?? '' }, ...allocation };
  }

  /** While it holds the claims. */
  async #prepareAll(podUid: string, wanted: readonly Wanted[], signal: AbortSignal): Promise<void> {
    for (const { reference, fingerprint } of wanted) this.#requireSame(reference, fingerprint);
    const batches = new Map<string, ClaimReference[]>();
    for (const { reference, drivers, fingerprint } of wanted) {
      const nothing = new Map([...drivers].map((driver) => [driver, []]));
      const before = this.#records.get(keyOf(reference)) ?? {
        ...{ ...reference, fingerprint, pods: [], isPrepared: false, devices: nothing },
      };
      if (!before.pods.includes(podUid)) await this.#write({ ...before, pods: [...before.pods, podUid] });
      if (this.#prepared.has(reference.uid)) continue;
      for (const driver of drivers) batches.set(driver, [...(batches.get(driver) ?? []), reference]);
    }
    for (const [driver, claims] of batches) await this.#prepareBy(driver, claims, signal);
    for (const { reference } of wanted) {
      const record = this.#records.get(keyOf(reference));
      if (record && !record.isPrepared) await this.#write({ ...record, isPrepared: true });
      this.#prepared.add(reference.uid);
    }
  }

  /** A pod that was deleted by force may still run here, with the devices of a claim that has other ones, or another uid, by now. */
  #requireSame({ namespace, name, uid }: ClaimReference, fingerprint: string): void {
    const before = this.#records.get(keyOf({ namespace, name }));
    if (before && before.uid !== uid)
      throw new Error(
        `old ResourceClaim with same name ${name} and different UID ${before.uid} still exists (previous pod force-deleted?!)`,
      );
    if (before && before.fingerprint !== fingerprint)
      throw new Error(
        `devices of an earlier allocation of ResourceClaim ${name} are still in use (previous pod force-deleted?!)`,
      );
  }

  async #prepareBy(driver: string, claims: readonly ClaimReference[], signal: AbortSignal): Promise<void> {
    const { plugin } = this.#options;
    const answers = await called('NodePrepareResources', () => plugin(driver).prepare(claims, signal));
    requireKnown('NodePrepareResources', answers, claims);
    for (const claim of claims) {
      const answer = own(answers, claim.uid);
      if (answer?.error)
        throw new Error(`NodePrepareResources failed for ResourceClaim ${claim.name}: ${answer.error}`);
      const record = this.#records.get(keyOf(claim));
      if (!answer || !record) continue;
      const devices = (answer.devices ?? []).map(({ requestNames, poolName, deviceName, cdiDeviceIds }) => ({
        ...{ requestNames, poolName, deviceName, cdiDeviceIds },
      }));
      await this.#write({ ...record, devices: new Map([...record.devices, [driver, devices]]) });
    }
    const skipped = claims.filter(({ uid }) => !own(answers, uid)).length;
    if (skipped > 0) throw new Error(`NodePrepareResources skipped ${skipped} ResourceClaims`);
  }

  async #write(record: ClaimRecord): Promise<void> {
    await this.#options.records.write(record);
    this.#records.set(keyOf(record), record);
    this.#countClaims();
  }

  /** The ids of the CDI devices that the container gets, of claims that are prepared. Prepares them otherwise, and throws when it cannot. */
  async cdiDevicesOf(pod: Pod, container: Container, signal: AbortSignal): Promise<readonly string[]> {
    const used = requestsUsedBy(pod, container);
    if (used.length === 0) return [];
    const recordOf = (claim: string): ClaimRecord | undefined => {
      const record = this.#records.get(keyOf({ namespace: pod.metadata?.namespace ?? '', name: claim }));
      return record?.isPrepared && record.pods.includes(uidOf(pod)) ? record : undefined;
    };
    // The sandbox is older than the record: of an agent that did not know of claims, or the record was lost.
    if (!used.every(({ claim }) => recordOf(claim))) await this.prepare(pod, signal);
    const ids = used.flatMap(({ claim, request }) => {
      const record = recordOf(claim);
      if (!record) throw new Error(`unable to get information for ResourceClaim ${claim}`);
      return [...record.devices.values()]
        .flat()
        .filter((device) => isFor(device, request))
        .flatMap(({ cdiDeviceIds }) => cdiDeviceIds);
    });
    return [...new Set(ids)];
  }

  /** The devices of a container, of claims that are prepared. */
  devicesHeldBy(pod: Pod, container: Container): readonly HeldClaim[] {
    if (!pod.spec?.resourceClaims?.length && !pod.status?.extendedResourceClaimStatus) return [];
    const namespace = pod.metadata?.namespace ?? '';
    const used = [...namedClaims(pod, container), ...extendedRequests(pod, container)];
    return used.flatMap(({ claim, request }) => {
      const record = this.#records.get(keyOf({ namespace, name: claim }));
      if (!record?.isPrepared || !record.pods.includes(uidOf(pod))) return [];
      const devices = [...record.devices].flatMap(([driver, prepared]) =>
        prepared.filter((device) => isFor(device, request)).map((device) => ({ driver, ...device })),
      );
      return [{ namespace, claim, devices }];
    });
  }

  async release(podUid: string, signal: AbortSignal): Promise<void> {
    if (!this.holds(podUid)) return;
    await this.#measured('UnprepareResources', 'unprepare dynamic resources', signal, async () => {
      const keys = [...this.#records].filter(([, { pods }]) => pods.includes(podUid)).map(([key]) => key);
      await this.#locks.run(keys, signal, () => this.#releaseAll(podUid, keys, signal));
    });
  }

  /** While it holds the claims. Those of other drivers are released when one fails; throws for the first that has. */
  async #releaseAll(podUid: string, keys: readonly string[], signal: AbortSignal): Promise<void> {
    const last: ClaimRecord[] = [];
    const batches = new Map<string, ClaimReference[]>();
    for (const key of keys) {
      const record = this.#records.get(key);
      if (!record?.pods.includes(podUid)) continue;
      const others = record.pods.filter((uid) => uid !== podUid);
      if (others.length > 0) {
        await this.#write({ ...record, pods: others });
        continue;
      }
      last.push(record);
      for (const driver of record.devices.keys())
        batches.set(driver, [...(batches.get(driver) ?? []), referenceTo(record)]);
      // Until a driver is asked again, it is not known whether it is prepared.
      this.#prepared.delete(record.uid);
    }
    const failures = new Map<string, Error>();
    for (const [driver, claims] of batches)
      for (const [uid, error] of await this.#unprepareBy(driver, claims, signal)) failures.set(uid, error);
    for (const record of last) {
      if (failures.has(record.uid)) continue;
      await this.#options.records.remove(record);
      this.#records.delete(keyOf(record));
    }
    this.#countClaims();
    const [first] = failures.values();
    if (first) throw first;
  }

  /** The claims that the driver has not undone, by their uids, and why. */
  async #unprepareBy(
    driver: string,
    claims: readonly ClaimReference[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, Error>> {
    try {
      const { plugin } = this.#options;
      const answers = await called('NodeUnprepareResources', () => plugin(driver).unprepare(claims, signal));
      requireKnown('NodeUnprepareResources', answers, claims);
      const failures = new Map<string, Error>();
      for (const { uid, name } of claims) {
        const answer = own(answers, uid);
        if (!answer) failures.set(uid, new Error('NodeUnprepareResources skipped 1 ResourceClaims'));
        else if (answer.error)
          failures.set(uid, new Error(`NodeUnprepareResources failed for ResourceClaim ${name}: ${answer.error}`));
      }
      return failures;
    } catch (error) {
      signal.throwIfAborted();
      return new Map(claims.map(({ uid }) => [uid, error as Error]));
    }
  }

  async #measured(
    operation: 'PrepareResources' | 'UnprepareResources',
    what: string,
    signal: AbortSignal,
    work: () => Promise<void>,
  ): Promise<void> {
    const startedAt = performance.now();
    let failed = true;
    try {
      await work();
      failed = false;
    } catch (error) {
      signal.throwIfAborted();
      throw new Error(`${what}: ${(error as Error).message}`, { cause: error });
    } finally {
      this.#options.metrics?.devicesHandled(operation, (performance.now() - startedAt) / 1000, failed);
    }
  }
}

/** Adds the method, and gRPC's words, to the failure of a call. */
async function called<T>(method: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (!(error instanceof CriError)) throw error;
    throw new Error(`${method}: ${error.rpcText}`, { cause: error });
  }
}

function requireKnown(
  method: string,
  answers: Readonly<Record<string, unknown>>,
  claims: readonly ClaimReference[],
): void {
  const unknown = Object.keys(answers).find((uid) => !claims.some((claim) => claim.uid === uid));
  if (unknown !== undefined) throw new Error(`${method} returned result for unknown claim UID ${unknown}`);
}

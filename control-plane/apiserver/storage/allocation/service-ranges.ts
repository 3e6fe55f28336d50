/**
 * The ranges that cluster IPs are allocated from: the server's own and those of further ServiceCIDRs. Also upstream's
 * controller for ServiceCIDRs: the condition Ready, and a finalizer that keeps a range while addresses in use are in no
 * other range. https://kubernetes.io/docs/tasks/network/extend-service-ip-ranges/
 */
import { msUntil } from '../../../../client/clock.ts';
import { Cidr, CLUSTER_DNS_INDEX, IpAddress, type IpFamily } from '../../../../api/domain/address.ts';
import { clusterRanges } from '../../../../api/domain/cluster-ranges.ts';
import { isConflict, isNotFound } from '../../../../api/machinery/status-error.ts';
import type { Condition } from '../../../../api/types/meta/v1.gen.ts';
import { ipAddresses } from '../../../../api/kinds/networking/ip-address.ts';
import { serviceCIDRs } from '../../../../api/kinds/networking/service-cidr.ts';
import type { ServiceCIDR } from '../../../../api/types/networking/v1.gen.ts';
import type { Logger } from '../../../../client/logger.ts';
import { WorkQueue } from '../../../../client/work-queue.ts';
import { timeOf } from '../../../../api/machinery/time.ts';
import type { LocalApi } from '../../catalogue/local-api.ts';
import { isAllocated } from './allocated-address.ts';
import { NumberRange, type Bands } from './number-range.ts';

/** Upstream's name for the ServiceCIDR of the servers' own configuration. */
export const DEFAULT_SERVICE_CIDR = 'kubernetes';
const FINALIZER = 'networking.k8s.io/service-cidr-finalizer';
/** How long other servers may not have seen a deletion, and still allocate from the range. */
const DELETION_GRACE_MS = 10_000;
const BANDS: Bands = { min: 16, max: 256, step: 16 };

/** A range, and the places in it, counted from its network address, that can be allocated. */
export interface ServiceRange {
  readonly cidr: Cidr;
  readonly numbers: NumberRange;
}

export class ServiceRanges {
  /** The servers' own, of which the first family is the one of Services that do not say. */
  readonly #own: readonly ServiceRange[];
  /** Those of ready ServiceCIDRs by name. */
  readonly #others = new Map<string, readonly ServiceRange[]>();

  /** @param serviceCIDR one range, or one of each family as `10.43.0.0/16,fd00:43::/112`; throws RangeError for others. */
  constructor(serviceCIDR: string, api: LocalApi) {
    const own = clusterRanges(serviceCIDR);
    this.#own = own.map((cidr) => ({ cidr, numbers: numbersOf(cidr, [Number(CLUSTER_DNS_INDEX)]) }));
    api.subscribe(serviceCIDRs, ({ name, object }) => {
      const others = (object && isReady(object) ? rangesOf(object) : []).filter(
        (other) => !own.some(({ text }) => text === other.text),
      );
      this.#others.set(
        name,
        others.map((cidr) => ({ cidr, numbers: numbersOf(cidr) })),
      );
      if (others.length === 0) this.#others.delete(name);
    });
  }

  /** Of Services on this cluster, the primary one first. Further ServiceCIDRs add none. */
  get families(): readonly IpFamily[] {
    return this.#own.map(({ cidr }) => cidr.family);
  }

  /** The ranges to allocate from, in order of use. */
  *of(family: IpFamily): Generator<ServiceRange> {
    for (const ranges of [this.#own, ...this.#others.values()])
      for (const range of ranges) if (range.cidr.family === family) yield range;
  }

  /** Whether a Service may have the address: not those of the network, nor the last one of a range of IPv4. */
  includes(ip: string): boolean {
    const address = IpAddress.parse(ip);
    if (!address) return false;
    for (const { cidr } of this.of(address.family)) {
      const place = address.value - cidr.network.value;
      if (cidr.contains(address) && place > 0n && place <= lastPlace(cidr)) return true;
    }
    return false;
  }

  toString(family: IpFamily): string {
    return [...this.of(family)].map(({ cidr }) => cidr.text).join(', ');
  }
}

/** The last address is the broadcast address of IPv4. */
const lastPlace = ({ family, size }: Cidr): bigint => size - (family === 'IPv4' ? 2n : 1n);

/** Of larger ranges, only the first addresses are allocated unless one is asked for: they are counted by numbers below 2^48. */
const MOST_PLACES = 2n ** 40n;

/** Excludes the network address, which of IPv6 is that of its routers. */
function numbersOf(cidr: Cidr, reserved: readonly number[] = []): NumberRange {
  const last = lastPlace(cidr);
  return new NumberRange(1, Number(last < MOST_PLACES ? last : MOST_PLACES), BANDS, reserved);
}

const rangesOf = ({ spec }: ServiceCIDR): Cidr[] => (spec?.cidrs ?? []).flatMap((text) => Cidr.parse(text) ?? []);

const readyCondition = ({ status }: ServiceCIDR): Condition | undefined =>
  status?.conditions?.find(({ type }) => type === 'Ready');

const isReady = (range: ServiceCIDR): boolean =>
  readyCondition(range)?.status === 'True' && range.metadata?.deletionTimestamp === undefined;

export interface ServiceCIDRKeeperOptions {
  readonly api: LocalApi;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** Reconciles ServiceCIDRs until the signal is aborted. */
export async function keepServiceCIDRs({ api, logger, signal }: ServiceCIDRKeeperOptions): Promise<void> {
  const queue = new WorkQueue({
    onError: (name, error, retryMs) =>
      logger.warn({ err: error, serviceCIDR: name, retryMs }, 'failed to sync ServiceCIDR, retrying'),
  });
  const deleting = new Set<string>();
  api.subscribe(serviceCIDRs, ({ name, object }) => {
    if (object?.metadata?.deletionTimestamp) deleting.add(name);
    else deleting.delete(name);
    queue.add(name);
    // A deleted range may be covered by this one now.
    for (const other of deleting) queue.add(other);
  });
  api.subscribe(ipAddresses, ({ object }) => {
    if (!object) for (const name of deleting) queue.add(name);
  });
  await queue.run(async (name) => {
    try {
      const again = await sync(api, name);
      if (again !== undefined) queue.addAfter(name, again);
    } catch (error) {
      // Another server reconciles the same object; its write requeues the key.
      if (!isConflict(error) && !isNotFound(error)) throw error;
    }
  }, signal);
}

/** Returns after how many milliseconds to requeue the range; undefined: only on changes. */
async function sync(api: LocalApi, name: string): Promise<number | undefined> {
  const range = api.get(serviceCIDRs, '', name);
  if (!range) return undefined;
  const { finalizers = [], deletionTimestamp } = range.metadata ?? {};
  if (deletionTimestamp === undefined) {
    if (!finalizers.includes(FINALIZER)) {
      await api.update(serviceCIDRs, withFinalizers(range, [...finalizers, FINALIZER]));
      return undefined;
    }
    return setReady(api, range, { status: 'True', reason: '', message: 'Kubernetes Service CIDR is ready' });
  }
  if (!finalizers.includes(FINALIZER)) return undefined;
  if (isNeeded(api, range)) {
    return setReady(api, range, {
      status: 'False',
      reason: 'Terminating',
      message:
        'There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR',
    });
  }
  const graceMs = msUntil(Date.parse(deletionTimestamp) + DELETION_GRACE_MS);
  if (graceMs > 0) return graceMs;
  const others = finalizers.filter((finalizer) => finalizer !== FINALIZER);
  await api.update(serviceCIDRs, withFinalizers(range, others));
  return undefined;
}

const withFinalizers = (range: ServiceCIDR, finalizers: string[]): ServiceCIDR => ({
  ...range,
  metadata: { ...range.metadata, finalizers },
});

async function setReady(
  api: LocalApi,
  range: ServiceCIDR,
  wanted: Pick<Condition, 'status' | 'reason' | 'message'>,
): Promise<undefined> {
  const present = readyCondition(range);
  const isSame = present?.status === wanted.status && present.reason === wanted.reason;
  if (isSame && present.message === wanted.message) return;
  const others = (range.status?.conditions ?? []).filter(({ type }) => type !== 'Ready');
  const ready = { type: 'Ready', ...wanted, lastTransitionTime: timeOf(Date.now()) };
  await api.updateStatus(serviceCIDRs, { ...range, status: { ...range.status, conditions: [...others, ready] } });
}

/** Whether an address that is allocated to a Service is in no other range. */
function isNeeded(api: LocalApi, range: ServiceCIDR): boolean {
  const own = rangesOf(range);
  const others = api
    .list(serviceCIDRs)
    .filter(({ metadata }) => metadata?.name !== range.metadata?.name)
    .flatMap(rangesOf);
  return api.list(ipAddresses).some((object) => {
    const address = isAllocated(object) ? IpAddress.parse(object.metadata?.name ?? '') : undefined;
    const isIn = (cidrs: readonly Cidr[]): boolean => cidrs.some((cidr) => address && cidr.contains(address));
    return isIn(own) && !isIn(others);
  });
}

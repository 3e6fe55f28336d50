/**
 * The ranges that cluster IPs are allocated from: the server's own and those of further ServiceCIDRs. Also upstream's
 * controller for ServiceCIDRs: the condition Ready, and a finalizer that keeps a range while addresses in use are in no
 * other range. https://kubernetes.io/docs/tasks/network/extend-service-ip-ranges/
 */
import { Cidr, CLUSTER_DNS_INDEX, IpAddress } from '../../../../api/domain/address.ts';
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

export class ServiceRanges {
  readonly #default: { readonly cidr: Cidr; readonly numbers: NumberRange };
  /** Ready ranges by the name of their ServiceCIDR. */
  readonly #others = new Map<string, { readonly cidr: Cidr; readonly numbers: NumberRange }>();

  constructor(serviceCIDR: string, api: LocalApi) {
    const cidr = Cidr.parse(serviceCIDR);
    if (cidr?.family !== 'IPv4') throw new RangeError(`${serviceCIDR} is not an IPv4 CIDR`);
    this.#default = { cidr, numbers: numbersOf(cidr, [Number(CLUSTER_DNS_INDEX)]) };
    api.subscribe(serviceCIDRs, ({ name, object }) => {
      const other = object && isReady(object) ? ipv4RangeOf(object) : undefined;
      if (!other || other.text === cidr.text) this.#others.delete(name);
      else this.#others.set(name, { cidr: other, numbers: numbersOf(other) });
    });
  }

  /** The ranges to allocate from, in order of use. */
  *numbers(): Generator<NumberRange> {
    yield this.#default.numbers;
    for (const { numbers } of this.#others.values()) yield numbers;
  }

  includes(ip: string): boolean {
    const address = IpAddress.parse(ip);
    if (address?.family !== 'IPv4') return false;
    for (const range of this.numbers()) if (range.includes(Number(address.value))) return true;
    return false;
  }

  toString(): string {
    return [this.#default, ...this.#others.values()].map(({ cidr }) => cidr.text).join(', ');
  }
}

/** Excludes the network address and the last address. */
function numbersOf(cidr: Cidr, reserved: readonly number[] = []): NumberRange {
  const base = Number(cidr.network.value);
  const size = Number(cidr.size);
  return new NumberRange(
    base + 1,
    base + size - 2,
    BANDS,
    reserved.map((offset) => base + offset),
  );
}

const ipv4RangeOf = ({ spec }: ServiceCIDR): Cidr | undefined =>
  spec?.cidrs?.map((text) => Cidr.parse(text)).find((cidr) => cidr?.family === 'IPv4');

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
  const graceMs = Date.parse(deletionTimestamp) + DELETION_GRACE_MS - Date.now();
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
  const rangesOf = ({ spec }: ServiceCIDR): Cidr[] => (spec?.cidrs ?? []).flatMap((text) => Cidr.parse(text) ?? []);
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

/** A pod's quality-of-service class: which pods the kernel and the eviction order spare. */
import type { Container } from '../../api/core/container.ts';
import type { Pod } from '../../api/core/pod.ts';
import { quantityMilliValue, quantityValue } from '../../api/machinery/quantity.ts';

export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort';

type Resources = Container['resources'];

type Quantities = Readonly<Record<string, string>> | undefined;

const milliCpu = (quantities: Quantities): number => quantityMilliValue(quantities?.cpu ?? '0');
const memoryBytes = (quantities: Quantities): number => quantityValue(quantities?.memory ?? '0');

/** What is not asked for is what the limit says. */
export const cpuRequestMilli = (resources: Resources): number =>
  milliCpu(resources?.requests) || milliCpu(resources?.limits);
export const cpuLimitMilli = (resources: Resources): number => milliCpu(resources?.limits);
export const memoryRequestBytes = (resources: Resources): number =>
  memoryBytes(resources?.requests) || memoryBytes(resources?.limits);
export const memoryLimitBytes = (resources: Resources): number => memoryBytes(resources?.limits);

/** As upstream computes `status.qosClass`: init containers count, ephemeral ones do not. */
export function qosClass(pod: Pod): QosClass {
  const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
  let mentions = false;
  let guaranteed = true;
  for (const { resources } of containers) {
    for (const amountOf of [milliCpu, memoryBytes]) {
      const request = amountOf(resources?.requests);
      const limit = amountOf(resources?.limits);
      if (request > 0 || limit > 0) mentions = true;
      if (limit === 0 || (request > 0 && request !== limit)) guaranteed = false;
    }
  }
  if (!mentions) return 'BestEffort';
  return guaranteed ? 'Guaranteed' : 'Burstable';
}

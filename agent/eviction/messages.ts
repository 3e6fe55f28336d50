/** Eviction messages, worded as upstream's: people and programs search for them. */
import { formatQuantity, NANO } from '../../api/machinery/quantity.ts';
import type { Consumption } from './consumption.ts';
import { requestOf, usedOf, type Starved } from './ranking.ts';

export const binaryQuantity = (value: number): string =>
  formatQuantity({ nano: BigInt(Math.floor(value)) * NANO, format: 'BinarySI' });

/** `threshold` and `available` as quantities. */
export function evictionMessage(
  what: Starved,
  threshold: string,
  available: number,
  { pod, total, containers }: Consumption,
): string {
  let text = `The node was low on resource: ${what}. Threshold quantity: ${threshold}, available: ${binaryQuantity(available)}. `;
  if (what !== 'memory' && what !== 'ephemeral-storage') return text;
  const ofPod = usedOf(total, what);
  // With a pod-level request, it is the pod that exceeds it.
  if (ofPod !== undefined && pod.spec?.resources?.requests?.[what] !== undefined) {
    text += `Pod ${pod.metadata?.name} was using ${binaryQuantity(ofPod)}, request is ${binaryQuantity(requestOf(pod.spec, what))}, has larger consumption of ${what}. `;
  }
  for (const container of [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])]) {
    const used = usedOf(containers.get(container.name), what);
    const request = requestOf(container, what);
    if (used === undefined || used <= request) continue;
    text += `Container ${container.name} was using ${binaryQuantity(used)}, request is ${binaryQuantity(request)}, has larger consumption of ${what}. `;
  }
  return text;
}

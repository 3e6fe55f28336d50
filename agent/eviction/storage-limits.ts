/** A pod's own limits of local storage: `sizeLimit` of its emptyDirs, `ephemeral-storage` of its containers. */
import { containerLimit, containersLimit } from '../../api/domain/pod-resources.ts';
import { canonicalQuantity, quantityValue } from '../../api/machinery/quantity.ts';
import type { Consumption } from './consumption.ts';
import { binaryQuantity } from './messages.ts';
import type { Pod } from '../../api/types/core/v1.gen.ts';

const STORAGE = 'ephemeral-storage';

export interface LimitedEmptyDir {
  readonly name: string;
  readonly sizeLimit: string;
}

/** The pod's emptyDirs on disk that have a limit; one in memory is held to its own by the kernel. */
export const limitedEmptyDirs = ({ spec }: Pod): LimitedEmptyDir[] =>
  (spec?.volumes ?? []).flatMap(({ name, emptyDir }) =>
    emptyDir?.sizeLimit && !emptyDir.medium && quantityValue(emptyDir.sizeLimit) > 0
      ? [{ name, sizeLimit: emptyDir.sizeLimit }]
      : [],
  );

/** The containers that have a limit, with it in bytes. */
const limitedContainers = ({ spec }: Pod): { name: string; limit: number }[] =>
  [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])]
    .map(({ name, resources }) => ({ name, limit: containerLimit(resources, STORAGE) }))
    .filter(({ limit }) => limit > 0);

export const limitsContainers = (pod: Pod): boolean => limitedContainers(pod).length > 0;

/** Why the pod is to be evicted; undefined when it is within its limits. */
export function exceededLimit({ pod, total, containers, emptyDirs }: Consumption): string | undefined {
  for (const { name, sizeLimit } of limitedEmptyDirs(pod)) {
    if ((emptyDirs.get(name) ?? 0) > quantityValue(sizeLimit)) {
      return `Usage of EmptyDir volume "${name}" exceeds the limit "${canonicalQuantity(sizeLimit)}". `;
    }
  }
  const limited = limitedContainers(pod);
  const ofPod = containersLimit(pod.spec, STORAGE);
  if (ofPod === undefined) return undefined;
  if ((total.diskBytes ?? 0) > ofPod) {
    return `Pod ephemeral local storage usage exceeds the total limit of containers ${binaryQuantity(ofPod)}. `;
  }
  for (const { name, limit } of limited) {
    if ((containers.get(name)?.diskBytes ?? 0) > limit) {
      return `Container ${name} exceeded its local ephemeral storage limit "${binaryQuantity(limit)}". `;
    }
  }
  return undefined;
}

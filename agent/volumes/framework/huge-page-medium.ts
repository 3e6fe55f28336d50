/** The size of the pages of an emptyDir of huge pages. Pure. https://kubernetes.io/docs/tasks/manage-hugepages/scheduling-hugepages/ */
import { requestedResources } from '../../../api/domain/pod-resources.ts';
import { isQuantity, quantityValue } from '../../../api/machinery/quantity.ts';
import { pageSizeOf } from '../../host/huge-pages.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

const ANY_SIZE = 'HugePages';
const OF_SIZE = `${ANY_SIZE}-`;

export const isHugePagesMedium = (medium: string): boolean => medium === ANY_SIZE || medium.startsWith(OF_SIZE);

/** In bytes: what the medium says, of which the pod must request some, or the only size that the pod requests. Throws Error, in upstream's words. */
export function hugePageBytes(medium: string, { spec }: Pod): number {
  const sizes = [...requestedResources(spec)].map(pageSizeOf).filter((size) => size !== undefined);
  const requested = new Set(sizes);
  const named = medium.slice(OF_SIZE.length);
  if (medium !== ANY_SIZE && !isQuantity(named)) throw new Error(`unknown storage medium ${JSON.stringify(medium)}`);
  if (medium === ANY_SIZE && requested.size > 1)
    throw new Error(`medium: ${medium} can't be used if container requests multiple huge page sizes`);
  const [wanted] = medium === ANY_SIZE ? requested : [quantityValue(named)];
  if (wanted === undefined || !requested.has(wanted))
    throw new Error(`medium ${medium}: hugePages storage requested, but there is no resource request for huge pages`);
  return wanted;
}

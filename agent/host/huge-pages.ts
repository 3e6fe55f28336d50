/**
 * Huge pages: the sizes that the kernel has, and how cgroups and runtimes name them (Documentation/admin-guide/cgroup-v1/hugetlb.rst).
 */
import { isQuantity, quantityValue } from '../../api/machinery/quantity.ts';

const KIB = 1024;
const RESOURCE = 'hugepages-';

/** In bytes, of the resource `hugepages-2Mi`; undefined for other names. */
export function pageSizeOf(resource: string): number | undefined {
  if (!resource.startsWith(RESOURCE)) return undefined;
  const size = resource.slice(RESOURCE.length);
  return isQuantity(size) ? quantityValue(size) : undefined;
}

/** `2MB`, `1GB`; of a size in bytes. */
export function pageSizeName(bytes: number): string {
  let size = bytes / KIB;
  for (const unit of ['KB', 'MB']) {
    if (size < KIB || size % KIB !== 0) return `${size}${unit}`;
    size /= KIB;
  }
  return `${size}GB`;
}

/** Of the files of a cgroup, those that limit huge pages, by the name of their size. With what is reserved and not used yet (`rsvd`). */
export function hugePageLimitFiles(names: readonly string[]): { readonly file: string; readonly size: string }[] {
  return names.flatMap((file) => {
    const size = /^hugetlb\.(\d+[KMG]B)\.(?:rsvd\.)?(?:max|limit_in_bytes)$/.exec(file)?.[1];
    return size === undefined ? [] : [{ file, size }];
  });
}

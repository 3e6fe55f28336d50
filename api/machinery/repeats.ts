/** Few keys are compared with each other: that costs less than a set of them. */
const FEW = 8;

/** Whether two of the items have the same key. */
export function hasRepeats<T>(items: readonly T[], keyOf: (item: T) => string): boolean {
  if (items.length > FEW) return new Set(items.map(keyOf)).size < items.length;
  for (let index = 1; index < items.length; index++) {
    const key = keyOf(items[index]!);
    for (let other = 0; other < index; other++) if (keyOf(items[other]!) === key) return true;
  }
  return false;
}

/** The checksums of the kubelet's checkpoints: of what Go prints of a structure, with sorted keys. Pure. */

/** FNV-1a, 32 bits. */
const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

export function goChecksum(shown: string): number {
  let hash = FNV_OFFSET;
  for (const byte of Buffer.from(shown)) hash = Math.imul(hash ^ byte, FNV_PRIME) >>> 0;
  return hash;
}

/** A map as Go prints it. */
export const shownMap = (pairs: readonly (readonly [string, string])[]): string =>
  `map[${pairs
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}:${value}`)
    .join(' ')}]`;

/** Hashes by which workloads name what they make of a pod template. */
import { fnvHash } from '../../../api/machinery/fnv-hash.ts';
import { SAFE_ALPHABET } from '../../../api/machinery/safe-alphabet.ts';

/** `collisionCount` makes another name for the same text when the first one is taken. */
export function safeHash(text: string, collisionCount: number | undefined): string {
  const hash = fnvHash(`${text}${collisionCount ?? ''}`);
  return Array.from(String(hash), (digit) => SAFE_ALPHABET[digit.charCodeAt(0) % SAFE_ALPHABET.length]).join('');
}

/** The order of keys is no difference: they are sorted. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

const OFFSET_BASIS = 0x811c9dc5;
const PRIME = 0x01000193;

/** FNV-1a of the text's UTF-8, as an unsigned integer of 32 bits: http://www.isthe.com/chongo/tech/comp/fnv/ */
export function fnvHash(text: string): number {
  let hash = OFFSET_BASIS;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, PRIME);
  return hash >>> 0;
}

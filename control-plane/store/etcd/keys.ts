/** Ranges of keys, as etcd's requests have them: from a key up to, and without, an end. */

export interface KeyRange {
  readonly key: Buffer;
  readonly rangeEnd: Buffer;
}

const ZERO = Buffer.from([0]);

/** Every key that there is. */
export const ALL_KEYS: KeyRange = { key: ZERO, rangeEnd: ZERO };

/** The keys that begin with a prefix, those after `after` when given. A prefix of '' is all keys. */
export function prefixRange(prefix: string, after?: string): KeyRange {
  const start = Buffer.from(prefix);
  const end = endOf(start);
  if (after === undefined) return { key: start.length > 0 ? start : ZERO, rangeEnd: end };
  const next = Buffer.concat([Buffer.from(after), ZERO]);
  return { key: Buffer.compare(next, start) > 0 ? next : start, rangeEnd: end };
}

/** The first key after all that begin with these bytes; a zero byte means that there is no end. */
function endOf(prefix: Buffer): Buffer {
  const last = prefix.findLastIndex((byte) => byte < 0xff);
  if (last < 0) return ZERO;
  const end = Buffer.from(prefix.subarray(0, last + 1));
  end.writeUInt8(end.readUInt8(last) + 1, last);
  return end;
}

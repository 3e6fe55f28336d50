/** Objects as the bytes to store: their limit, and whether they are those that are stored already. */
import { deepEqual } from '../../../api/machinery/deep-equal.ts';
import type { ConvertedEntries } from '../catalogue/converted-entries.ts';
import type { Stored } from '../catalogue/object-meta.ts';
import type { EncodedObject, ServedResource } from '../catalogue/served-resource.ts';
import type { Entry } from './cache/entry.ts';

/** Upstream's limit for a stored object: without it, repeated small patches could grow an object without bound. */
export const MAX_STORED_BYTES = 1.5 * 1024 * 1024;

export const isTooLarge = (stored: Buffer): boolean =>
  stored.length > MAX_STORED_BYTES && unescapedLength(stored) > MAX_STORED_BYTES;

/** An object that is too large for its owners loses them, as upstream, instead of being rejected. */
export function encodeOwned(
  resource: ServedResource,
  object: Stored,
  owners: string,
): EncodedObject | Promise<EncodedObject> {
  if (resource.converted) return encodeConverted(resource.converted, object, owners);
  const encoded = resource.encode(object, owners);
  return owners && isTooLarge(encoded.bytes) ? resource.encode(object, '') : encoded;
}

async function encodeConverted(entries: ConvertedEntries, object: Stored, owners: string): Promise<EncodedObject> {
  const encoded = await entries.encode(object, owners);
  return owners && isTooLarge(encoded.bytes) ? entries.encode(object, '') : encoded;
}

/** An object that has been encoded to be stored, in the version of the resource. */
export const ownBytes = (resource: ServedResource, object: Stored, owners: string, { bytes }: EncodedObject): Buffer =>
  resource.bytes === resource.cache.bytes ? bytes : resource.bytes.encode(object, owners);

/** The length of JSON with `\uXXXX` counted as one byte, as upstream stores it: a file of zeros is six times as long. */
function unescapedLength(json: Buffer): number {
  let { length } = json;
  for (let at = json.indexOf('\\u'); at >= 0; at = json.indexOf('\\u', at + 6)) length -= 5;
  return length;
}

/** Whether `stored` equals the current object, apart from the order of fields. */
export function isUnchanged({ cache }: ServedResource, shown: Entry, stored: Buffer): boolean {
  const current = shown.cached ?? shown;
  // What is stored as another version is written again as the one that is to be stored.
  if (current.version !== undefined) return false;
  if (cache.bytes.sameAs(current.bytes, stored)) return true;
  if (!cache.bytes.mayBeReordered(current.bytes, stored)) return false;
  const served = cache.bytes.serve(stored, current.revision);
  return deepEqual(JSON.parse(served.toString()), JSON.parse(current.bytes.toString()));
}

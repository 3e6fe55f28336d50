/** The names of a backup's parts. None is used as a path before it has been compared with these. Pure. */
export const HEADER = 'header.json';
export const MANIFEST = 'manifest.json';

/** Part number `number`, from 1, of the objects. */
export const objectsPart = (number: number): string => `objects/${String(number).padStart(6, '0')}.jsonl`;

const FILE = /^(pki|settings)\/(?!\.)[A-Za-z0-9._-]{1,80}$/;
const OBJECTS = /^objects\/\d{6,9}\.jsonl$/;
/** A part of the objects, with the longest object behind it. */
const MAX_OBJECTS_BYTES = 32 * 2 ** 20;
const MAX_FILE_BYTES = 2 * 2 ** 20;
/** The manifest names all parts: 100 bytes for each 4 MiB. */
const MAX_MANIFEST_BYTES = 16 * 2 ** 20;

/** Of 4 MiB each, but for the last ones: far more than any store has. */
export const MAX_PARTS = 10_000;

export const isFilePart = (name: string): boolean => FILE.test(name);
export const isObjectsPart = (name: string): boolean => OBJECTS.test(name);

/** The most bytes of a part; undefined when no backup has such a part. */
export function maxPartBytes(name: string): number | undefined {
  if (name === HEADER || isFilePart(name)) return MAX_FILE_BYTES;
  if (name === MANIFEST) return MAX_MANIFEST_BYTES;
  return isObjectsPart(name) ? MAX_OBJECTS_BYTES : undefined;
}

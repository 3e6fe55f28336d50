/**
 * The header of a member of a tar archive in the format ustar, and what lies around the members. Pure.
 * https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html (ustar Interchange Format)
 */

export const BLOCK = 512;
const AT = {
  ...{ name: 0, mode: 100, uid: 108, gid: 116, size: 124, time: 136, sum: 148, type: 156 },
  ...{ magic: 257, version: 263, user: 265, group: 297, prefix: 345 },
} as const;
const NAME_BYTES = 100;
const PREFIX_BYTES = 155;
const SUM_BYTES = 8;

export interface TarHeader {
  /** As it is written: anything may be in it. */
  readonly name: string;
  /** Of the content, which is padded to whole blocks. */
  readonly size: number;
  /** `0` a file, `5` a folder, `2` a link, ... */
  readonly type: string;
  readonly mode: number;
  /** Otherwise of an older format, which has no `name` of more than a hundred bytes. */
  readonly isUstar: boolean;
}

/** Of the content of a member, to its next block. */
export const paddingOf = (size: number): number => (BLOCK - (size % BLOCK)) % BLOCK;

/** What an archive ends with. */
export const tarEnd = (): Buffer => Buffer.alloc(2 * BLOCK);

/** Whether a block is one of those that an archive ends with. */
export const isEndBlock = (block: Buffer): boolean => block.every((byte) => byte === 0);

/** Undefined for a block that is no header: its checksum says so, or a number is none. */
export function readHeader(block: Buffer): TarHeader | undefined {
  const [mode, size, sum] = [
    octalAt(block, AT.mode, 8),
    octalAt(block, AT.size, 12),
    octalAt(block, AT.sum, SUM_BYTES),
  ];
  if (mode === undefined || size === undefined || sum !== sumOf(block)) return undefined;
  const isUstar = textAt(block, AT.magic, 5) === 'ustar';
  const prefix = isUstar ? textAt(block, AT.prefix, PREFIX_BYTES) : '';
  const name = textAt(block, AT.name, NAME_BYTES);
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    ...{ size, mode, isUstar },
    type: block.toString('latin1', AT.type, AT.type + 1),
  };
}

/** The text of a field, which a NUL ends. */
export function textAt(block: Buffer, at: number, length: number): string {
  const field = block.subarray(at, at + length);
  const end = field.indexOf(0);
  return field.toString('utf8', 0, end < 0 ? field.length : end);
}

function octalAt(block: Buffer, at: number, length: number): number | undefined {
  const text = textAt(block, at, length).trim();
  return /^[0-7]{1,11}$/.test(text) ? parseInt(text, 8) : undefined;
}

/** The sum of a header's bytes, with its own field as spaces. */
function sumOf(block: Buffer): number {
  let sum = 0;
  for (const [index, byte] of block.entries()) sum += index >= AT.sum && index < AT.sum + SUM_BYTES ? 0x20 : byte;
  return sum;
}

export interface NewMember {
  readonly name: string;
  readonly size: number;
  readonly mode: number;
  /** Milliseconds since the epoch. */
  readonly modifiedAt: number;
  /** Default: a file. */
  readonly type?: string;
}

/** Of root's. Throws RangeError for a name that the format does not have room for. */
export function writeHeader({ name, size, mode, modifiedAt, type = '0' }: NewMember): Buffer {
  if (Buffer.byteLength(name) > NAME_BYTES) throw new RangeError(`${name} is longer than ${NAME_BYTES} bytes`);
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, digits: number): number =>
    block.write(value.toString(8).padStart(digits, '0'), at, 'latin1');
  block.write(name, AT.name);
  octal(mode, AT.mode, 7);
  octal(0, AT.uid, 7);
  octal(0, AT.gid, 7);
  octal(size, AT.size, 11);
  octal(Math.floor(modifiedAt / 1000), AT.time, 11);
  block.write(type, AT.type, 'latin1');
  block.write('ustar\x0000', AT.magic, 'latin1');
  block.write('root', AT.user, 'latin1');
  block.write('root', AT.group, 'latin1');
  octal(sumOf(block), AT.sum, 6);
  block.write('\0 ', AT.sum + 6, 'latin1');
  return block;
}

/** A whole member. */
export const tarMember = (member: Omit<NewMember, 'size'>, content: Buffer): Buffer[] => [
  writeHeader({ ...member, size: content.length }),
  content,
  Buffer.alloc(paddingOf(content.length)),
];

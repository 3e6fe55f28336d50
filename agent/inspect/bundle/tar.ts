/** Members of a tar archive in the format ustar: https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html. Pure. */

const BLOCK = 512;
const MAX_NAME = 100;
const FILE_MODE = '0000600';

/** A field of a header: octal digits and a NUL, or text filled with NULs. */
const octal = (value: number, width: number): string => `${value.toString(8).padStart(width - 1, '0')}\0`;
const field = (text: string, width: number): string => text.padEnd(width, '\0');

/** @param modifiedAt in ms since the epoch. Throws RangeError for a name that the format does not have room for. */
export function tarMember(name: string, content: Buffer, modifiedAt: number): Buffer[] {
  if (Buffer.byteLength(name) > MAX_NAME) throw new RangeError(`${name} is longer than ${MAX_NAME} bytes`);
  const before = `${field(name, MAX_NAME)}${FILE_MODE}\0${octal(0, 8)}${octal(0, 8)}${octal(content.length, 12)}${octal(Math.floor(modifiedAt / 1000), 12)}`;
  const after = `0${field('', 100)}ustar\0${'00'}${field('root', 32)}${field('root', 32)}${octal(0, 8)}${octal(0, 8)}`;
  const header = Buffer.alloc(BLOCK);
  header.write(`${before}        ${after}`, 'latin1');
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${octal(sum, 7)} `, before.length, 'latin1');
  return [header, content, Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK)];
}

/** What an archive ends with. */
export const tarEnd = (): Buffer => Buffer.alloc(2 * BLOCK);

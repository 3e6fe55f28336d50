/** A parser for DER (X.690): definite lengths in their shortest form, no trailing data. */

export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  teletexString: 0x14,
  ia5String: 0x16,
  sequence: 0x30,
  set: 0x31,
} as const;

export interface DerElement {
  readonly tag: number;
  readonly content: Buffer;
  /** Tag and length included. */
  readonly bytes: Buffer;
}

export class DerError extends Error {
  override readonly name = 'DerError';
}

/** Tags above 30 take more than one byte. No element of a certificate request has one. */
const LONG_TAG = 0x1f;
/** In bytes of the length: more than a request body can hold. */
const MAX_LENGTH_BYTES = 4;

/** The consecutive elements in `bytes`. Throws DerError unless they fill it. */
function readElements(bytes: Buffer): DerElement[] {
  const found: DerElement[] = [];
  for (let at = 0; at < bytes.length;) {
    const start = at;
    const [tag, first] = [bytes[at], bytes[at + 1]];
    if (tag === undefined || first === undefined) throw new DerError('truncated element');
    if ((tag & LONG_TAG) === LONG_TAG) throw new DerError('unexpected tag');
    at += 2;
    let length = first;
    if (first >= 0x80) {
      const size = first & 0x7f;
      if (size === 0 || size > MAX_LENGTH_BYTES || at + size > bytes.length) throw new DerError('invalid length');
      length = bytes.readUIntBE(at, size);
      at += size;
      if (length < 0x80 || length < 2 ** (8 * (size - 1))) throw new DerError('length is not minimally encoded');
    }
    if (at + length > bytes.length) throw new DerError('truncated element');
    found.push({ tag, content: bytes.subarray(at, at + length), bytes: bytes.subarray(start, at + length) });
    at += length;
  }
  return found;
}

/** The single element in `bytes`. Throws DerError for more than one, or another tag. */
export function readElement(bytes: Buffer, tag: number): DerElement {
  const [element, ...more] = readElements(bytes);
  if (more.length > 0) throw new DerError('trailing data');
  return expectTag(element, tag);
}

export function expectTag(element: DerElement | undefined, tag: number): DerElement {
  if (element?.tag !== tag) throw new DerError('unexpected element');
  return element;
}

/** The elements of a sequence or set. Throws DerError for another tag. */
export const partsOf = (element: DerElement | undefined, tag: number): DerElement[] =>
  readElements(expectTag(element, tag).content);

/** An object identifier as `2.5.4.3`. */
export function objectIdentifier(element: DerElement | undefined): string {
  const { content } = expectTag(element, TAG.objectIdentifier);
  const arcs: number[] = [];
  let arc = 0;
  for (const [index, byte] of content.entries()) {
    if (arc === 0 && byte === 0x80) throw new DerError('object identifier is not minimally encoded');
    arc = arc * 0x80 + (byte & 0x7f);
    if (!Number.isSafeInteger(arc)) throw new DerError('object identifier is too large');
    if (byte < 0x80) {
      arcs.push(arc);
      arc = 0;
    } else if (index === content.length - 1) throw new DerError('truncated object identifier');
  }
  const [first, ...rest] = arcs;
  if (first === undefined) throw new DerError('empty object identifier');
  const root = Math.min(2, Math.floor(first / 40));
  return [root, first - root * 40, ...rest].join('.');
}

/** The bytes of a bit string that has no unused bits. */
export function bitString(element: DerElement | undefined): Buffer {
  const { content } = expectTag(element, TAG.bitString);
  if (content[0] !== 0) throw new DerError('unexpected unused bits');
  return content.subarray(1);
}

/** A directory string. Encodings that parsers interpret differently are rejected. */
export function directoryString({ tag, content }: DerElement): string {
  switch (tag) {
    case TAG.utf8String:
      return utf8(content);
    case TAG.printableString:
    case TAG.teletexString:
    case TAG.ia5String:
      return ascii(content);
    default:
      throw new DerError('unexpected string type');
  }
}

export function ascii(bytes: Buffer): string {
  if (bytes.some((byte) => byte >= 0x80)) throw new DerError('string is not ASCII');
  return bytes.toString('latin1');
}

function utf8(bytes: Buffer): string {
  const text = bytes.toString('utf8');
  if (!Buffer.from(text, 'utf8').equals(bytes)) throw new DerError('string is not UTF-8');
  return text;
}

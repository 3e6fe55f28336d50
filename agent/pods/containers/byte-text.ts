/**
 * Bytes as text of which each character is one byte, to search for ASCII in values that may not be UTF-8: a Secret's
 * value may be any bytes, and they reach the container as they are.
 */
import { isUtf8 } from 'node:buffer';

export const byteText = (value: string | Buffer): string =>
  (typeof value === 'string' ? Buffer.from(value) : value).toString('latin1');

export const bytesOf = (text: string): Buffer => Buffer.from(text, 'latin1');

/** The bytes as UTF-8; undefined where they are invalid. */
export const decodeUtf8 = (bytes: Buffer): string | undefined => (isUtf8(bytes) ? bytes.toString() : undefined);

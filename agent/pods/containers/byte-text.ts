/**
 * Bytes as text of which each character is one byte, for what looks for ASCII in values that need not be sound text: a Secret's
 * value may be any bytes, and they reach the container as they are.
 */
import { isUtf8 } from 'node:buffer';

export const byteText = (value: string | Buffer): string =>
  (typeof value === 'string' ? Buffer.from(value) : value).toString('latin1');

export const bytesOf = (text: string): Buffer => Buffer.from(text, 'latin1');

/** The text that the bytes are; undefined where they are none. */
export const soundText = (bytes: Buffer): string | undefined => (isUtf8(bytes) ? bytes.toString() : undefined);

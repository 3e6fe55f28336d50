/** Writes fields of protobuf's wire format (https://protobuf.dev/programming-guides/encoding); `wire.ts` reads them. */
import { LENGTH_DELIMITED, VARINT } from './wire.ts';

/** A field whose value has a length: a string, bytes or a message. */
export const lengthDelimited = (field: number, content: Buffer): Buffer =>
  Buffer.concat([Buffer.from([...varint((field << 3) | LENGTH_DELIMITED), ...varint(content.length)]), content]);

/** A field with an integer below 2^32, or a boolean as 1. */
export const integerField = (field: number, value: number): Buffer =>
  Buffer.from([...varint((field << 3) | VARINT), ...varint(value)]);

function varint(value: number): number[] {
  const bytes: number[] = [];
  let left = value;
  for (; left >= 0x80; left >>>= 7) bytes.push((left & 0x7f) | 0x80);
  bytes.push(left);
  return bytes;
}

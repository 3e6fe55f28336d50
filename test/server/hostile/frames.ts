/** Raw HTTP/2: frames that no library would send. https://www.rfc-editor.org/rfc/rfc9113 */

const TYPES = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  push: 5,
  ping: 6,
  goaway: 7,
  window: 8,
  continuation: 9,
} as const;
export const END_STREAM = 1;
export const END_HEADERS = 4;
export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

export function frame(type: keyof typeof TYPES, flags: number, stream: number, payload: Buffer | string = ''): Buffer {
  const content = Buffer.from(payload);
  const head = Buffer.alloc(9);
  head.writeUIntBE(content.length, 0, 3);
  head.writeUInt8(TYPES[type], 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, content]);
}

export const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};

/** HPACK: literals that are not indexed, as they are. */
export const hpack = (...fields: readonly (readonly [name: string, value: string])[]): Buffer =>
  Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]));

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1');
  return Buffer.concat([integer(bytes.length), bytes]);
}

/** With a prefix of 7 bits. */
function integer(value: number): Buffer {
  if (value < 127) return Buffer.from([value]);
  const bytes = [127];
  for (value -= 127; value > 127; value = value >> 7) bytes.push((value & 127) | 128);
  return Buffer.from([...bytes, value]);
}

/** A connection with a valid preface, followed by these frames. */
export const conversation = (...frames: readonly Buffer[]): Buffer =>
  Buffer.concat([PREFACE, frame('settings', 0, 0), ...frames]);

const escaped = (bytes: Buffer): string =>
  [...bytes].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');

/** Matches what a server sent when a GOAWAY with the error is among it; NO_ERROR is 0. */
export const goAway = (...codes: readonly number[]): RegExp =>
  new RegExp(`\\x07\\x00\\x00\\x00\\x00\\x00[^]{4}(?:${codes.map((code) => escaped(uint32(code))).join('|')})`);

/** Matches when the stream was reset with one of the errors. */
export const reset = (stream: number, ...codes: readonly number[]): RegExp =>
  new RegExp(
    `${escaped(frame('reset', 0, stream, uint32(0)).subarray(0, 9))}(?:${codes.map((code) => escaped(uint32(code))).join('|')})`,
  );

export const either = (...patterns: readonly RegExp[]): RegExp =>
  new RegExp(patterns.map(({ source }) => `(?:${source})`).join('|'));

/** Of https://www.rfc-editor.org/rfc/rfc9113#section-7. */
export const ERRORS = {
  none: 0,
  protocol: 1,
  internal: 2,
  flowControl: 3,
  streamClosed: 5,
  frameSize: 6,
  refused: 7,
  cancel: 8,
  compression: 9,
  enhanceYourCalm: 11,
} as const;

/** The relay of SPDY frames with hostile bytes from both sides: nothing is lost, and nothing throws. */
import type { Transform } from 'node:stream';
import {
  FRAME_HEAD_BYTES,
  FrameType,
  pingFrame,
  synStreamFrame,
  dataFrameHead,
} from '../../agent/server/spdy-frames.ts';
import { spdyRelay } from '../../agent/server/spdy-relay.ts';
import { check, type Fuzzer } from './fuzzer.ts';
import type { Random } from './random.ts';

/** Frames, parts of frames and no frames at all. */
function hostile(random: Random): Buffer {
  const piece = (): Buffer => {
    switch (random.below(7)) {
      case 0:
        return random.bytes(40);
      case 1: {
        const id = Buffer.alloc(4);
        id.writeUInt32BE(random.below(2) ? random.below(9) : 0x80000000 + random.below(9));
        return pingFrame(id);
      }
      case 2:
        return pingFrame(random.bytes(9));
      case 3:
        return dataFrameHead(random.below(4), random.below(30), random.chance(2));
      case 4:
        return synStreamFrame(1 + random.below(5), random.bytes(20));
      case 5:
        // A length that never comes.
        return Buffer.concat([
          Buffer.from([0x80, 3, 0, random.below(12), 0, random.below(3), random.below(256), random.below(256)]),
        ]);
      default: {
        const whole = pingFrame(Buffer.alloc(4, 1));
        return whole.subarray(random.below(whole.length));
      }
    }
  };
  return Buffer.concat(random.times(12, piece));
}

/** What of the client's bytes reaches the runtime: all but whole pings with odd ids, at places where frames begin. */
function expected(bytes: Buffer): { passed: Buffer; pings: number } {
  const passed: Buffer[] = [];
  let pings = 0;
  for (let at = 0; at < bytes.length;) {
    const rest = bytes.subarray(at);
    const length = rest.length < FRAME_HEAD_BYTES ? 0 : rest.readUIntBE(5, 3);
    const frame = rest.length < FRAME_HEAD_BYTES ? rest : rest.subarray(0, FRAME_HEAD_BYTES + length);
    const isPing =
      frame.length === FRAME_HEAD_BYTES + 4 &&
      length === 4 &&
      frame.readUInt8(0) >= 0x80 &&
      frame.readUInt16BE(2) === FrameType.ping &&
      frame.readUInt8(frame.length - 1) % 2 === 1;
    if (isPing) pings++;
    else passed.push(frame);
    at += frame.length;
  }
  return { passed: Buffer.concat(passed), pings };
}

async function fed(random: Random, stream: Transform, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const size = 1 + random.below(random.chance(3) ? 200 : 12);
    const chunk = bytes.subarray(at, at + size);
    await new Promise<void>((resolve, reject) => stream.write(chunk, (error) => (error ? reject(error) : resolve())));
    at += size;
  }
}

function collected(stream: Transform): Buffer[] {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  return chunks;
}

const ended = (stream: Transform): Promise<unknown> =>
  new Promise((resolve, reject) => {
    stream.on('end', resolve);
    stream.on('error', reject);
    stream.end();
  });

export const spdy: Fuzzer = {
  name: 'spdy',
  cases: 400,
  async run(random) {
    const { toClient, toRuntime } = spdyRelay();
    const [atClient, atRuntime] = [collected(toClient), collected(toRuntime)];
    const [up, down] = [hostile(random), hostile(random)];
    await fed(random, toRuntime, up);
    await fed(random, toClient, down);
    await ended(toRuntime);
    await ended(toClient);
    const { passed, pings } = expected(up);
    check(
      Buffer.concat(atRuntime).equals(passed),
      'what the runtime gets',
      up.toString('hex'),
      Buffer.concat(atRuntime).toString('hex'),
    );
    const answered = Buffer.concat(atClient);
    check(
      answered.length >= down.length && answered.length <= down.length + pings * 12,
      'what the client gets',
      up.toString('hex'),
      down.toString('hex'),
    );
    if (pings === 0) check(answered.equals(down), 'what the client gets without pings', down.toString('hex'));
  },
};

/** The relay against a model: any frames, split anywhere, read at any speed. */
import type { Transform } from 'node:stream';
import t from 'tap';
import {
  dataFrameHead,
  FRAME_HEAD_BYTES,
  FrameType,
  parseFrameHead,
  pingFrame,
  rstStreamFrame,
} from '../../../agent/server/spdy-frames.ts';
import { spdyRelay } from '../../../agent/server/spdy-relay.ts';
import { eventually } from '../../support/wait.ts';

const SEEDS = 150;
/** Odd ping ids from here on are the runtime's own; lower ones are replies to forwarded pings. */
const FIRST_OF_RUNTIME = 1_000_001;

/** A linear congruential generator (Numerical Recipes): the same numbers for the same seed. */
class Dice {
  #state: number;
  constructor(seed: number) {
    this.#state = seed;
  }
  below(limit: number): number {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0;
    return Math.floor((this.#state / 2 ** 32) * limit);
  }
  chance(oneIn: number): boolean {
    return this.below(oneIn) === 0;
  }
}

const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const ping = (id: number): Buffer => pingFrame(uint32(id));

function controlFrame(type: number, payload: Buffer): Buffer {
  const head = Buffer.from([0x80, 3, 0, type, 0, 0, 0, 0]);
  head.writeUIntBE(payload.length, 5, 3);
  return Buffer.concat([head, payload]);
}

/** Bytes that look like the start, the middle or the whole of a ping. */
function disguise(dice: Dice): Buffer {
  const pings = Buffer.concat(Array.from({ length: 1 + dice.below(4) }, () => ping(1 + dice.below(8))));
  return pings.subarray(dice.below(12), pings.length - dice.below(12));
}

interface Sent {
  readonly bytes: Buffer;
  /** The id of a client's ping. */
  readonly ping?: number;
}

function anyFrame(dice: Dice, pingId: number): Sent {
  switch (dice.below(10)) {
    case 0:
    case 1:
      return { bytes: ping(pingId), ping: pingId };
    case 2:
      return { bytes: ping(2 * (1 + dice.below(100))) };
    case 3:
      // An unsolicited reply of unknown meaning.
      return { bytes: controlFrame(FrameType.ping, Buffer.concat([uint32(1), uint32(1), disguise(dice)])) };
    case 4:
      return { bytes: controlFrame(FrameType.goAway, Buffer.concat([uint32(7), uint32(0)])) };
    case 5:
      return { bytes: rstStreamFrame(1 + dice.below(9)) };
    case 6:
      return { bytes: controlFrame(FrameType.settings, Buffer.concat([uint32(1), disguise(dice)])) };
    case 7:
      return { bytes: dataFrameHead(1 + dice.below(9), 0, dice.chance(2)) };
    default: {
      const data = dice.chance(20) ? Buffer.alloc(dice.below(100_000), ping(1)) : disguise(dice);
      return { bytes: Buffer.concat([dataFrameHead(1 + dice.below(9), data.length, false), data]) };
    }
  }
}

function anyFrames(dice: Dice, firstPing: number): Sent[] {
  let pingId = firstPing - 2;
  return Array.from({ length: dice.below(40) }, () => anyFrame(dice, (pingId += 2)));
}

const bytesOf = (frames: readonly Sent[]): Buffer => Buffer.concat(frames.map(({ bytes }) => bytes));

/** Splits the bytes, mostly into short chunks. */
function* cut(dice: Dice, bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length;) {
    const size = 1 + dice.below(dice.chance(4) ? 70_000 : 30);
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

/** Reads the output at irregular speed. */
function reader(dice: Dice, stream: Transform): { bytes(): Buffer; ended(): boolean } {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    if (!dice.chance(3)) return;
    stream.pause();
    setImmediate(() => stream.resume());
  });
  return { bytes: () => Buffer.concat(chunks), ended: () => stream.readableEnded };
}

async function write(stream: Transform, bytes: Buffer): Promise<void> {
  await new Promise((resolve) => stream.write(bytes, resolve));
}

/** The client's output without the replies that the relay has inserted, and the ids of those. */
function withoutAnswers(bytes: Buffer): { rest: Buffer; answered: number[] } {
  const kept: Buffer[] = [];
  const answered: number[] = [];
  for (let at = 0; at < bytes.length;) {
    const there = bytes.length - at;
    const head = there < FRAME_HEAD_BYTES ? undefined : parseFrameHead(bytes, at);
    const frame = bytes.subarray(at, head && at + FRAME_HEAD_BYTES + head.length);
    const isPing = head?.control && head.type === FrameType.ping && frame.length === ping(1).length;
    const id = isPing ? frame.readUInt32BE(FRAME_HEAD_BYTES) : 0;
    if (id % 2 === 1 && id < FIRST_OF_RUNTIME) answered.push(id);
    else kept.push(frame);
    at += frame.length;
  }
  return { rest: Buffer.concat(kept), answered };
}

t.test("every byte is forwarded in order except the client's pings, each of which has one reply", async (t) => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const dice = new Dice(seed);
    const { toClient, toRuntime } = spdyRelay();
    const [atClient, atRuntime] = [reader(dice, toClient), reader(dice, toRuntime)];
    const [up, down] = [anyFrames(dice, 1), anyFrames(dice, FIRST_OF_RUNTIME)];
    // A truncated last frame is forwarded as it is.
    const stump = dice.chance(2) ? ping(1).subarray(0, dice.below(12)) : Buffer.alloc(0);
    const [ups, downs] = [cut(dice, bytesOf(up)), cut(dice, bytesOf(down))];
    const pings = up.flatMap((frame) => frame.ping ?? []);
    let [upward, downward] = [ups.next(), downs.next()];
    while (!upward.done || !downward.done) {
      if (!upward.done && (downward.done || dice.chance(2))) {
        await write(toRuntime, upward.value);
        upward = ups.next();
      } else if (!downward.done) {
        await write(toClient, downward.value);
        downward = downs.next();
      }
    }
    await eventually(
      `the replies of seed ${seed}`,
      () => withoutAnswers(atClient.bytes()).answered.length >= pings.length,
    );
    toRuntime.end(stump);
    toClient.end(stump);
    await eventually(`the ends of seed ${seed}`, () => atClient.ended() && atRuntime.ended());

    const passed = up.filter((frame) => frame.ping === undefined);
    const { rest, answered } = withoutAnswers(atClient.bytes());
    const isRight =
      atRuntime.bytes().equals(Buffer.concat([bytesOf(passed), stump])) &&
      rest.equals(Buffer.concat([bytesOf(down), stump])) &&
      answered.join() === pings.join();
    if (!isRight) {
      t.strictSame(atRuntime.bytes(), Buffer.concat([bytesOf(passed), stump]), `seed ${seed}: to the runtime`);
      t.strictSame(rest, Buffer.concat([bytesOf(down), stump]), `seed ${seed}: to the client`);
      t.strictSame(answered, pings, `seed ${seed}: answers`);
      return;
    }
  }
});

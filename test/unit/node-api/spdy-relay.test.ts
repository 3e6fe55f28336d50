import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import type { Transform } from 'node:stream';
import t, { type Test } from 'tap';
import { dataFrameHead, HeaderBlockWriter, pingFrame, synStreamFrame } from '../../../agent/server/spdy-frames.ts';
import { spdyRelay } from '../../../agent/server/spdy-relay.ts';
import { joinConnections } from '../../../client/upgrade.ts';
import { eventually } from '../../support/wait.ts';

const ping = (id: number): Buffer => {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(id);
  return pingFrame(payload);
};
const data = (bytes: Buffer): Buffer => Buffer.concat([dataFrameHead(1, bytes.length, false), bytes]);
/** A data frame whose content looks like a ping. */
const likePing = data(ping(7));
const syn = synStreamFrame(1, new HeaderBlockWriter().write({ streamtype: 'stdout' }));

/** Two ends of one TCP connection. */
async function connection(t: Test): Promise<[Socket, Socket]> {
  const server = createServer({ allowHalfOpen: true });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const [[accepted], dialed] = await Promise.all([
    once(server, 'connection') as Promise<[Socket]>,
    Promise.resolve(connect((server.address() as AddressInfo).port, '127.0.0.1')),
  ]);
  t.teardown(() => {
    for (const socket of [accepted, dialed]) socket.destroy();
    server.close();
  });
  return [dialed, accepted];
}

/** A client and a runtime connected by the relay. */
async function joined(t: Test): Promise<{ client: Socket; runtime: Socket }> {
  const [client, one] = await connection(t);
  const [other, runtime] = await connection(t);
  const { toClient, toRuntime } = spdyRelay();
  void joinConnections(one, other, { toOne: toClient, toOther: toRuntime });
  return { client, runtime };
}

/** Writes the bytes in chunks of any size. */
async function dribble(socket: Socket, bytes: Buffer, seed: number): Promise<void> {
  socket.setNoDelay(true);
  for (let at = 0, turn = seed; at < bytes.length; turn++) {
    const size = 1 + ((turn * 7919) % 23);
    await new Promise((resolve) => socket.write(bytes.subarray(at, at + size), resolve));
    at += size;
  }
}

/** What the socket receives. */
function received(socket: Socket): () => Buffer {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  return () => Buffer.concat(chunks);
}

/** The output, chunk by chunk. */
function piecesOf(stream: Transform): Buffer[] {
  const pieces: Buffer[] = [];
  stream.on('data', (piece: Buffer) => pieces.push(piece));
  return pieces;
}

t.test("the client's pings get replies from the relay, everything else is forwarded", async (t) => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const { client, runtime } = await joined(t);
    const [atClient, atRuntime] = [received(client), received(runtime)];
    await dribble(client, Buffer.concat([syn, ping(1), likePing, ping(2), ping(3), data(Buffer.from('in'))]), seed);
    const up = Buffer.concat([syn, likePing, ping(2), data(Buffer.from('in'))]);
    await eventually('all of the input', () => atRuntime().length >= up.length);
    t.strictSame(atRuntime(), up);
    await eventually('the answers', () => atClient().length >= 24);
    await dribble(runtime, Buffer.concat([syn, likePing, ping(4), data(Buffer.from('out'))]), seed);
    runtime.end();
    await once(client, 'end');
    t.strictSame(atClient(), Buffer.concat([ping(1), ping(3), syn, likePing, ping(4), data(Buffer.from('out'))]));
  }
});

t.test('content that looks like a ping is forwarded, wherever the frame is split', async (t) => {
  for (let cut = 1; cut < likePing.length; cut++) {
    const { toClient, toRuntime } = spdyRelay();
    const passed: Buffer[] = [];
    toRuntime.on('data', (chunk: Buffer) => passed.push(chunk));
    toRuntime.write(likePing.subarray(0, cut));
    toRuntime.end(likePing.subarray(cut));
    await once(toRuntime, 'end');
    t.strictSame(Buffer.concat(passed), likePing, `after ${cut} bytes`);
    t.equal(toClient.readableLength, 0);
  }
});

t.test('a reply waits for the end of the current frame', async (t) => {
  const { client, runtime } = await joined(t);
  const frame = data(Buffer.from('first half, second half'));
  runtime.write(frame.subarray(0, 20));
  const [first] = (await once(client, 'data')) as [Buffer];
  t.strictSame(first, frame.subarray(0, 20));
  const rest = received(client);
  client.write(Buffer.concat([ping(1), data(Buffer.from('after the ping'))]));
  await once(runtime, 'data');
  t.strictSame(rest(), Buffer.alloc(0));
  runtime.write(frame.subarray(20));
  await eventually('the answer', () => rest().equals(Buffer.concat([frame.subarray(20), ping(1)])));
});

t.test('buffered output for a slow client survives its pings after the runtime has closed', async (t) => {
  const { client, runtime } = await joined(t);
  // As much as the connections can buffer.
  const block = data(randomBytes(1024 * 1024));
  let blocks = 0;
  const written = (): Promise<boolean> =>
    new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), 300);
      runtime.write(block, () => {
        clearTimeout(timer);
        resolve(true);
      });
      blocks++;
    });
  while (await written()) t.ok(blocks < 500);
  runtime.end();
  // Both directions of the runtime close as soon as the kernel has the last output.
  runtime.on('finish', () => runtime.destroy());
  for (let id = 1; id < 400; id += 2) client.write(ping(id));
  let bytes = 0;
  client.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    client.write(ping(401));
  });
  client.resume();
  await once(client, 'end');
  t.ok(bytes >= blocks * block.length, `${bytes} of ${blocks * block.length}`);
});

t.test('a client that does not read replies takes bounded memory', async (t) => {
  const { toClient, toRuntime } = spdyRelay();
  const many = Buffer.concat(Array.from({ length: 10_000 }, (_, i) => ping(2 * i + 1)));
  for (let round = 0; round < 20; round++) toRuntime.write(many);
  toRuntime.resume();
  t.ok(toClient.readableLength <= 64 * 1024 + 64 * 12, `${toClient.readableLength} bytes`);
  t.equal(toRuntime.readableLength, 0);
});

t.test('frames that arrive together are forwarded together', async (t) => {
  const many = Buffer.concat(Array.from({ length: 1000 }, () => data(Buffer.from('a line\n'))));
  const input = Buffer.concat([many, ping(1), ping(3), many]);
  const { toClient, toRuntime } = spdyRelay();
  const [pieces, answers] = [piecesOf(toRuntime), piecesOf(toClient)];
  toRuntime.write(input);
  t.strictSame(pieces, [many, many]);
  t.strictSame(answers, [Buffer.concat([ping(1), ping(3)])]);
  const frame = data(Buffer.alloc(100, 'x'));
  toClient.write(frame.subarray(0, 50));
  toClient.write(Buffer.concat([frame.subarray(50), many]));
  t.strictSame(answers.slice(1), [frame.subarray(0, 50), frame.subarray(50), many]);
});

t.test('a frame of maximum size is forwarded as it arrives, and pings after it are found', async (t) => {
  const longest = data(Buffer.alloc(2 ** 24 - 1, ping(1)));
  const { toClient, toRuntime } = spdyRelay();
  const [pieces, answers] = [piecesOf(toRuntime), piecesOf(toClient)];
  for (let at = 0; at < longest.length; at += 60_001) {
    toRuntime.write(longest.subarray(at, at + 60_001));
    t.equal(Buffer.concat(pieces.splice(0)).length, Math.min(60_001, longest.length - at));
  }
  t.strictSame(answers, []);
  toRuntime.write(ping(3));
  t.strictSame(answers, [ping(3)]);
});

t.test("a client's pings keep the runtime from closing an idle connection", async (t) => {
  let minutes = 0;
  const { toClient, toRuntime } = spdyRelay(() => minutes * 60_000);
  const [toRuntimeCame, toClientCame] = [piecesOf(toRuntime), piecesOf(toClient)];
  minutes = 9;
  toRuntime.write(ping(1));
  t.strictSame([toRuntimeCame.splice(0), toClientCame.splice(0)], [[], [ping(1)]]);
  minutes = 10;
  toRuntime.write(ping(3));
  t.strictSame([toRuntimeCame.splice(0), toClientCame.splice(0)], [[ping(3)], []], 'passed on');
  toClient.write(ping(3));
  t.strictSame(toClientCame.splice(0), [ping(3)], "the runtime's reply");
  toRuntime.write(ping(5));
  t.strictSame([toRuntimeCame.splice(0), toClientCame.splice(0)], [[], [ping(5)]]);

  minutes = 15;
  toClient.write(data(Buffer.from('output')));
  minutes = 24;
  toRuntime.write(ping(7));
  t.strictSame([toRuntimeCame.splice(0), toClientCame.splice(0).at(-1)], [[], ping(7)], 'output counts');
  toClient.pause();
  toClient.write(data(Buffer.from('buffered output')));
  minutes = 60;
  toRuntime.write(ping(9));
  t.strictSame(toRuntimeCame, [], 'with buffered output, the runtime may have closed');
  t.notOk(toClient.write(data(Buffer.alloc(256 * 1024))));
  minutes = 90;
  toClient.resume();
  await once(toClient, 'drain');
  toRuntime.write(ping(11));
  t.strictSame(toRuntimeCame, [], 'and right after it was read, more may be on its way');
});

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
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
/** A data frame whose bytes look like a ping. */
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

/** A client and a runtime joined over the relay. */
async function joined(t: Test): Promise<{ client: Socket; runtime: Socket }> {
  const [client, one] = await connection(t);
  const [other, runtime] = await connection(t);
  const { toClient, toRuntime } = spdyRelay();
  void joinConnections(one, other, { toOne: toClient, toOther: toRuntime });
  return { client, runtime };
}

/** Writes the bytes in pieces of any size. */
async function dribble(socket: Socket, bytes: Buffer, seed: number): Promise<void> {
  socket.setNoDelay(true);
  for (let at = 0, turn = seed; at < bytes.length; turn++) {
    const size = 1 + ((turn * 7919) % 23);
    await new Promise((resolve) => socket.write(bytes.subarray(at, at + size), resolve));
    at += size;
  }
}

/** What the socket receives, as it comes. */
function received(socket: Socket): () => Buffer {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  return () => Buffer.concat(chunks);
}

t.test("the client's pings are answered here, and all else passes", async (t) => {
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

t.test('bytes of a frame that look like a ping pass, wherever the frame is cut', async (t) => {
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

t.test('an answer waits for the end of a frame that is under way', async (t) => {
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

t.test('output that waits for a slow client survives its pings after the runtime has closed', async (t) => {
  const { client, runtime } = await joined(t);
  // As much as the connections hold between them.
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
  // Both of the runtime's directions are closed as soon as the kernel has the last of the output.
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

t.test('a client that reads no answers costs nothing', async (t) => {
  const { toClient, toRuntime } = spdyRelay();
  const many = Buffer.concat(Array.from({ length: 10_000 }, (_, i) => ping(2 * i + 1)));
  for (let round = 0; round < 20; round++) toRuntime.write(many);
  toRuntime.resume();
  t.ok(toClient.readableLength <= 64 * 1024 + 64 * 12, `${toClient.readableLength} bytes`);
  t.equal(toRuntime.readableLength, 0);
});

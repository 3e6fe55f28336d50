/** 500 watchers of one pod, whose status is patched repeatedly. */
import { COLLECTION, nextPatchRound, statusPatch } from './pods.ts';
import { ask, connect, Connection, requestBytes, type Rate, type Target } from './http.ts';

const WATCHERS = 500;
const WATCH_EVENTS = 100;
/** How far the writer may be ahead of the slowest watcher. */
const EVENTS_AHEAD = 4;

type Encoding = 'json' | 'protobuf';

const ACCEPT: Readonly<Record<Encoding, string>> = {
  json: 'application/json',
  protobuf: 'application/vnd.kubernetes.protobuf',
};

/** Returns how many events end in a piece of the body. */
type EventCounter = (data: Buffer) => number;

const COUNTERS: Readonly<Record<Encoding, () => EventCounter>> = { json: countLines, protobuf: countFrames };

/** An event is a line that ends an object; the newline may be in the next piece. */
function countLines(): EventCounter {
  let endsOpen = false;
  return (data) => {
    let events = endsOpen && data[0] === 10 ? 1 : 0;
    for (let at = data.indexOf('}\n'); at >= 0; at = data.indexOf('}\n', at + 2)) events++;
    endsOpen = data.at(-1) === 125;
    return events;
  };
}

/** The object of each event begins with it; it may be cut by the end of a piece. */
const MAGIC = Buffer.from('k8s\0');

function countFrames(): EventCounter {
  let tail: Buffer = Buffer.alloc(0);
  return (data) => {
    const border = Buffer.concat([tail, data.subarray(0, MAGIC.length - 1)]);
    let events = border.includes(MAGIC) ? 1 : 0;
    for (let at = data.indexOf(MAGIC); at >= 0; at = data.indexOf(MAGIC, at + MAGIC.length)) events++;
    tail = data.subarray(1 - MAGIC.length);
    return events;
  };
}

/** Events received by all watchers together, while one pod's status is patched repeatedly. */
export async function watchEvents(target: Target, encoding: Encoding): Promise<Rate> {
  using stack = new DisposableStack();
  const { metadata } = await ask<{ metadata: { resourceVersion: string } }>(target, 'GET', `${COLLECTION}?limit=1`);
  const path = `${COLLECTION}?watch=true&fieldSelector=metadata.name%3Dpod-0&resourceVersion=${metadata.resourceVersion}`;
  const request = requestBytes(target, 'GET', path, '', '', ACCEPT[encoding]);
  let [arrived, bytes] = [0, 0];
  let wake = (): void => undefined;
  const { promise: failed, reject } = Promise.withResolvers<never>();
  const open = Array.from({ length: WATCHERS }, () => {
    const { promise: ready, resolve: isReady } = Promise.withResolvers<void>();
    const socket = connect(target, () => socket.write(request));
    stack.defer(() => socket.removeAllListeners('close').destroy());
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('the server ended a watch')));
    const count = COUNTERS[encoding]();
    socket.on('data', (data: Buffer) => {
      isReady();
      arrived += count(data);
      bytes += data.length;
      wake();
    });
    return ready;
  });
  /** Waits for the watchers: a writer far ahead of them would measure the server's buffers. */
  const allHave = (events: number): Promise<void> =>
    new Promise((resolve) => {
      wake = () => {
        if (arrived >= events * WATCHERS) resolve();
      };
      wake();
    });
  await Promise.race([Promise.all(open), failed]);
  using writer = await Connection.open(target);
  const round = nextPatchRound();
  const start = performance.now();
  for (let event = 0; event < WATCH_EVENTS; event++) {
    await Promise.race([allHave(event - EVENTS_AHEAD), failed]);
    await writer.send(statusPatch(target, 0, `w${round}.${event}`));
  }
  await Promise.race([allHave(WATCH_EVENTS), failed]);
  const [count, seconds] = [WATCHERS * WATCH_EVENTS, (performance.now() - start) / 1000];
  return { count, bytes, seconds, perSecond: count / seconds };
}

/** Limits of what one client can take from the server: memory, time and other clients' requests. */
import { once } from 'node:events';
import http2 from 'node:http2';
import https from 'node:https';
import type { IncomingMessage } from 'node:http';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { eventually } from '../../support/wait.ts';
import { CONFIG_MAPS, configMap, TestServer } from './server.ts';

// Large durable writes, which are slow on a busy machine.
t.setTimeout(120_000);

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const MEGABYTE = 1e6;

/** Bytes in use outside of the JavaScript heap: buffers, and what waits to be sent. */
function bytesHeld(): number {
  collect();
  return process.memoryUsage().external;
}

/** CPU time of this thread in milliseconds: unlike the clock's, it does not grow while other processes run. */
function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

/** Measures the longest turn of the event loop until it is disposed, in CPU time. */
function longestTurn(): Disposable & { readonly ms: number } {
  let ms = 0;
  let last = cpuMs();
  const timer = setInterval(() => {
    const now = cpuMs();
    ms = Math.max(ms, now - last);
    last = now;
  });
  return {
    get ms() {
      return ms;
    },
    [Symbol.dispose]: () => clearInterval(timer),
  };
}

const HEADERS = { authorization: 'Bearer admin/system:masters' };
const anyone = { authorize: () => ({ allowed: true, reason: '' }) };

/** A response over its own connection that nobody reads. */
function unread(server: TestServer, target: string, user = 'admin/system:masters'): Promise<IncomingMessage> {
  const headers = { authorization: `Bearer ${user}` };
  return new Promise((resolve, reject) => {
    https
      .get(server.url(target), { headers, agent: false, ca: server.ca }, (response) => {
        response.on('error', () => undefined).pause();
        resolve(response);
      })
      .on('error', reject);
  });
}

async function inFlight(server: TestServer): Promise<{ requests: number; longRunning: number }> {
  const { text } = await server.call('GET', '/metrics');
  const sum = (name: string) =>
    text
      .split('\n')
      .filter((line) => line.startsWith(`${name}{`))
      .reduce((total, line) => total + Number(line.split(' ').at(-1)), 0);
  return {
    requests: sum('apiserver_current_inflight_requests'),
    longRunning: sum('apiserver_longrunning_requests'),
  };
}

t.test('slow watchers hold little memory, however large the objects are', async (t) => {
  await using server = await TestServer.start();
  const OBJECTS = 30;
  const WATCHERS = 20;
  const filler = 'x'.repeat(900_000);
  await server.call('POST', CONFIG_MAPS, { body: configMap('first') });
  for (let index = 0; index < OBJECTS; index++) {
    const body = { ...configMap(`m${index}`), data: { filler } };
    t.equal((await server.call('POST', CONFIG_MAPS, { body })).status, 201);
  }
  const before = bytesHeld();
  const session = http2.connect(server.url(''), { ca: server.ca });
  session.on('error', () => undefined);
  const answers: IncomingMessage[] = [];
  // From the start, and from the window of latest changes.
  for (const query of ['?watch=1', '?watch=1&resourceVersion=1']) {
    for (let index = 0; index < WATCHERS; index++) {
      answers.push(await unread(server, `${CONFIG_MAPS}${query}`));
      session.request({ ':path': `${CONFIG_MAPS}${query}`, ...HEADERS }).on('error', () => undefined);
    }
  }
  await eventually('all watches to start', async () => (await inFlight(server)).longRunning === 4 * WATCHERS);
  const held = (bytesHeld() - before) / MEGABYTE;
  t.ok(held < 4 * WATCHERS * 0.4, `${held.toFixed(0)} MB for ${4 * WATCHERS} watchers`);
  for (const answer of answers) answer.destroy();
  session.destroy();
  await eventually('all watches to end', async () => (await inFlight(server)).longRunning === 0);
  await eventually('the memory to be released', () => bytesHeld() - before < 10 * MEGABYTE);
});

t.test('initial events that are sent slowly include concurrent changes', async (t) => {
  await using server = await TestServer.start();
  const filler = 'x'.repeat(100_000);
  const names = Array.from({ length: 60 }, (_, index) => `m${String(index).padStart(2, '0')}`);
  for (const name of names) await server.call('POST', CONFIG_MAPS, { body: { ...configMap(name), data: { filler } } });
  const query = 'watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true';
  const response = await unread(server, `${CONFIG_MAPS}?${query}`);

  // While the client does not read: changes of objects already sent, of objects still to be sent, and new ones.
  for (const name of ['m00', 'm59']) {
    await server.call('PATCH', `${CONFIG_MAPS}/${name}`, {
      body: { data: { k: 'changed' } },
      type: 'application/merge-patch+json',
    });
  }
  for (const name of ['m01', 'm58']) await server.call('DELETE', `${CONFIG_MAPS}/${name}`);
  for (const name of ['a', 'z']) await server.call('POST', CONFIG_MAPS, { body: configMap(name) });
  const { body } = await server.call('GET', CONFIG_MAPS);

  const known = new Map<string, string>();
  let text = '';
  for await (const chunk of response as AsyncIterable<Buffer>) {
    const lines = (text + chunk.toString()).split('\n');
    text = lines.pop() ?? '';
    let done = false;
    for (const line of lines) {
      const { type, object } = JSON.parse(line) as {
        type: string;
        object: { metadata: { name: string; resourceVersion: string } };
      };
      const { name, resourceVersion } = object.metadata;
      if (type === 'BOOKMARK') {
        done = true;
        t.ok(Number(resourceVersion) >= Number(body.metadata?.resourceVersion));
      } else if (type === 'DELETED') {
        t.ok(known.delete(name), `${name} was known`);
      } else {
        t.equal(type === 'ADDED', !known.has(name), `${type} ${name}`);
        known.set(name, resourceVersion);
      }
    }
    if (done) break;
  }
  t.strictSame(
    [...known].sort(),
    body.items?.map(({ metadata }) => [String(metadata?.name), String(metadata?.resourceVersion)]).sort(),
  );
});

t.test('watches and lists that are reset at once leak nothing', async (t) => {
  await using server = await TestServer.start({ authenticatesLater: true });
  const filler = 'x'.repeat(200_000);
  for (let index = 0; index < 5; index++) {
    await server.call('POST', CONFIG_MAPS, { body: { ...configMap(`m${index}`), data: { filler } } });
  }
  const before = bytesHeld();
  const session = http2.connect(server.url(''), { ca: server.ca });
  session.on('error', () => undefined);
  await new Promise((resolve) => session.once('connect', resolve));
  for (let index = 0; index < 100; index++) {
    for (const query of ['', '?watch=1']) {
      const stream = session.request({ ':path': CONFIG_MAPS + query, ...HEADERS });
      stream.on('error', () => undefined);
      stream.close(http2.constants.NGHTTP2_CANCEL);
    }
  }
  await new Promise((resolve) => session.ping(() => resolve(undefined)));
  // The request for the metrics is itself in flight.
  await eventually('no requests in flight', async () => {
    const { requests, longRunning } = await inFlight(server);
    return longRunning === 0 && requests <= 1;
  });
  const held = (bytesHeld() - before) / MEGABYTE;
  t.ok(held < 5, `${held.toFixed(1)} MB`);
  session.destroy();
});

t.test('a connection that opens and resets streams rapidly is closed', async (t) => {
  await using server = await TestServer.start();
  const session = http2.connect(server.url(''), { ca: server.ca });
  session.on('error', () => undefined);
  let open = true;
  session.once('close', () => (open = false));
  await new Promise((resolve) => session.once('connect', resolve));
  let streams = 0;
  await eventually('the server to close it', async () => {
    for (let index = 0; index < 50 && open && !session.closed; index++, streams++) {
      const stream = session.request({ ':path': CONFIG_MAPS, ...HEADERS });
      stream.on('error', () => undefined);
      stream.close(http2.constants.NGHTTP2_CANCEL);
    }
    return !open || session.closed;
  });
  t.ok(streams < 1000, `after ${streams} streams`);
  session.destroy();
});

t.test('requests that there are no seats for get 429, except watches and administrators', async (t) => {
  const limits = { maxRequestsInflight: 1, maxMutatingRequestsInflight: 1 };
  await using server = await TestServer.start({ limits, authorizer: anyone });
  const user = 'dev/developers';
  const slow = https.request(server.url(CONFIG_MAPS), {
    method: 'POST',
    headers: { authorization: `Bearer ${user}`, 'content-type': 'application/json' },
    agent: false,
    ca: server.ca,
  });
  const answered = new Promise<number | undefined>((resolve) =>
    slow.once('response', (r) => resolve(r.resume().statusCode)),
  );
  slow.write('{"metadata":');
  await eventually('the request to be in flight', async () => (await inFlight(server)).requests === 2);

  const refused = await server.call('POST', CONFIG_MAPS, { user, body: configMap('a') });
  t.match(refused, { status: 429, text: 'Too many requests, please try again later.\n' });
  t.match(refused.headers, { 'retry-after': '1', 'content-type': 'text/plain; charset=utf-8' });
  t.equal((await server.call('GET', CONFIG_MAPS, { user: 'ops/operators' })).status, 200, 'somebody else');
  t.equal((await server.call('POST', CONFIG_MAPS, { body: configMap('b') })).status, 201, 'an administrator');

  slow.end('{"name":"c"}}');
  t.equal(await answered, 201);
  await eventually('a seat to be free', async () => (await inFlight(server)).requests <= 1);
  t.equal((await server.call('POST', CONFIG_MAPS, { user, body: configMap('d') })).status, 201);
  const watches = [1, 2, 3].map(() => unread(server, `${CONFIG_MAPS}?watch=1`, user));
  for (const response of await Promise.all(watches)) {
    t.equal(response.statusCode, 200, 'a watch that goes on has no seat');
    response.destroy();
  }
});

t.test('an unread long response keeps its seats', async (t) => {
  const limits = { maxRequestsInflight: 2, maxMutatingRequestsInflight: 0 };
  await using server = await TestServer.start({ limits, authorizer: anyone });
  for (let index = 0; index < 30; index++) {
    const body = { ...configMap(`m${index}`), data: { filler: 'x'.repeat(900_000) } };
    await server.call('POST', CONFIG_MAPS, { body });
  }
  const answers = [await unread(server, CONFIG_MAPS, 'a/g'), await unread(server, CONFIG_MAPS, 'b/g')];
  t.equal((await server.call('GET', CONFIG_MAPS, { user: 'dev/developers' })).status, 429);
  for (const answer of answers) answer.destroy();
  await eventually('the seats to be free', async () => {
    return (await server.call('GET', `${CONFIG_MAPS}?limit=1`, { user: 'dev/developers' })).status === 200;
  });
});

t.test('one user cannot take all seats', async (t) => {
  const limits = { maxRequestsInflight: 4, maxMutatingRequestsInflight: 0 };
  await using server = await TestServer.start({ limits, authorizer: anyone });
  for (let index = 0; index < 30; index++) {
    const body = { ...configMap(`m${index}`), data: { filler: 'x'.repeat(900_000) } };
    await server.call('POST', CONFIG_MAPS, { body });
  }
  const answers = [await unread(server, CONFIG_MAPS, 'a/g'), await unread(server, CONFIG_MAPS, 'a/g')];
  t.equal((await server.call('GET', CONFIG_MAPS, { user: 'a/g' })).status, 429, 'a user at the limit');
  t.equal((await server.call('GET', CONFIG_MAPS, { user: 'dev/developers' })).status, 200, 'somebody else');
  for (const answer of answers) answer.destroy();
});

t.test('incomplete bodies take bounded memory for a bounded time', async (t) => {
  await using server = await TestServer.start({ authorizer: anyone });
  const before = bytesHeld();
  const post = (target: string) =>
    https
      .request(server.url(target), {
        method: 'POST',
        headers: { ...HEADERS, 'content-type': 'application/json' },
        agent: false,
        ca: server.ca,
      })
      .on('error', () => undefined);
  const pending = Array.from({ length: 30 }, () => post(CONFIG_MAPS));
  const statuses: unknown[] = [];
  for (const request of pending) {
    request.on('response', (response) => statuses.push(response.resume().statusCode));
    request.write(`{"metadata":{"name":"${'x'.repeat(2_900_000)}`);
  }
  await eventually('some requests to be rejected', () => statuses.length >= 7);
  t.ok(statuses.every((status) => status === 429));
  t.ok(bytesHeld() - before < 300 * MEGABYTE);
  for (const request of pending) request.destroy();
  await eventually('the memory to be released', async () => {
    return (await server.call('POST', CONFIG_MAPS, { body: configMap(`m-${Math.random()}`) })).status === 201;
  });

  const drip = post(`${CONFIG_MAPS}?timeout=1s`);
  const closed = new Promise((resolve) => drip.once('close', resolve));
  drip.once('response', (response) => t.equal(response.resume().statusCode, 504));
  drip.write('{');
  await closed;
  t.pass('the connection is closed with the response');
});

t.test('one user cannot take all the memory for bodies', async (t) => {
  await using server = await TestServer.start({ authorizer: anyone });
  const statuses: unknown[] = [];
  const pending = Array.from({ length: 24 }, () => {
    const request = https.request(server.url(CONFIG_MAPS), {
      method: 'POST',
      headers: { authorization: 'Bearer dev/developers', 'content-type': 'application/json' },
      agent: false,
      ca: server.ca,
    });
    request.on('error', () => undefined);
    request.on('response', (response) => statuses.push(response.resume().statusCode));
    request.write(`{"metadata":{"name":"${'x'.repeat(2_900_000)}`);
    return request;
  });
  await eventually('some requests to be rejected', () => statuses.length >= 12);
  t.ok(statuses.every((status) => status === 429));
  const body = { ...configMap('others'), data: { filler: 'x'.repeat(900_000) } };
  t.equal((await server.call('POST', CONFIG_MAPS, { user: 'ops/operators', body })).status, 201, 'somebody else');
  for (const request of pending) request.destroy();
  await eventually('the memory to be released', async () => {
    const again = { ...body, metadata: { name: `m-${Math.random()}` } };
    return (await server.call('POST', CONFIG_MAPS, { user: 'dev/developers', body: again })).status === 201;
  });
});

t.test('unread responses take bounded memory, also those of unauthenticated clients', async (t) => {
  await using server = await TestServer.start();
  const CONNECTIONS = 12;
  const STREAMS = 240;
  const path = `/${'x'.repeat(30_000)}`;
  const before = bytesHeld();
  let settled = 0;
  let ended = 0;
  const sessions = Array.from({ length: CONNECTIONS }, () => {
    const session = http2.connect(server.url(''), {
      ca: server.ca,
      settings: { initialWindowSize: 0 },
      maxSessionMemory: 1000,
    });
    session.on('error', () => undefined);
    return session;
  });
  for (const session of sessions) {
    const upTo = settled + STREAMS;
    for (let index = 0; index < STREAMS; index++) {
      const stream = session.request({ ':path': path });
      stream.on('error', () => undefined);
      stream.once('close', () => ended++);
      Promise.race([once(stream, 'response'), once(stream, 'close')]).then(
        () => settled++,
        () => settled++,
      );
    }
    await eventually('all requests to have responses', () => settled >= upTo);
  }
  await eventually('the oldest responses to be ended', () => ended > 1_000);
  t.equal((await server.call('GET', '/livez')).status, 200, 'clients that read are served');
  for (const session of sessions) session.destroy();
  await eventually('the memory to be released', () => bytesHeld() - before < 20 * MEGABYTE);
});

t.test('the number of watches per user is limited, and long selectors weigh more', async (t) => {
  await using server = await TestServer.start({ authorizer: anyone });
  // Each weighs a sixth of the user's limit.
  const selector = '!a,'.repeat(290_000) + '!a';
  const watch = (user: string): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const options = { headers: { authorization: `Bearer ${user}` }, agent: false, ca: server.ca };
      https.get(server.url(`${CONFIG_MAPS}?watch=1&labelSelector=${selector}`), options, resolve).on('error', reject);
    });
  const watches: IncomingMessage[] = [];
  for (let index = 0; index < 5; index++) watches.push(await watch('dev/developers'));
  t.ok(watches.every(({ statusCode }) => statusCode === 200));
  t.equal((await watch('dev/developers')).resume().statusCode, 429, 'a user at the limit');
  watches.push(await watch('ops/operators'), await watch('admin/system:masters'));
  t.ok(
    watches.every(({ statusCode }) => statusCode === 200),
    'somebody else',
  );
  for (const response of watches) response.destroy();
  await eventually('a slot to be free', async () => {
    const again = await watch('dev/developers');
    again.destroy();
    return again.statusCode === 200;
  });
});

t.test('a large object is converted once for many watchers of tables or metadata', async (t) => {
  await using server = await TestServer.start();
  const WATCHERS = 150;
  const labels = { shown: 'yes' };
  const filler = Object.fromEntries(Array.from({ length: 5_000 }, (_, index) => [`key-${index}`, 'x'.repeat(150)]));
  await server.call('POST', CONFIG_MAPS, { body: { metadata: { name: 'large', labels }, data: filler } });
  const session = http2.connect(server.url(''), { ca: server.ca });
  session.on('error', () => undefined);
  const { text: large } = await server.call('GET', `${CONFIG_MAPS}/large`);
  // What a row takes at least, on this machine at this time.
  const ROUNDS = 20;
  const began = cpuMs();
  for (let round = 0; round < ROUNDS; round++) JSON.stringify(JSON.parse(large));
  const rowMs = (cpuMs() - began) / ROUNDS;
  const told = { tables: 0, deleted: 0 };
  const accept = 'application/json;as=Table;g=meta.k8s.io;v=v1';
  const path = `${CONFIG_MAPS}?watch=1&includeObject=Object&labelSelector=shown`;
  for (let index = 0; index < WATCHERS; index++) {
    const stream = session.request({ ':path': path, ...HEADERS, accept });
    stream.on('error', () => undefined);
    // An event is a line; its type is at the start or at the end.
    let line = '';
    stream.setEncoding('latin1').on('data', (text: string) => {
      const [end = '', ...begun] = text.split('\n');
      line += end;
      for (const next of begun) {
        if (line.includes('"kind":"Table"')) told.tables++;
        if (line.startsWith('{"type":"DELETED"')) told.deleted++;
        line = next;
      }
    });
  }
  await eventually('all watchers to have the initial events', () => told.tables >= WATCHERS);
  for (const [shown, done] of [
    ['still', () => told.tables >= 2 * WATCHERS],
    [null, () => told.deleted >= WATCHERS],
  ] as const) {
    using longest = longestTurn();
    const body = { metadata: { labels: { shown } } };
    await server.call('PATCH', `${CONFIG_MAPS}/large`, { type: 'application/merge-patch+json', body });
    await eventually('all watchers to have the event', done);
    t.ok(
      longest.ms < (WATCHERS * rowMs) / 2,
      `${(longest.ms / rowMs).toFixed(1)} rows in which nobody else was served`,
    );
  }
  session.destroy();
});

/** The server with its sockets, its resolver and other servers to ask. */
import { createSocket, type Socket } from 'node:dgram';
import { promises as dns } from 'node:dns';
import { once } from 'node:events';
import { connect, createServer, type Socket as TcpSocket } from 'node:net';
import { decode, encode, type DecodedPacket, type Packet } from 'dns-packet';
import { test, type Test } from 'tap';
import { DnsServer } from '../../../../agent/network/dns/dns-server.ts';
import { Forwarder } from '../../../../agent/network/dns/forwarder.ts';
import { ResponseCache } from '../../../../agent/network/dns/response-cache.ts';
import { NO_SETTINGS, Resolver } from '../../../../agent/network/dns/resolver.ts';
import { ClusterZone } from '../../../../agent/network/dns/zone.ts';
import { eventually } from '../../../support/wait.ts';

/** A server of names outside of the cluster, on UDP and TCP. */
async function startUpstream(
  t: Test,
  answer: (query: DecodedPacket, transport: 'udp' | 'tcp') => Partial<Packet> | Buffer | undefined,
) {
  const udp = createSocket('udp4');
  const asked: string[] = [];
  const reply = (bytes: Buffer, transport: 'udp' | 'tcp'): Buffer | undefined => {
    const query = decode(bytes);
    asked.push(`${transport} ${query.questions?.[0]?.type} ${query.questions?.[0]?.name}`);
    const response = answer(query, transport);
    if (response === undefined || Buffer.isBuffer(response)) return response;
    return encode({ type: 'response', id: query.id, flags: 0x180, questions: query.questions, ...response });
  };
  udp.on('message', (bytes, { port, address }) => {
    const response = reply(bytes, 'udp');
    if (response) udp.send(response, port, address);
  });
  udp.bind(0, '127.0.0.1');
  await once(udp, 'listening');
  const { port } = udp.address();
  const tcp = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (data: Buffer) => {
      const response = reply(data.subarray(2), 'tcp');
      if (response)
        socket.write(Buffer.concat([Buffer.from([response.length >> 8, response.length & 0xff]), response]));
    });
  });
  tcp.listen(port, '127.0.0.1');
  await once(tcp, 'listening');
  t.teardown(() => {
    udp.close();
    tcp.close();
  });
  return { address: '127.0.0.1', port, asked };
}

interface Options {
  readonly upstreams?: readonly { address: string; port: number }[];
  readonly isClient?: (address: string) => boolean;
  readonly cache?: ResponseCache;
}

async function startServer(t: Test, { upstreams = [], isClient = () => true, cache }: Options = {}) {
  const zone = new ClusterZone('cluster.local');
  const stop = new AbortController();
  const forwarder = new Forwarder(cache);
  const resolver = new Resolver({ zone, forwarder, hostUpstreams: async () => upstreams, signal: stop.signal });
  const errors: Error[] = [];
  const server = new DnsServer({ resolver, isClient, port: 0, onError: (error) => errors.push(error) });
  const { port } = await server.listen('127.0.0.1');
  t.teardown(async () => {
    stop.abort();
    await server[Symbol.asyncDispose]();
  });
  const stock = new dns.Resolver({ timeout: 6_000, tries: 1 });
  stock.setServers([`127.0.0.1:${port}`]);
  const udp = createSocket('udp4');
  udp.connect(port, '127.0.0.1');
  await once(udp, 'connect');
  t.teardown(() => udp.close());
  return { zone, resolver, server, port, stock, udp, errors, forwarder };
}

async function exchange(udp: Socket, query: Buffer): Promise<DecodedPacket> {
  udp.send(query);
  const [bytes] = (await once(udp, 'message')) as [Buffer];
  return decode(bytes);
}

const question = (name: string, type: 'A' | 'SRV' = 'A') => ({ questions: [{ name, type }] });

test('a stock resolver finds Services, and what is outside of the cluster', async (t) => {
  const upstream = await startUpstream(t, ({ questions }) => ({
    answers: [{ type: 'A', name: questions![0]!.name, ttl: 60, data: '192.0.2.7' }],
  }));
  const { zone, resolver, stock } = await startServer(t, { upstreams: [upstream] });
  await t.rejects(stock.resolve4('web.shop.svc.cluster.local'), { code: 'ESERVFAIL' }, 'before the zone is known');
  zone.set('shop', 'web', { namespace: 'shop', name: 'web', addresses: ['10.43.0.5'], ports: [] });
  resolver.setSynced();
  t.strictSame(await stock.resolve4('web.shop.svc.cluster.local'), ['10.43.0.5']);
  t.strictSame(await stock.reverse('10.43.0.5'), ['web.shop.svc.cluster.local']);
  await t.rejects(stock.resolve6('web.shop.svc.cluster.local'), { code: 'ENODATA' });
  await t.rejects(stock.resolve4('no.shop.svc.cluster.local'), { code: 'ENOTFOUND' });
  t.strictSame(await stock.resolve4('example.com'), ['192.0.2.7']);
  t.strictSame(await stock.resolve4('example.com'), ['192.0.2.7']);
  t.strictSame(upstream.asked, ['udp A example.com'], 'once, and nothing of the zone');
  zone.set('shop', 'web', { namespace: 'shop', name: 'web', addresses: ['10.43.0.6'], ports: [] });
  t.strictSame(await stock.resolve4('web.shop.svc.cluster.local'), ['10.43.0.6'], 'a change is seen at once');
});

test('the letters of a name and the id come back as they were sent', async (t) => {
  const { zone, resolver, udp } = await startServer(t);
  zone.set('shop', 'web', { namespace: 'shop', name: 'web', addresses: ['10.43.0.5'], ports: [] });
  resolver.setSynced();
  for (const id of [1, 0xffff]) {
    const response = await exchange(
      udp,
      encode({ type: 'query', id, flags: 0x100, ...question('wEb.shop.SVC.cluster.local') }),
    );
    t.equal(response.id, id);
    t.match(response, { flag_aa: true, flag_ra: true, flag_rd: true, flag_tc: false });
    t.strictSame(response.questions, [{ name: 'wEb.shop.SVC.cluster.local', type: 'A', class: 'IN' }]);
    t.match(response.answers, [{ name: 'wEb.shop.SVC.cluster.local', type: 'A', data: '10.43.0.5' }]);
  }
});

test('an answer that is too large for UDP comes over TCP', async (t) => {
  const { zone, resolver, udp, stock } = await startServer(t);
  const endpoints = Array.from({ length: 200 }, (_, index) => ({
    ...{ address: `10.42.0.${index}`, hostname: undefined },
    ports: [{ name: 'http', protocol: 'tcp', port: 80 }],
  }));
  zone.set('n', 'many', { namespace: 'n', name: 'many', addresses: [], ports: [], endpoints });
  resolver.setSynced();
  const cut = await exchange(udp, encode({ type: 'query', id: 7, ...question('many.n.svc.cluster.local') }));
  t.match(cut, { flag_tc: true, answers: [] });
  t.equal((await stock.resolve4('many.n.svc.cluster.local')).length, 200);
  t.equal((await stock.resolveSrv('_http._tcp.many.n.svc.cluster.local')).length, 200);
  const { questions } = question('many.n.svc.cluster.local');
  const opt = { type: 'OPT', name: '.', udpPayloadSize: 65_535, flags: 0 } as const;
  const options = { extendedRcode: 0, ednsVersion: 0, flag_do: false, options: [] };
  const limited = await exchange(
    udp,
    encode({ type: 'query', id: 8, questions, additionals: [{ ...opt, ...options }] }),
  );
  t.match(limited, { flag_tc: true, additionals: [{ type: 'OPT', udpPayloadSize: 1232 }] });
});

test('a Service that is a name has the addresses of that name', async (t) => {
  const upstream = await startUpstream(t, ({ questions }) =>
    questions![0]!.name === 'gone.example.com'
      ? { flags: 0x183 }
      : {
          answers: [
            { type: 'CNAME', name: questions![0]!.name, ttl: 60, data: 'other.example.com' },
            { type: 'A', name: 'other.example.com', ttl: 60, data: '192.0.2.9' },
          ],
        },
  );
  const { zone, resolver, stock, udp } = await startServer(t, { upstreams: [upstream] });
  const named = (name: string, externalName: string) =>
    zone.set('n', name, { namespace: 'n', name, addresses: [], ports: [], externalName });
  named('mail', 'mx.example.com');
  named('inner', 'web.n.svc.cluster.local.');
  named('gone', 'gone.example.com');
  named('loop-a', 'loop-b.n.svc.cluster.local');
  named('loop-b', 'loop-a.n.svc.cluster.local');
  zone.set('n', 'web', { namespace: 'n', name: 'web', addresses: ['10.43.0.5'], ports: [] });
  resolver.setSynced();
  t.strictSame(await stock.resolve4('mail.n.svc.cluster.local'), ['192.0.2.9']);
  t.strictSame(await stock.resolve4('inner.n.svc.cluster.local'), ['10.43.0.5']);
  await t.rejects(stock.resolve4('gone.n.svc.cluster.local'), { code: 'ENOTFOUND' });
  await t.rejects(stock.resolve4('loop-a.n.svc.cluster.local'), { code: 'ESERVFAIL' });
  const chain = await exchange(udp, encode({ type: 'query', id: 3, ...question('mail.n.svc.cluster.local') }));
  t.strictSame(
    chain.answers?.map((record) => `${record.name} ${record.type} ${JSON.stringify('data' in record && record.data)}`),
    [
      'mail.n.svc.cluster.local CNAME "mx.example.com"',
      'mx.example.com CNAME "other.example.com"',
      'other.example.com A "192.0.2.9"',
    ],
  );
});

test('other servers: the next is asked when one fails, and a client hears when none answers', async (t) => {
  const silent = await startUpstream(t, () => undefined);
  const failing = await startUpstream(t, () => ({ flags: 0x182 }));
  const good = await startUpstream(t, ({ questions }) => ({
    answers: [{ type: 'A', name: questions![0]!.name, ttl: 60, data: '192.0.2.1' }],
  }));
  const nobody = { address: '127.0.0.1', port: 1 };
  const first = await startServer(t, { upstreams: [nobody, failing, silent, good] });
  t.strictSame(await first.stock.resolve4('a.example'), ['192.0.2.1']);
  t.strictSame(await first.stock.resolve4('b.example'), ['192.0.2.1']);
  t.strictSame(silent.asked, ['udp A a.example'], 'one that was silent is not asked first again');
  const second = await startServer(t, { upstreams: [nobody, failing] });
  await t.rejects(second.stock.resolve4('a.example'), { code: 'ESERVFAIL' });
  const third = await startServer(t, { upstreams: [] });
  await t.rejects(third.stock.resolve4('a.example'), { code: 'ESERVFAIL' });
  t.strictSame(first.errors, []);
});

test('what others say is kept for as long as it is true, and counts down', async (t) => {
  let now = 1_000;
  let ttl = 60;
  const upstream = await startUpstream(t, ({ questions }) =>
    questions![0]!.name.startsWith('no')
      ? {
          flags: 0x183,
          authorities: [
            {
              ...{ type: 'SOA', name: 'example', ttl: 600 },
              data: { mname: 'a.example', rname: 'b.example', serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 20 },
            },
          ],
        }
      : { answers: [{ type: 'A', name: questions![0]!.name, ttl, data: '192.0.2.1' }] },
  );
  const { stock } = await startServer(t, { upstreams: [upstream], cache: new ResponseCache(() => now) });
  const ttlOf = async (name: string) => (await stock.resolve4(name, { ttl: true }))[0]?.ttl;
  t.equal(await ttlOf('a.example'), 60);
  now += 25_000;
  t.equal(await ttlOf('a.example'), 35);
  now += 36_000;
  t.equal(await ttlOf('a.example'), 60, 'asked again');
  ttl = 0;
  t.equal(await ttlOf('b.example'), 0);
  t.equal(await ttlOf('b.example'), 0);
  t.equal(upstream.asked.length, 4, 'what is true for no time is not kept');
  await t.rejects(stock.resolve4('no.example'), { code: 'ENOTFOUND' });
  now += 19_000;
  await t.rejects(stock.resolve4('no.example'), { code: 'ENOTFOUND' });
  t.equal(upstream.asked.length, 5);
  now += 2_000;
  await t.rejects(stock.resolve4('no.example'), { code: 'ENOTFOUND' });
  t.equal(upstream.asked.length, 6);
});

test('only the response to a query is believed', async (t) => {
  let forged = 0;
  const upstream = await startUpstream(t, (query) => {
    const answers = [{ type: 'A', name: query.questions![0]!.name, ttl: 60, data: '192.0.2.66' }] as const;
    const forgery = [
      { id: (query.id! + 1) & 0xffff, questions: query.questions },
      { id: query.id!, questions: [{ type: 'A', name: 'other.example' }] },
      { id: query.id!, questions: [] },
    ] as const;
    const one = forgery[forged++];
    if (one)
      return encode({
        type: 'response',
        flags: 0x180,
        ...one,
        questions: [...(one.questions ?? [])],
        answers: [...answers],
      });
    return { answers: [{ ...answers[0], data: '192.0.2.1' }] };
  });
  const { stock } = await startServer(t, { upstreams: [upstream, upstream] });
  await t.rejects(stock.resolve4('a.example'), { code: 'ESERVFAIL' });
  t.strictSame(await stock.resolve4('a.example'), ['192.0.2.1']);
});

test('stub domains, servers and hosts of the settings', async (t) => {
  const answering = (data: string) =>
    startUpstream(t, ({ questions }) => ({ answers: [{ type: 'A', name: questions![0]!.name, ttl: 1, data }] }));
  const [host, set, corp, deep] = await Promise.all(
    ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4'].map(answering),
  );
  const { resolver, stock } = await startServer(t, { upstreams: [host!] });
  resolver.setSettings({
    stubDomains: new Map([
      ['corp.example', [corp!]],
      ['deep.corp.example', [deep!]],
    ]),
    upstreams: [set!],
    hosts: new Map([['printer', ['192.0.2.5']]]),
  });
  for (const [name, address] of [
    ['a.Corp.example', '192.0.2.3'],
    ['corp.example', '192.0.2.3'],
    ['x.deep.corp.example', '192.0.2.4'],
    ['notcorp.example', '192.0.2.2'],
    ['Printer', '192.0.2.5'],
  ] as const)
    t.strictSame(await stock.resolve4(name), [address], name);
  await t.rejects(stock.resolve6('printer'), { code: 'ENODATA' });
  resolver.setSettings(NO_SETTINGS);
  t.strictSame(await stock.resolve4('a.corp.example'), ['192.0.2.1']);
});

test('strangers are met with silence', async (t) => {
  const { server, udp, port } = await startServer(t, { isClient: () => false });
  udp.send(encode({ type: 'query', id: 1, ...question('cluster.local') }));
  await eventually('it to be dropped', () => server.counts.dropped === 1);
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'close');
  t.equal(server.counts.answered, 0);
});

/** What comes over one connection, message by message. */
async function overTcp(port: number, chunks: readonly Buffer[], count: number): Promise<DecodedPacket[]> {
  const socket: TcpSocket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.setNoDelay();
  let received: Buffer = Buffer.alloc(0);
  const found: DecodedPacket[] = [];
  socket.on('data', (data: Buffer) => {
    received = Buffer.concat([received, data]);
    while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
      const end = 2 + received.readUInt16BE(0);
      found.push(decode(received.subarray(2, end)));
      received = received.subarray(end);
    }
  });
  for (const chunk of chunks) await new Promise<void>((resolve) => socket.write(chunk, () => resolve()));
  await eventually(`${count} responses`, () => found.length === count);
  socket.destroy();
  return found;
}

test('messages over TCP are found however they are cut', async (t) => {
  const { zone, resolver, port } = await startServer(t);
  zone.set('n', 's', { namespace: 'n', name: 's', addresses: ['10.43.0.5'], ports: [] });
  resolver.setSynced();
  const one = (id: number): Buffer => {
    const query = encode({ type: 'query', id, ...question('s.n.svc.cluster.local') });
    return Buffer.concat([Buffer.from([query.length >> 8, query.length & 0xff]), query]);
  };
  const all = Buffer.concat(Array.from({ length: 100 }, (_, id) => one(id)));
  const ids = (found: DecodedPacket[]) => found.map(({ id }) => id).sort((a, b) => a! - b!);
  const wanted = Array.from({ length: 100 }, (_, id) => id);
  t.strictSame(ids(await overTcp(port, [all], 100)), wanted);
  const bytes = [...one(5)].map((byte) => Buffer.from([byte]));
  t.strictSame(ids(await overTcp(port, bytes, 1)), [5]);
});

test('hostile messages: each is answered as RFC 1035 says or dropped, and none is the end', async (t) => {
  const { resolver, zone, stock, errors } = await startServer(t);
  resolver.setSynced();
  zone.set('n', 's', { namespace: 'n', name: 's', addresses: ['10.43.0.5'], ports: [] });
  const good = encode({ type: 'query', id: 1, ...question('s.n.svc.cluster.local') });
  const changed = (at: number, ...bytes: number[]): Buffer => {
    const copy = Buffer.from(good);
    copy.set(bytes, at);
    return copy;
  };
  const rcode = async (bytes: Buffer): Promise<string> => {
    const response = await resolver.resolve(bytes, 'udp');
    return response === undefined ? 'silence' : `code ${response.readUInt16BE(2) & 0xf}`;
  };
  const header = good.subarray(0, 12);
  const long = Buffer.concat([
    ...Array.from({ length: 5 }, () => Buffer.from(`\x3f${'a'.repeat(63)}`)),
    Buffer.from([0, 0, 1, 0, 1]),
  ]);
  const OPT = Buffer.from([0, 0, 41, 4, 0, 0, 0, 0, 0, 0, 0]);
  const withOpt = (version: number): Buffer =>
    Buffer.concat([changed(10, 0, 1), Buffer.from([0, 0, 41, 4, 0, 0, version, 0, 0, 0, 0])]);
  for (const [what, bytes, wanted] of [
    ['nothing', Buffer.alloc(0), 'silence'],
    ['half a header', good.subarray(0, 11), 'silence'],
    ['a header', header, 'code 1'],
    ['a response', changed(2, 0x80), 'silence'],
    ['an update', changed(2, 0x28), 'code 4'],
    ['no question', changed(4, 0, 0), 'code 1'],
    ['two questions', changed(4, 0, 2), 'code 1'],
    ['an answer', changed(6, 0, 1), 'code 1'],
    ['more records than there are', changed(10, 0, 1), 'code 1'],
    ['65,535 records', changed(10, 255, 255), 'code 1'],
    ['a name that points to itself', changed(12, 0xc0, 12), 'code 1'],
    ['a label of 64', changed(12, 64), 'code 1'],
    ['a label beyond the end', changed(12, 63), 'code 1'],
    ['a name of 320 bytes', Buffer.concat([header, long]), 'code 1'],
    ['class CHAOS', changed(good.length - 1, 3), 'code 5'],
    ['a transfer', changed(good.length - 3, 252), 'code 5'],
    ['EDNS', withOpt(0), 'code 0'],
    ['EDNS of version 1', withOpt(1), 'code 0'],
    ['two of EDNS', Buffer.concat([changed(10, 0, 2), OPT, OPT]), 'code 1'],
  ] as const)
    t.equal(await rcode(bytes), wanted, what);
  const refused = (await resolver.resolve(withOpt(1), 'udp')) as Buffer;
  t.equal(refused[refused.length - 6], 1, 'BADVERS in the upper bits');
  // Any bytes at all.
  let state = 1;
  const random = (): number => (state = (state * 48_271) % 0x7fffffff);
  for (let round = 0; round < 10_000; round++) {
    const bytes = round % 2 ? Buffer.from(good) : Buffer.alloc(random() % 600);
    for (let index = 0; index < (round % 2 ? 3 : bytes.length); index++)
      bytes[random() % Math.max(1, bytes.length)] = random() & 0xff;
    await resolver.resolve(bytes, round % 3 ? 'udp' : 'tcp');
  }
  t.strictSame(await stock.resolve4('s.n.svc.cluster.local'), ['10.43.0.5']);
  t.strictSame(errors, []);
});

test('a flood of one client waits for other servers alone', async (t) => {
  const silent = await startUpstream(t, () => undefined);
  const { server, stock, zone, resolver, udp, forwarder } = await startServer(t, { upstreams: [silent] });
  zone.set('n', 's', { namespace: 'n', name: 's', addresses: ['10.43.0.5'], ports: [] });
  resolver.setSynced();
  for (let index = 0; index < 1_000; index++)
    udp.send(encode({ type: 'query', id: index, ...question(`x${index}.example`) }));
  await eventually('what is too much to be dropped', () => server.counts.dropped > 0);
  t.ok(forwarder.pending <= 200, `${forwarder.pending} sockets`);
  await eventually('all to be told', () => forwarder.pending === 0);
  t.strictSame(await stock.resolve4('s.n.svc.cluster.local'), ['10.43.0.5']);
});

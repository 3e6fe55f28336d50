/** The server with its sockets, its resolver and other servers to ask. */
import { createSocket, type Socket } from 'node:dgram';
import { promises as dns } from 'node:dns';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket as TcpSocket } from 'node:net';
import { decode, encode, type DecodedPacket, type Packet } from 'dns-packet';
import { test, type Test } from 'tap';
import { Cidr } from '../../../../api/domain/address.ts';
import { DnsServer } from '../../../../agent/network/dns/dns-server.ts';
import { Forwarder } from '../../../../agent/network/dns/forwarder.ts';
import { ResponseCache } from '../../../../agent/network/dns/response-cache.ts';
import { NO_SETTINGS, Resolver } from '../../../../agent/network/dns/resolver.ts';
import { ClusterZone } from '../../../../agent/network/dns/zone.ts';
import { eventually } from '../../../support/wait.ts';

/** A port that nobody uses on UDP or TCP: the kernel looks at one of them only when it chooses. */
async function freePort(): Promise<number> {
  for (;;) {
    const tcp = createServer().listen(0, '127.0.0.1');
    await once(tcp, 'listening');
    const { port } = tcp.address() as AddressInfo;
    const udp = createSocket('udp4').bind(port, '127.0.0.1');
    const isFree = await once(udp, 'listening').then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'EADDRINUSE') return false;
        throw error;
      },
    );
    await new Promise((resolve) => tcp.close(resolve));
    await new Promise<void>((resolve) => udp.close(resolve));
    if (isFree) return port;
  }
}

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
  const port = await freePort();
  udp.bind(port, '127.0.0.1');
  await once(udp, 'listening');
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
  readonly idleMs?: number;
}

async function startServer(t: Test, { upstreams = [], isClient = () => true, cache, idleMs }: Options = {}) {
  const ranges = ['10.42.0.0/16', '10.43.0.0/16'].map((text) => Cidr.parse(text)!);
  const zone = new ClusterZone('cluster.local', ranges);
  const stop = new AbortController();
  const forwarder = new Forwarder(cache);
  const resolver = new Resolver({ zone, forwarder, hostUpstreams: async () => upstreams, signal: stop.signal });
  const errors: Error[] = [];
  const server = new DnsServer({
    ...{ resolver, isClient, port: await freePort(), onError: (error) => errors.push(error) },
    ...(idleMs !== undefined && { idleMs }),
  });
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
  t.equal(cut.flag_tc, true);
  t.equal(cut.answers?.length, 29, 'what has room in 512 bytes: some clients know no TCP');
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
  t.equal(limited.answers?.length, 73);
});

test('a headless Service of more endpoints than TCP has room for', async (t) => {
  const { zone, resolver, stock } = await startServer(t);
  const ports = [{ name: 'http', protocol: 'tcp', port: 80 }];
  const endpoints = Array.from({ length: 50_000 }, (_, index) => ({
    ...{ address: `10.${index >> 16}.${(index >> 8) & 0xff}.${index & 0xff}`, hostname: 'same', ports },
  }));
  zone.set('n', 'all', { namespace: 'n', name: 'all', addresses: [], ports: [], endpoints });
  resolver.setSynced();
  const query = encode({ type: 'query', ...question('all.n.svc.cluster.local') });
  const whole = decode((await resolver.resolve(query, 'tcp')) as Buffer);
  t.equal(whole.flag_tc, true);
  t.ok((whole.answers?.length ?? 0) > 4_000, `${whole.answers?.length} of them`);
  const srv = encode({ type: 'query', ...question('_http._tcp.all.n.svc.cluster.local', 'SRV') });
  t.match(decode((await resolver.resolve(srv, 'udp')) as Buffer), {
    ...{ flag_tc: false, answers: [{ data: { port: 80 } }] },
    additionals: { length: 0 },
  });
  const startedAt = process.cpuUsage();
  for (let round = 0; round < 500; round++) {
    await resolver.resolve(query, 'udp');
    await resolver.resolve(srv, 'udp');
  }
  const { user } = process.cpuUsage(startedAt);
  t.ok(user < 1_000_000, `a query costs what its answer has: ${user} microseconds for 1000`);
  t.equal((await stock.resolve4('same.all.n.svc.cluster.local')).length > 4_000, true);
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

test('other servers that change the letters of a name, are slow, or answer with too much', async (t) => {
  const loud = await startUpstream(t, ({ id, questions }) =>
    encode({
      ...{ type: 'response', id: id!, flags: 0x180 },
      questions: [{ ...questions![0]!, name: questions![0]!.name.toUpperCase() }],
      answers: [{ type: 'A', name: 'A.EXAMPLE', ttl: 60, data: '192.0.2.1' }],
    }),
  );
  const { udp } = await startServer(t, { upstreams: [loud] });
  const heard = await exchange(udp, encode({ type: 'query', id: 1, ...question('a.Example') }));
  t.match(heard, { rcode: 'NOERROR', questions: [{ name: 'a.Example' }], answers: [{ data: '192.0.2.1' }] });
  const names = Array.from({ length: 100 }, (_, index) => `192.0.2.${index}`);
  const large = await startUpstream(t, ({ questions }) => ({
    answers: names.map((data) => ({ type: 'A' as const, name: questions![0]!.name, ttl: 60, data })),
  }));
  const second = await startServer(t, { upstreams: [large] });
  const cut = await exchange(second.udp, encode({ type: 'query', id: 2, ...question('a.example') }));
  t.equal(cut.flag_tc, true);
  t.ok(cut.answers!.length > 10, `${cut.answers!.length} answers have room`);
  let asked = 0;
  const slow = createSocket('udp4');
  slow.bind(0, '127.0.0.1');
  await once(slow, 'listening');
  t.teardown(() => slow.close());
  slow.on('message', (bytes, from) => {
    const { id, questions } = decode(bytes);
    const answer = encode({ type: 'response', id: id!, flags: 0x180, questions: questions! });
    if (++asked === 2) setTimeout(() => slow.send(answer, from.port, from.address), 2_000);
  });
  const third = await startServer(t, { upstreams: [{ address: '127.0.0.1', port: slow.address().port }] });
  t.match(await exchange(third.udp, encode({ type: 'query', id: 3, ...question('slow.example') })), {
    rcode: 'NOERROR',
  });
});

test('of a name that stands for one without addresses, the SOA says for how long it has none', async (t) => {
  let now = 1_000;
  const soa = { mname: 'a.example', rname: 'b.example', serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 20 };
  const upstream = await startUpstream(t, ({ questions }) => ({
    answers: [{ type: 'CNAME', name: questions![0]!.name, ttl: 300, data: 'b.example' }],
    authorities: [{ type: 'SOA', name: 'example', ttl: 600, data: soa }],
  }));
  const { stock } = await startServer(t, { upstreams: [upstream], cache: new ResponseCache(() => now) });
  t.strictSame(await stock.resolve6('a.example'), []);
  now += 21_000;
  t.strictSame(await stock.resolve6('a.example'), []);
  t.equal(upstream.asked.length, 2);
});

test('addresses of the cluster without a name are not asked for elsewhere, unless a stub domain says so', async (t) => {
  const answering = () =>
    startUpstream(t, ({ questions }) => ({
      answers: [{ type: 'PTR', name: questions![0]!.name, ttl: 1, data: 'host.example' }],
    }));
  const [host, corp] = [await answering(), await answering()];
  const { resolver, stock } = await startServer(t, { upstreams: [host] });
  await t.rejects(stock.resolvePtr('1.0.43.10.in-addr.arpa'), { code: 'ESERVFAIL' }, 'before the zone is known');
  resolver.setSynced();
  await t.rejects(stock.reverse('10.42.0.9'), { code: 'ENOTFOUND' });
  t.strictSame(await stock.reverse('192.0.2.1'), ['host.example']);
  t.strictSame(host.asked, ['udp PTR 1.2.0.192.in-addr.arpa']);
  resolver.setSettings({ ...NO_SETTINGS, stubDomains: new Map([['42.10.in-addr.arpa', [corp]]]) });
  t.strictSame(await stock.reverse('10.42.0.9'), ['host.example']);
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
  await closed(connect(port, '127.0.0.1'));
  t.equal(server.counts.answered, 0);
});

/** Waits until a connection is closed, in whichever way: the peer may have reset it. `once` rejects on an error. */
async function closed(socket: TcpSocket): Promise<void> {
  socket.on('error', () => undefined);
  await eventually('the connection to be closed', () => socket.closed);
}

const framed = (message: Buffer): Buffer =>
  Buffer.concat([Buffer.from([message.length >> 8, message.length & 0xff]), message]);

test('a client that does not read its answers is read no further, and cut off', async (t) => {
  const { zone, resolver, server, port } = await startServer(t, { idleMs: 500 });
  const ports = [{ name: 'http', protocol: 'tcp', port: 80 }];
  const endpoints = Array.from({ length: 4_000 }, (_, index) => ({
    ...{ address: `10.42.${index >> 8}.${index & 0xff}`, hostname: undefined, ports },
  }));
  zone.set('n', 'many', { namespace: 'n', name: 'many', addresses: [], ports: [], endpoints });
  resolver.setSynced();
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.on('error', () => undefined);
  socket.pause();
  const query = framed(encode({ type: 'query', id: 1, ...question('many.n.svc.cluster.local') }));
  socket.write(Buffer.concat(Array.from({ length: 2_000 }, () => query)));
  await eventually('it to be cut off', () => server.connections === 0);
  t.ok(server.counts.answered < 500, `${server.counts.answered} answers of 64 kB`);
  socket.destroy();
  await closed(socket);
});

test('a message that never ends does not hold its connection, byte by byte', async (t) => {
  const { server, port } = await startServer(t, { idleMs: 500 });
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  const drip = setInterval(() => socket.write(Buffer.from([1])), 50);
  t.teardown(() => clearInterval(drip));
  await closed(socket);
  clearInterval(drip);
  await eventually('the server to know', () => server.connections === 0);
});

test('a client that has asked all and closes its side is answered', async (t) => {
  const upstream = await startUpstream(t, ({ questions }) => ({
    answers: [{ type: 'A', name: questions![0]!.name, ttl: 1, data: '192.0.2.1' }],
  }));
  const { port } = await startServer(t, { upstreams: [upstream] });
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  socket.end(framed(encode({ type: 'query', id: 1, ...question('a.example') })));
  const [bytes] = (await once(socket, 'data')) as [Buffer];
  t.match(decode(bytes.subarray(2)).answers, [{ data: '192.0.2.1' }]);
  await closed(socket);
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
    [
      '60 kB of options',
      Buffer.concat([changed(10, 0, 1), OPT.subarray(0, 9), Buffer.from([0xea, 0x60]), Buffer.alloc(60_000)]),
      'code 1',
    ],
    ['two of EDNS', Buffer.concat([changed(10, 0, 2), OPT, OPT]), 'code 1'],
  ] as const)
    t.equal(await rcode(bytes), wanted, what);
  const refused = (await resolver.resolve(withOpt(1), 'udp')) as Buffer;
  t.equal(refused[refused.length - 6], 1, 'BADVERS in the upper bits');
  const dnssec = withOpt(0);
  dnssec[dnssec.length - 4] = 0x80;
  const signed = (await resolver.resolve(dnssec, 'udp')) as Buffer;
  t.equal(signed[signed.length - 4], 0x80, 'DO is repeated');
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

test('while other servers are silent, a client that waits for many of their names hears of the cluster', async (t) => {
  const silent = await startUpstream(t, () => undefined);
  const { server, zone, resolver, udp, forwarder, stock } = await startServer(t, { upstreams: [silent] });
  zone.set('n', 's', { namespace: 'n', name: 's', addresses: ['10.43.0.5'], ports: [] });
  resolver.setSynced();
  for (let index = 0; index < 300; index++)
    udp.send(encode({ type: 'query', id: index, ...question(`x${index}.example`) }));
  await eventually('its limit', () => server.counts.dropped > 0);
  t.ok(forwarder.pending > 0);
  t.strictSame(await stock.resolve4('s.n.svc.cluster.local'), ['10.43.0.5']);
  t.ok(forwarder.pending > 0, 'at once');
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

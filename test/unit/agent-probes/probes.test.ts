/** The requests of probes and hooks, and the responses they accept, with real servers. */
import { createServer as createHttp2Server, type Http2Server, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { test } from 'tap';
import { runHook } from '../../../agent/pods/containers/lifecycle-hooks.ts';
import { decodeServingStatus, encodeHealthRequest } from '../../../agent/probes/grpc-health-messages.ts';
import { HttpResponseReader } from '../../../agent/probes/http-response.ts';
import { requestTarget } from '../../../agent/probes/http-target.ts';
import { runProbe, type ProbeResult } from '../../../agent/probes/run-probe.ts';
import { TestCa } from '../../support/https-server.ts';
import { Peer } from '../../support/evil-peers.ts';
import type { HTTPGetAction, HTTPHeader, Probe } from '../../../api/types/core/v1.gen.ts';

const { signal } = new AbortController();
const ran: string[][] = [];
const cri = {
  execSync: (_id: string, cmd: readonly string[]) => {
    ran.push([...cmd]);
    return Promise.resolve({ exitCode: 0, stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) });
  },
};
const target = { container: { name: 'main' }, containerId: 'c', podIP: '127.0.0.1' };
const probe = (what: Probe): Promise<ProbeResult> => runProbe({ timeoutSeconds: 10, ...what }, target, cri, signal);

const answering = (...answers: readonly string[]) => {
  let next = 0;
  return (socket: Socket): void => {
    socket.once('data', () => socket.write(answers[Math.min(next++, answers.length - 1)] ?? '', 'latin1'));
  };
};

async function probeAnswered(...answers: readonly string[]): Promise<ProbeResult> {
  await using peer = await Peer.start(answering(...answers));
  return await probe({ httpGet: { port: peer.port } });
}

async function requestOf(action: Omit<HTTPGetAction, 'port'>, hook = false): Promise<string> {
  await using peer = await Peer.start(answering('HTTP/1.1 204 No Content\r\n\r\n'));
  const httpGet = { ...action, port: peer.port };
  if (hook) await runHook({ httpGet }, target, cri, { limitMs: 10_000, signal });
  else await probe({ httpGet });
  return peer.requests.join('').replaceAll(String(peer.port), 'PORT');
}

const success = { is: 'success' };

test('accepts the responses that Go accepts', async (t) => {
  t.same(
    await probeAnswered('HTTP/1.1 200 OK\n\nbody'.replace('\n\n', '\nContent-Length: 4\n\n')),
    success,
    'LF alone',
  );
  t.same(await probeAnswered('HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n'), success, 'no reason');
  t.same(await probeAnswered('HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n'), success, 'HTTP/1.0');
  t.same(await probeAnswered('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok'), success, 'twice');
  const large = `HTTP/1.1 200 OK\r\n${`X-Large: ${'x'.repeat(1000)}\r\n`.repeat(2000)}Content-Length: 0\r\n\r\n`;
  t.same(await probeAnswered(large), success, '2 MB of headers');
  t.same(await probeAnswered('HTTP/1.1 200 OK\r\nA-Latin: caf\xe9\r\nContent-Length: 0\r\n\r\n'), success);
  const early = 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\n\r\n';
  t.same(await probeAnswered(early.replace(/\r\n\r\n$/, '\r\nContent-Length: 0\r\n\r\n')), success, '1xx before it');
  const chunked = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nTrailer: x\r\n\r\n';
  t.same(await probeAnswered(chunked), success, 'chunked, on a connection that stays open');
  t.same(await probeAnswered(`HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n${'x'.repeat(20_000)}`), success);
});

test('responses that Go rejects are failures with a reason', async (t) => {
  const output = async (answer: string): Promise<string> => {
    const result = await probeAnswered(answer);
    return result.is === 'failure' ? result.output.replace(/^Get "[^"]*": /, '') : result.is;
  };
  t.equal(await output('HTTP/1.1 101 Switching Protocols\r\n\r\n'), 'HTTP probe failed with statuscode: 101');
  t.equal(await output('HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n'), 'HTTP probe failed with statuscode: 500');
  t.equal(await output('SSH-2.0-OpenSSH\r\n'), 'malformed HTTP response "SSH-2.0-OpenSSH"');
  t.equal(await output('HTTP/1.1 20 OK\r\n'), 'malformed HTTP status code "20"');
  t.equal(await output('HTTP/x 200 OK\r\n'), 'malformed HTTP version "HTTP/x"');
  t.equal(await output('HTTP/1.1 200 OK\r\nno colon\r\n'), 'malformed MIME header line "no colon"');
  t.match(
    await output('HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx'),
    /multiple Content-Length/,
  );
  t.match(await output('HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n'), /bad Content-Length "-1"/);
  t.match(await output('HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n'), /unsupported transfer encoding: "gzip"/);
  t.match(await output('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n'), /invalid byte in chunk length/);
});

test('parsing does not depend on how a response is split, and heads and framing are limited', (t) => {
  const answers = [
    'HTTP/1.1 100 Continue\n\nHTTP/1.1 302 Found\r\nLocation: /caf\u00e9\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwiki\r\n5;a\r\npedia\r\n0\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello',
  ];
  for (const answer of answers) {
    const bytes = Buffer.from(answer);
    const whole = new HttpResponseReader().push(bytes);
    t.ok(whole);
    for (let size = 1; size < 8; size++) {
      const reader = new HttpResponseReader();
      let response;
      for (let at = 0; at < bytes.length; at += size) response ??= reader.push(bytes.subarray(at, at + size));
      t.same(response, whole, `in chunks of ${size}`);
    }
  }
  t.match(new HttpResponseReader().push(Buffer.from(answers[0]!)), { location: '/café', body: 'wikipedia' });
  const endless = (start: string, block: Buffer) => () => {
    const reader = new HttpResponseReader();
    reader.push(Buffer.from(start));
    for (let blocks = 0; blocks < 1000; blocks++) reader.push(block);
  };
  const block = Buffer.alloc(64 * 1024, 'x');
  t.throws(endless('HTTP/1.1 200 OK\r\nx: ', block), /headers exceeded/);
  t.throws(endless('HTTP/1.1 200 OK\r\n', Buffer.from('a: b\r\n'.repeat(10_000))), /headers exceeded/);
  t.throws(endless('', Buffer.from('HTTP/1.1 100 Continue\r\n\r\n'.repeat(1000))), /headers exceeded/);
  t.throws(endless('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;', block), /malformed chunked/);
  t.throws(
    endless('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n', Buffer.from('a: b\r\n'.repeat(9))),
    /malformed/,
  );
  t.end();
});

test('the path is sent as by the kubelet', async (t) => {
  const expected: Record<string, string> = {
    '': '/',
    '/': '/',
    healthz: '/healthz',
    '/a/../b/./c': '/a/../b/./c',
    '/a b': '/a%20b',
    '/a%2Fb': '/a%2Fb',
    '/%zz': '/%25zz',
    '/%zz?q=1': '/%25zz%3Fq=1',
    '/a?x=1&y=%zz#fragment': '/a?x=1&y=%zz',
    '?x': '/?x',
    '//x': '/',
    '//x/y': '/y',
    '///x': '///x',
    'http://elsewhere/y?z': '/y?z',
    '/a:b/c': '/a:b/c',
    '1a:b': '/1a:b',
    '/caf\u00e9': '/caf%C3%A9',
    '/x*(y)[z]': '/x*(y)[z]',
    '/x"y': '/x%22y',
    '/a\r\nEvil: x': '/a%0D%0AEvil:%20x',
  };
  for (const [path, asked] of Object.entries(expected)) {
    t.equal(requestTarget(path), asked, JSON.stringify(path));
    t.match(await requestOf({ path }), `GET ${asked} HTTP/1.1\r\n`);
  }
  const { is } = await probe({ httpGet: { port: 1, path: 'mailto:x' } });
  t.equal(is, 'failure');
});

test("headers are the kubelet's or the probe's, and cannot inject others", async (t) => {
  t.equal(
    await requestOf({}),
    'GET / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nUser-Agent: kube-probe/1.36\r\nAccept: */*\r\nConnection: close\r\n\r\n',
  );
  t.match(await requestOf({}, true), 'User-Agent: kube-lifecycle/1.36\r\n');
  const httpHeaders: HTTPHeader[] = [
    { name: 'host', value: 'web.example' },
    { name: 'x-key', value: 'one' },
    { name: 'X-Key', value: 'two' },
    { name: 'user-agent', value: '' },
    { name: 'Accept', value: '' },
    { name: 'content-length', value: '7' },
  ];
  t.equal(
    await requestOf({ httpHeaders }),
    'GET / HTTP/1.1\r\nHost: web.example\r\nX-Key: one\r\nX-Key: two\r\nConnection: close\r\n\r\n',
  );
  const evil = await probe({ httpGet: { port: 1, httpHeaders: [{ name: 'X', value: 'a\r\nb: c' }] } });
  t.match(evil, { is: 'failure', output: /invalid header field value for "X"/ });
});

test('redirects are followed on the same host only', async (t) => {
  const there = 'HTTP/1.1 302 Found\r\nLocation: /there?x\r\nContent-Length: 0\r\n\r\n';
  await using peer = await Peer.start(answering(there, 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'));
  t.same(await probe({ httpGet: { port: peer.port, httpHeaders: [{ name: 'Host', value: 'web' }] } }), success);
  t.match(peer.requests[1], /^GET \/there\?x HTTP\/1\.1\r\nHost: web\r\n/);
  const away = 'HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\nContent-Length: 4\r\n\r\naway';
  t.same(await probeAnswered(away), { is: 'success', warning: 'Probe terminated redirects, Response body: away' });
  t.match(await probeAnswered('HTTP/1.1 304 Not Modified\r\n\r\n'), { is: 'success', warning: /terminated redirects/ });
  t.match(await probeAnswered(there), { is: 'failure', output: /stopped after 10 redirects/ });
  const gopher = 'HTTP/1.1 301 Moved\r\nLocation: gopher://127.0.0.1/\r\nContent-Length: 0\r\n\r\n';
  t.match(await probeAnswered(gopher), { is: 'failure', output: /unsupported protocol scheme "gopher"/ });
});

test('HTTPS probes accept any certificate, and HTTPS hooks fall back to HTTP without credentials', async (t) => {
  const ca = await TestCa.create();
  const ok = answering('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
  await using secure = await Peer.start(ok, { tls: await ca.issue('CN=nobody') });
  t.same(await probe({ httpGet: { port: secure.port, scheme: 'HTTPS' } }), success);
  await using plain = await Peer.start(answering('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n'));
  const httpHeaders = [{ name: 'Authorization', value: 'Basic x' }];
  const httpGet: HTTPGetAction = { port: plain.port, scheme: 'HTTPS', httpHeaders };
  t.match(await probe({ httpGet }), { is: 'failure', output: /server gave HTTP response to HTTPS client/ });
  await runHook({ httpGet }, target, cri, { limitMs: 10_000, signal });
  t.match(plain.requests.at(-1), /^GET \/ HTTP/);
  t.notMatch(plain.requests.at(-1), /Authorization/);
});

test("an exec probe runs with the container's environment only", async (t) => {
  const container = {
    name: 'main',
    env: [
      { name: 'A', value: '1' },
      { name: 'B', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
    ],
  };
  const command = ['sh', '-c', '$(A) $(B) $(C) $$(A)'];
  t.same(await runProbe({ exec: { command } }, { ...target, container }, cri, signal), success);
  t.same(ran.at(-1), ['sh', '-c', '1  $(C) $(A)']);
});

async function health(
  answer: (service: string) => { message?: Buffer; status?: string; words?: string },
): Promise<Http2Server & AsyncDisposable> {
  const server = createHttp2Server();
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => {
      const { message, status = '0', words = '' } = answer(serviceIn(Buffer.concat(chunks)));
      const end = { 'grpc-status': status, 'grpc-message': encodeURIComponent(words) };
      if (headers[':path'] !== '/grpc.health.v1.Health/Check') stream.respond({ ':status': 404 }, { endStream: true });
      else if (!message)
        stream.respond({ ':status': 200, 'content-type': 'application/grpc', ...end }, { endStream: true });
      else {
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers(end));
        const head = Buffer.alloc(5);
        head.writeUInt32BE(message.length, 1);
        stream.end(Buffer.concat([head, message]));
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(server, {
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())),
  });
}

/** The fields of protobuf that the test needs: tag, varint, string. */
function serviceIn(framed: Buffer): string {
  const message = framed.subarray(5);
  let length = 0;
  let at = 1;
  for (let shift = 0; at < message.length; shift += 7) {
    const byte = message[at++] ?? 0;
    length |= (byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  return message.toString('utf8', at, at + length);
}

test('gRPC health checks: the service name is sent whole, unknown response fields are skipped', async (t) => {
  const longName = `shop.${'x'.repeat(300)}.Health`;
  const services: string[] = [];
  await using server = await health((service) => {
    services.push(service);
    if (service === longName) return { message: Buffer.from([0x12, 0x03, 1, 2, 3, 0x08, 0x81, 0x00]) };
    if (service === 'down') return { message: Buffer.from([0x08, 2]) };
    if (service === 'odd') return { message: Buffer.from([0x08]) };
    if (service === 'unknown') return { status: '5', words: 'no such \u00e9' };
    if (service === 'none') return { status: '12', words: 'what?' };
    return { message: Buffer.from([0x08, 1]) };
  });
  const { port } = server.address() as AddressInfo;
  const check = (service: string) => probe({ grpc: { port, service } });
  t.same(await check(''), success);
  t.same(await check(longName), success);
  t.same(services, ['', longName]);
  t.same(await check('down'), { is: 'failure', output: 'service unhealthy (responded with "NOT_SERVING")' });
  t.match(await check('odd'), { is: 'failure', output: /not a grpc\.health\.v1\.HealthCheckResponse/ });
  t.match(await check('unknown'), {
    output: 'error: health rpc probe failed: rpc error: code = NotFound desc = no such é',
  });
  t.match(await check('none'), { output: /does not implement the grpc health protocol.*what\?/ });
  t.match(await probe({ grpc: { port: 1 } }), {
    output: 'error: failed to connect service at "127.0.0.1:1": dial tcp 127.0.0.1:1: connect: connection refused',
  });
});

test('health messages with service names of every length, and arbitrary bytes', (t) => {
  for (let length = 0; length < 70_000; length = Math.ceil((length + 1) * 1.3)) {
    const name = 's'.repeat(length);
    t.equal(serviceIn(Buffer.concat([Buffer.alloc(5), encodeHealthRequest(name)])), name);
  }
  for (let round = 0; round < 2000; round++) {
    const bytes = Buffer.from(Array.from({ length: round % 24 }, () => Math.floor(Math.random() * 256)));
    try {
      t.ok(Number.isInteger(decodeServingStatus(bytes)), bytes.toString('hex'));
    } catch (error) {
      t.match(error, { message: /HealthCheckResponse/ }, bytes.toString('hex'));
    }
  }
  t.end();
});

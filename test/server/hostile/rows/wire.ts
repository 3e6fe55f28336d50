/** Bytes that are no HTTP, or that two servers would read as two different requests. */
import {
  conversation,
  either,
  END_HEADERS,
  END_STREAM,
  ERRORS,
  frame,
  goAway,
  hpack,
  PREFACE,
  reset,
  uint32,
} from '../frames.ts';
import type { HostileBytes } from '../table.ts';

const AUTH = 'Authorization: Bearer admin-token\r\n';
const GET = `GET /api/v1/namespaces/team/configmaps/settings HTTP/1.1\r\n`;
const HOST = `Host: x\r\n${AUTH}`;
const POST = `POST /api/v1/namespaces/team/configmaps?dryRun=All HTTP/1.1\r\n${HOST}Content-Type: application/json\r\n`;
const BAD = /^HTTP\/1\.1 400 /;
const STRICT_LINES = 'lines end in CR LF, where Go takes LF alone';
/** Nothing at all is an answer, too, once the connection is closed. */
const CLOSED = /^/;
/** The answer is lost where the connection is closed before all of the head was sent. */
const TOO_LONG = /^(HTTP\/1\.1 431 |$)/;
const OK = /^HTTP\/1\.1 200 /;
const bad = (name: string, bytes: HostileBytes['bytes'], differs?: string) =>
  ({ name, bytes, answer: BAD, closes: true, ...(differs && { differs }) }) as const;

export const HTTP1_BYTES = [
  bad('no HTTP at all', 'hello\r\n\r\n'),
  bad('a method of control characters', '\u0001\u0002 / HTTP/1.1\r\n\r\n'),
  bad('a version that is none', `GET / HTTP/9.9\r\n${HOST}\r\n`),
  bad('a request line of four words', `GET / / HTTP/1.1\r\n${HOST}\r\n`),
  bad('a lower-case method', `get / HTTP/1.1\r\n${HOST}\r\n`, 'the parser knows the methods of HTTP alone'),
  bad('a header without a colon', `${GET}${HOST}nonsense\r\n\r\n`),
  bad('a header with a blank before its colon', `${GET}${HOST}Content-Length : 5\r\n\r\nhello`),
  bad('a header with a blank before its name', `${GET} ${HOST}\r\n\r\n`),
  bad('a folded header', `${GET}${HOST}X-A: b\r\n c\r\n\r\n`, 'folding is forbidden since RFC 7230, and Go unfolds it'),
  bad('a NUL byte in a header', `${GET}${HOST}X-A: b\u0000c\r\n\r\n`),
  bad('a bare CR in a header', `${GET}${HOST}X-A: b\rEvil: c\r\n\r\n`),
  bad('lines that end in LF alone', `${GET}${HOST}\r\n`.replaceAll('\r\n', '\n'), STRICT_LINES),
  bad('two lengths that differ', `${POST}Content-Length: 2\r\nContent-Length: 5\r\n\r\n{}`),
  bad('a list of lengths', `${POST}Content-Length: 2, 2\r\n\r\n{}`),
  bad('a negative length', `${POST}Content-Length: -1\r\n\r\n{}`),
  bad('a length with a sign', `${POST}Content-Length: +2\r\n\r\n{}`),
  bad('a length in hexadecimal', `${POST}Content-Length: 0x2\r\n\r\n{}`),
  bad('a length past 64 bits', `${POST}Content-Length: 99999999999999999999\r\n\r\n{}`),
  bad(
    'a length and chunks',
    `${POST}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`,
    'upstream lets the chunks count',
  ),
  bad(
    'chunks and a length',
    `${POST}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n2\r\n{}\r\n0\r\n\r\n`,
    'upstream lets the chunks count',
  ),
  bad(
    'an encoding that is none',
    `${POST}Transfer-Encoding: constructor\r\n\r\n2\r\n{}\r\n0\r\n\r\n`,
    'upstream answers 501',
  ),
  bad(
    'an encoding behind the chunks',
    `${POST}Transfer-Encoding: chunked, identity\r\n\r\n2\r\n{}\r\n0\r\n\r\n`,
    'upstream answers 501',
  ),
  bad('an encoding with a vertical tab', `${POST}Transfer-Encoding: \u000bchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`),
  bad('a chunk whose size is none', `${POST}Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n`),
  bad('a chunk whose size is negative', `${POST}Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n`),
  bad(
    'a chunk whose size is past 64 bits',
    `${POST}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}\r\n0\r\n\r\n`,
  ),
  bad('a chunk that is longer than it says', `${POST}Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n`),
  bad(
    'a chunk whose line ends in LF alone',
    `${POST}Transfer-Encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n`,
    STRICT_LINES,
  ),
  bad('no Host', `${GET}${AUTH}\r\n`),
  bad('an answer instead of a request', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'),
  bad('HTTP/2 by prior knowledge where HTTP/1.1 was agreed', PREFACE),
  {
    name: 'a head of more than a mebibyte',
    bytes: () => `${GET}${HOST}${'X-A: '.padEnd(1_100_000, 'a')}\r\n\r\n`,
    answer: TOO_LONG,
    closes: true,
  },
  {
    name: 'a request line of more than a mebibyte',
    bytes: () => `GET /${'a'.repeat(1_100_000)} HTTP/1.1\r\n${HOST}\r\n`,
    answer: TOO_LONG,
    closes: true,
  },
  {
    name: '20,000 headers',
    bytes: () => `${GET}${HOST}${'X-A: b\r\n'.repeat(20_000)}\r\n`,
    answer: TOO_LONG,
    closes: true,
    differs: '10,000 headers at most, where upstream bounds their bytes alone',
  },
  {
    name: 'a target in full is the path in it',
    bytes: `GET http://evil.example/api/v1/namespaces/team/configmaps/settings HTTP/1.1\r\n${HOST}\r\n`,
    answer: /^HTTP\/1\.1 (200|400|404) /,
  },
  { name: 'a target with a tab', bytes: `GET /api/v1/namespaces/team/.\t./ HTTP/1.1\r\n${HOST}\r\n`, answer: BAD },
  { name: 'a target with a form feed', bytes: `GET /api/v1/pods\f HTTP/1.1\r\n${HOST}\r\n`, answer: BAD },
  {
    name: 'a target that is an asterisk',
    bytes: `OPTIONS * HTTP/1.1\r\n${HOST}\r\n`,
    answer: /^HTTP\/1\.1 (200|400|403|404) /,
  },
  { name: 'a target without a slash', bytes: `GET api/v1/pods HTTP/1.1\r\n${HOST}\r\n`, answer: BAD },
  {
    name: 'CONNECT as if this were a proxy',
    bytes: `CONNECT 169.254.169.254:80 HTTP/1.1\r\n${HOST}\r\n`,
    answer: /^(HTTP\/1\.1 (400|403|404|405) |$)/,
    closes: true,
  },
  {
    name: 'two hosts, of which none counts',
    bytes: `${GET}${HOST}Host: y\r\n\r\n`,
    answer: OK,
    differs: 'no answer depends on the host, where upstream refuses two',
  },
  {
    name: 'a body that is never sent is waited for no longer than a while, others go on',
    bytes: `${GET}${HOST}Connection: close\r\n\r\n`,
    answer: OK,
    closes: true,
  },
  {
    name: 'a smuggled request behind a body that was not read',
    bytes: `${GET}${HOST}Content-Length: 61\r\nConnection: close\r\n\r\nDELETE /api/v1/namespaces/team HTTP/1.1\r\nHost: x\r\nX-A: ignored\r\n\r\n`,
    answer: /^HTTP\/1\.1 200 (?![^]*HTTP\/1\.1)/,
    closes: true,
  },
  {
    name: 'a hundred requests at once are answered in their order',
    bytes: () => `${GET}${HOST}\r\n`.repeat(99) + `${GET}${HOST}Connection: close\r\n\r\n`,
    answer: /^(?:HTTP\/1\.1 200 (?:(?!HTTP\/1\.1 )[^])*){100}$/,
    closes: true,
  },
  {
    name: 'an expectation that is none',
    bytes: `${POST}Expect: constructor\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}`,
    answer: /^HTTP\/1\.1 (417|4\d\d) /,
    closes: true,
  },
  {
    name: 'a trailer that would be a credential',
    bytes: `POST /api/v1/namespaces/team/configmaps?dryRun=All HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nTrailer: Authorization\r\nConnection: close\r\n\r\n2\r\n{}\r\n0\r\n${AUTH}\r\n`,
    answer: /^HTTP\/1\.1 403 /,
    closes: true,
  },
] as const satisfies readonly HostileBytes[];

const PSEUDO = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':authority', 'x'],
  [':path', '/livez'],
] as const;
const headers = (...fields: readonly (readonly [string, string])[]): Buffer =>
  frame('headers', END_HEADERS | END_STREAM, 1, hpack(...fields));
/** A stream or a connection may be ended for it; upstream ends the stream. */
const REFUSED = either(
  reset(1, ERRORS.protocol, ERRORS.refused, ERRORS.cancel, ERRORS.internal),
  goAway(ERRORS.protocol, ERRORS.internal),
);
const http2 = (name: string, bytes: HostileBytes['bytes'], answer: RegExp = REFUSED) =>
  ({ name, over: 'HTTP/2', bytes, answer }) as const;

export const HTTP2_FRAMES = [
  http2('no preface', 'GET / HTTP/1.1\r\nHost: x\r\n\r\n', either(goAway(ERRORS.protocol), /^$/, /^[^]/)),
  http2('a header in capitals', conversation(headers(...PSEUDO, ['X-A', 'b']))),
  http2('a header with a line end', conversation(headers(...PSEUDO, ['x-a', 'b\r\nc: d'])), /^[^]/),
  http2('a header that is of connections', conversation(headers(...PSEUDO, ['connection', 'close']))),
  http2('chunks', conversation(headers(...PSEUDO, ['transfer-encoding', 'chunked']))),
  http2('a pseudo header that is none', conversation(headers(...PSEUDO, [':constructor', 'x']))),
  http2('a pseudo header after the others', conversation(headers(['x-a', 'b'], ...PSEUDO))),
  http2('a method twice', conversation(headers(...PSEUDO, [':method', 'POST']))),
  http2('no method', conversation(headers(...PSEUDO.slice(1)))),
  http2('no path', conversation(headers(...PSEUDO.slice(0, 3)))),
  http2('an empty path', conversation(headers(...PSEUDO.slice(0, 3), [':path', '']))),
  http2('the pseudo header of an answer', conversation(headers([':status', '200']))),
  http2(
    'a frame of a stream of the server',
    conversation(frame('headers', END_HEADERS | END_STREAM, 2, hpack(...PSEUDO))),
    goAway(ERRORS.protocol),
  ),
  http2(
    'headers of stream 0',
    conversation(frame('headers', END_HEADERS | END_STREAM, 0, hpack(...PSEUDO))),
    goAway(ERRORS.protocol),
  ),
  http2(
    'data of a stream that is not open',
    conversation(frame('data', 0, 1, 'x')),
    either(goAway(ERRORS.protocol, ERRORS.streamClosed), reset(1, ERRORS.streamClosed)),
  ),
  http2(
    'a push of the client',
    conversation(frame('push', END_HEADERS, 1, Buffer.concat([uint32(2), hpack(...PSEUDO)]))),
    goAway(ERRORS.protocol),
  ),
  http2(
    'a continuation of nothing',
    conversation(frame('continuation', END_HEADERS, 1, hpack(...PSEUDO))),
    goAway(ERRORS.protocol),
  ),
  http2(
    'a ping between headers and their end',
    conversation(frame('headers', END_STREAM, 1, hpack(...PSEUDO)), frame('ping', 0, 0, Buffer.alloc(8))),
    goAway(ERRORS.protocol),
  ),
  http2('a ping of seven bytes', conversation(frame('ping', 0, 0, Buffer.alloc(7))), goAway(ERRORS.frameSize)),
  http2('settings of five bytes', conversation(frame('settings', 0, 0, Buffer.alloc(5))), goAway(ERRORS.frameSize)),
  http2('a window that grows by nothing', conversation(frame('window', 0, 0, uint32(0))), goAway(ERRORS.protocol)),
  http2('a window past 31 bits', conversation(frame('window', 0, 0, uint32(0x7fffffff))), goAway(ERRORS.flowControl)),
  http2(
    'a frame that is longer than agreed',
    conversation(frame('data', 0, 1, Buffer.alloc(20_000))),
    goAway(ERRORS.frameSize, ERRORS.protocol, ERRORS.streamClosed),
  ),
  http2(
    'HPACK of an index that is none',
    conversation(frame('headers', END_HEADERS | END_STREAM, 1, Buffer.from([0xff, 0xff, 0x7f]))),
    goAway(ERRORS.compression),
  ),
  http2(
    'HPACK of a length without end',
    conversation(
      frame('headers', END_HEADERS | END_STREAM, 1, Buffer.concat([Buffer.from([0, 0x7f]), Buffer.alloc(20, 0xff)])),
    ),
    goAway(ERRORS.compression),
  ),
  http2(
    'padding that is longer than the frame',
    conversation(frame('headers', END_HEADERS | END_STREAM | 8, 1, Buffer.from([0xff, 0x82]))),
    goAway(ERRORS.protocol),
  ),
  http2(
    'a stream that depends on itself',
    conversation(frame('priority', 0, 1, Buffer.concat([uint32(1), Buffer.from([0])]))),
    /^[^]/,
  ),
  http2(
    'continuations without end (CVE-2024-27316)',
    () =>
      conversation(
        frame('headers', END_STREAM, 1, hpack(...PSEUDO)),
        ...Array.from({ length: 5_000 }, () => frame('continuation', 0, 1, hpack(['x-a', 'b'.repeat(1_000)]))),
      ),
    either(goAway(ERRORS.protocol, ERRORS.internal, ERRORS.compression, ERRORS.enhanceYourCalm), CLOSED),
  ),
  http2(
    'settings without end',
    () => conversation(...Array.from({ length: 20_000 }, () => frame('settings', 0, 0))),
    /^[^]/,
  ),
  http2(
    'pings without end',
    () => conversation(...Array.from({ length: 20_000 }, () => frame('ping', 0, 0, Buffer.alloc(8)))),
    /^[^]/,
  ),
  http2(
    'streams that are reset at once (CVE-2023-44487)',
    () =>
      conversation(
        ...Array.from({ length: 5_000 }, (_, index) =>
          Buffer.concat([
            frame('headers', END_HEADERS | END_STREAM, 2 * index + 1, hpack(...PSEUDO)),
            frame('reset', 0, 2 * index + 1, uint32(ERRORS.cancel)),
          ]),
        ),
      ),
    either(goAway(ERRORS.enhanceYourCalm, ERRORS.internal), /^[^]/),
  ),
  http2(
    'empty data without end (CVE-2019-9518)',
    () =>
      conversation(
        frame('headers', END_HEADERS, 1, hpack([':method', 'POST'], ...PSEUDO.slice(1))),
        ...Array.from({ length: 20_000 }, () => frame('data', 0, 1)),
      ),
    /^[^]/,
  ),
  http2(
    'a window of nothing for the answer',
    conversation(frame('settings', 0, 0, Buffer.from([0, 4, 0, 0, 0, 0])), headers(...PSEUDO)),
    /^[^]/,
  ),
] as const satisfies readonly HostileBytes[];

export const TLS_BYTES = [
  {
    name: 'HTTP without TLS',
    over: 'none',
    bytes: 'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
    answer: CLOSED,
    closes: true,
    differs: 'upstream tells in plain text that it speaks TLS',
  },
  {
    name: 'random bytes',
    over: 'none',
    bytes: Buffer.from('8f3ac1ffee00ffee00ffee8f3ac1ffee00ffee00ffee', 'hex'),
    answer: CLOSED,
    closes: true,
  },
  {
    name: 'a hello of SSL 2',
    over: 'none',
    bytes: Buffer.from(
      '802e0100020015000000100100800200800300800400800500800600400700c000112233445566778899aabbccddeeff',
      'hex',
    ),
    answer: CLOSED,
    closes: true,
  },
  {
    name: 'a record that is longer than records are',
    over: 'none',
    bytes: Buffer.concat([Buffer.from('160301ffff', 'hex'), Buffer.alloc(70_000)]),
    answer: CLOSED,
    closes: true,
  },
  {
    name: 'an alert instead of a hello',
    over: 'none',
    bytes: Buffer.from('15030100020228', 'hex'),
    answer: CLOSED,
    closes: true,
  },
  {
    name: 'a heartbeat instead of a hello',
    over: 'none',
    bytes: Buffer.from('1803020003014000', 'hex'),
    answer: CLOSED,
    closes: true,
  },
  { name: 'SSH', over: 'none', bytes: 'SSH-2.0-OpenSSH_9.6\r\n', answer: CLOSED, closes: true },
] as const satisfies readonly HostileBytes[];

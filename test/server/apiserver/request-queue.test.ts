import { once } from 'node:events';
import http2 from 'node:http2';
import { Socket } from 'node:net';
import tls from 'node:tls';
import t from 'tap';
import { RequestQueue } from '../../../control-plane/apiserver/http/request-queue.ts';
import { eventually } from '../../support/wait.ts';
import { CONFIG_MAPS, TestServer } from './server.ts';

const spin = (ms: number): void => {
  const end = performance.now() + ms;
  while (performance.now() < end);
};
/** Only its identity matters. */
const session = (): http2.Http2Session => Object.create(null) as http2.Http2Session;
const turn = (): Promise<void> => new Promise((resume) => setImmediate(resume));

t.test('the first stream starts at once, others of the same turn later', async (t) => {
  const queue = new RequestQueue();
  const [one, other] = [session(), session()];
  const started: string[] = [];
  queue.take(one, () => started.push('one 1'));
  queue.take(one, () => started.push('one 2'));
  queue.take(one, () => started.push('one 3'));
  queue.take(other, () => started.push('other 1'));
  queue.take(other, () => started.push('other 2'));
  t.same(started, ['one 1', 'other 1']);
  await eventually('all requests to start', () => started.length === 5);
  t.same(started.slice(2), ['one 2', 'other 2', 'one 3'], 'round-robin across connections');
  queue.take(one, () => started.push('one 4'));
  t.equal(started.at(-1), 'one 4', 'in another turn');
});

t.test('a new connection is served before the queued requests of another', async (t) => {
  const queue = new RequestQueue();
  const [many, late] = [session(), session()];
  const MANY = 50;
  let started = 0;
  for (let index = 0; index < MANY; index++) {
    queue.take(many, () => {
      started++;
      spin(1);
    });
  }
  await turn();
  let before = -1;
  queue.take(late, () => (before = started));
  t.ok(before >= 1 && before < MANY / 2, `${before} of ${MANY} had started`);
  await eventually('all requests to start', () => started === MANY);
});

t.test('an HTTP/1.1 connection with many queued requests is not read further', async (t) => {
  const queue = new RequestQueue();
  const socket = new Socket();
  let started = 0;
  for (let index = 0; index < 100; index++) queue.wait(socket, () => started++);
  t.ok(socket.isPaused());
  await eventually('all requests to start', () => started === 100);
  t.notOk(socket.isPaused());
});

const AUTHORIZATION = { authorization: 'Bearer admin/system:masters' };

t.test('lists that are reset while queued are not served', async (t) => {
  await using server = await TestServer.start();
  const session = http2.connect(server.url(''), { ca: server.ca });
  try {
    await once(session, 'connect');
    const streams = Array.from({ length: 100 }, () => session.request({ ':path': CONFIG_MAPS, ...AUTHORIZATION }));
    for (const stream of streams) {
      stream.on('error', () => undefined);
      stream.close(http2.constants.NGHTTP2_CANCEL);
    }
    const last = session.request({ ':path': CONFIG_MAPS, ...AUTHORIZATION });
    const [headers] = (await once(last, 'response')) as [http2.IncomingHttpHeaders];
    t.equal(headers[':status'], 200);
    last.close();
    const { text } = await server.call('GET', '/metrics');
    const counted = text.matchAll(/^apiserver_request_total\{verb="LIST",[^}]*resource="configmaps"[^}]*\} (\d+)$/gm);
    const lists = [...counted].reduce((sum, [, count]) => sum + Number(count), 0);
    t.ok(lists >= 1 && lists <= 10, `${lists} lists were served`);
  } finally {
    session.destroy();
  }
});

t.test('pipelined requests are all served in order', async (t) => {
  await using server = await TestServer.start();
  const { port } = new URL(server.url(''));
  const socket = tls.connect({ host: '127.0.0.1', port: Number(port), ca: server.ca, servername: 'localhost' });
  try {
    await once(socket, 'secureConnect');
    const MANY = 500;
    const head = `Host: x\r\nAuthorization: ${AUTHORIZATION.authorization}\r\n`;
    const paths = Array.from({ length: MANY }, (_, index) => `/apis/none.example.com/v1/n${index}`);
    socket.write(paths.map((path) => `GET ${path} HTTP/1.1\r\n${head}Audit-Id: ${path}\r\n\r\n`).join(''));
    let answers = '';
    socket.setEncoding('utf8').on('data', (text: string) => (answers += text));
    const ids = (): string[] => [...answers.matchAll(/^Audit-Id: (\S+)\r$/gim)].map(([, id = '']) => id);
    await eventually('all answers', () => ids().length === MANY);
    t.same(ids(), paths);
  } finally {
    socket.destroy();
  }
});

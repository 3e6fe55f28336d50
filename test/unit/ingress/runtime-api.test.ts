import { createServer } from 'node:net';
import { once } from 'node:events';
import path from 'node:path';
import { test } from 'tap';
import { RuntimeApi } from '../../../addons/ingress/haproxy/runtime-api.ts';
import { startStatusServer } from '../../../addons/ingress/status-server.ts';
import { Log } from '../../support/log.ts';
import { eventually } from '../../support/wait.ts';
import type { AddressInfo } from 'node:net';

test('nothing becomes a command that is not one', async (t) => {
  const socket = path.join(t.testdir({}), 's');
  const heard: string[] = [];
  const server = createServer({ allowHalfOpen: true }, (peer) => {
    peer.setEncoding('utf8').on('data', (text: string) => heard.push(text));
    peer.on('end', () => peer.end());
  });
  await once(server.listen(socket), 'listening');
  t.teardown(() => server.close());
  const api = new RuntimeApi(socket);
  await api.ask('add map m', undefined, 'a b\nc d\n');
  t.strictSame(heard, ['add map m <<\na b\nc d\n\n']);
  for (const payload of ['a b\n\nshutdown sessions server a/b\n', 'a\n \nb', '\nb', ''])
    await t.rejects(api.ask('add map m', undefined, payload), { message: 'a payload has an empty line' });
  for (const command of ['a;b', 'a\nb', 'a\\b']) await t.rejects(api.ask(command), { name: 'RuntimeApiError' });
  t.equal(heard.length, 1);
});

test('those who ask for metrics at the same time cost one answer of the proxy', async (t) => {
  const answer = Promise.withResolvers<string>();
  let asked = 0;
  const ask = async (): Promise<string> => {
    asked++;
    return answer.promise;
  };
  const status = await startStatusServer({
    ...{ address: '127.0.0.1', port: 0, logger: new Log(), ownerOf: (section) => section },
    api: () => ({ ask }) as unknown as RuntimeApi,
    counts: () => ({ reloads: 0, ingresses: 0, problems: 0, lastReloadSeconds: 0 }),
  });
  t.teardown(() => {
    status.closeAllConnections();
    status.close();
  });
  let requests = 0;
  status.on('request', () => requests++);
  const url = `http://127.0.0.1:${(status.address() as AddressInfo).port}/metrics`;
  const answers = Array.from({ length: 20 }, () => fetch(url).then(({ status: code }) => code));
  await eventually('all of them', () => requests === 20);
  answer.resolve('# pxname,svname\n');
  t.strictSame(new Set(await Promise.all(answers)), new Set([200]));
  t.equal(asked, 1);
  t.equal(await fetch(url).then(({ status: code }) => code), 200);
  t.equal(asked, 2, 'the next one hears what is true then');
});

/** Calls, watches and upgrades end in time, whatever the server does. */
import t from 'tap';
import { pods } from '../../../api/kinds/core/pod.ts';
import { ApiClient } from '../../../client/api-client.ts';
import { requestUpgrade } from '../../../client/upgrade.ts';
import { evilPeers, Peer } from '../../support/evil-peers.ts';
import { eventually } from '../../support/wait.ts';

const SILENCE_MS = 100;
/** Ten times the tolerated silence, with slack for a busy machine. */
const WHOLE_MS = 1000 + 3000;

t.test('a call ends, whatever the server does', (t) =>
  Promise.all(
    Object.entries(evilPeers).map(async ([name, behaviour]) => {
      await using peer = await Peer.start(behaviour);
      await using client = new ApiClient({ server: `http://127.0.0.1:${peer.port}` });
      const startedAt = performance.now();
      const error: unknown = await client.get(pods, 'default', 'a', { timeoutMs: SILENCE_MS }).then(
        () => undefined,
        (error: unknown) => error,
      );
      t.ok(performance.now() - startedAt < WHOLE_MS, `one that ${name}: ${String(error)}`);
      t.ok(error, `one that ${name}`);
    }),
  ),
);

t.test('a watch that the server never ends is closed, without events after that', async (t) => {
  const bookmark = '{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"1"}}}\n';
  let isClosed = false;
  await using peer = await Peer.start((socket) => {
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
      const timer = setInterval(() => socket.write(`${bookmark.length.toString(16)}\r\n${bookmark}\r\n`), 20);
      socket.on('close', () => {
        clearInterval(timer);
        isClosed = true;
      });
    });
  });
  await using client = new ApiClient({ server: `http://127.0.0.1:${peer.port}` });
  let heard = 0;
  // The server may exceed its own limit by thirty seconds.
  const watching = client.watch(pods, { timeoutSeconds: -29 }, () => heard++);
  await t.rejects(watching, { name: 'ConnectionError', code: 'DEADLINE' });
  t.ok(heard > 0);
  const before = heard;
  await eventually('the connection to be closed', () => isClosed);
  t.equal(heard, before);
});

t.test('a watch fails when nothing is received for its limit of silence, and not before', async (t) => {
  const bookmark = '{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"1"}}}\n';
  const chunk = `${bookmark.length.toString(16)}\r\n${bookmark}\r\n`;
  // Longer than the limit from the first to the last, and each sooner than it.
  const chunks = 8;
  let isClosed = false;
  await using peer = await Peer.start((socket) => {
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
      let sent = 0;
      const timer = setInterval(() => {
        socket.write(chunk);
        if (++sent === chunks) clearInterval(timer);
      }, SILENCE_MS / 2);
      socket.on('close', () => {
        clearInterval(timer);
        isClosed = true;
      });
    });
  });
  await using client = new ApiClient({ server: `http://127.0.0.1:${peer.port}` });
  let heard = 0;
  const watching = client.watch(pods, { silenceLimitMs: 3 * SILENCE_MS }, () => heard++);
  await t.rejects(watching, { code: 'SILENCE', message: /nothing was received for 0\.3 s$/ });
  t.equal(heard, chunks);
  await eventually('the connection to be closed', () => isClosed);
});

t.test('an upgrade without a complete response times out and closes its connection', async (t) => {
  for (const name of ['accepts and stays silent', 'drips its status line', 'drips its headers']) {
    await using peer = await Peer.start(evilPeers[name]!);
    const url = new URL(`http://127.0.0.1:${peer.port}/`);
    const headers = { Connection: 'Upgrade', Upgrade: 'SPDY/3.1' };
    await t.rejects(requestUpgrade({ url, method: 'POST', headers, agent: false }, 300), { code: 'ETIMEDOUT' }, name);
    await eventually('the connection to be closed', () => peer.sockets.size === 0);
  }
});

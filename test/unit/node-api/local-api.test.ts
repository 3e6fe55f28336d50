/** What the agent tells commands of its own host, over a socket. */
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { text } from 'node:stream/consumers';
import path from 'node:path';
import t, { type Test } from 'tap';
import { askAgent, localSocket, readLocally } from '../../../agent/inspect/local-agent.ts';
import { serveLocalApi } from '../../../agent/server/local-api.ts';
import { eventually } from '../../support/wait.ts';

interface Served extends AsyncDisposable {
  readonly warnings: string[];
  readonly done: Promise<void>;
}

/** With a name that is short enough for a socket, which those of `t.testdir` are not. */
async function directory(t: Test): Promise<string> {
  const made = await mkdtemp(path.join(tmpdir(), 'kedge-local-api-'));
  t.teardown(() => rm(made, { recursive: true }));
  return made;
}

/** Serves from the directory until the test ends. */
function serve(t: Test, dataDir: string, unhealthy?: string): Served {
  const stop = new AbortController();
  const warnings: string[] = [];
  const nothing = (): void => undefined;
  const warn = (fields: object, message: string): void =>
    void warnings.push(`${message}: ${(fields as { err?: Error }).err?.message}`);
  const done = serveLocalApi(
    {
      ...{ dataDir, unhealthy: () => unhealthy, configuration: () => ({ port: 1 }), statistics: {} },
      pods: {
        list: () => [{ metadata: { name: 'web' } }],
        find: () => undefined,
        sandboxId: () => undefined,
        containerId: () => undefined,
      },
      events: () => [{ reason: 'Started' }],
      node: () => ({ metadata: { name: 'node-1' } }),
      logger: { debug: nothing, info: nothing, warn, error: warn },
    },
    stop.signal,
  );
  const end = async (): Promise<void> => {
    stop.abort();
    await done;
  };
  t.teardown(end);
  return { warnings, done, [Symbol.asyncDispose]: end };
}

const answering = (dataDir: string): Promise<unknown> =>
  eventually('the socket to answer', async () => (await readLocally(dataDir, '/healthz')).isThere);

t.test('root alone may ask for documents and Events', async (t) => {
  const dataDir = await directory(t);
  serve(t, dataDir);
  await answering(dataDir);
  const { mode } = await stat(localSocket(dataDir));
  t.equal(mode & 0o777, 0o600, 'and nobody else may connect');
  t.match(await askAgent(dataDir, '/pods'), { kind: 'PodList', items: [{ metadata: { name: 'web' } }] });
  t.match(await askAgent(dataDir, '/events'), { items: [{ reason: 'Started' }] });
  t.match(await askAgent(dataDir, '/configz'), { kubeletconfig: { port: 1 } });
  await t.rejects(askAgent(dataDir, '/exec/a/b/c'), /the agent cannot answer \/exec\/a\/b\/c: 404/);
  await t.rejects(askAgent(dataDir, '/%zz'), /invalid URL escape/);
});

t.test('what an unhealthy agent says is passed on', async (t) => {
  const dataDir = await directory(t);
  serve(t, dataDir, 'pod workers are stuck');
  await answering(dataDir);
  t.match(await readLocally(dataDir, '/healthz'), { isThere: true, ok: false, body: 'pod workers are stuck' });
});

t.test('nothing but GET is answered', async (t) => {
  const dataDir = await directory(t);
  serve(t, dataDir);
  await answering(dataDir);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  request({ socketPath: localSocket(dataDir), path: '/pods', method: 'POST' }, (response) => {
    text(response).then((body) => resolve(`${response.statusCode} ${body}`), reject);
  })
    .on('error', reject)
    .end();
  t.equal(await promise, '405 Method Not Allowed');
});

t.test('a stopped agent is no error, and what one that was killed has left does not stop the next', async (t) => {
  const dataDir = await directory(t);
  t.strictSame(await readLocally(dataDir, '/pods'), { isThere: false });
  t.equal(await askAgent(dataDir, '/pods'), undefined);
  {
    await using first = serve(t, dataDir);
    await answering(dataDir);
    const second = serve(t, dataDir);
    await second.done;
    t.match(second.warnings, [/another process serves/], 'one that runs is not replaced');
    t.match(await readLocally(dataDir, '/healthz'), { isThere: true });
    t.strictSame(first.warnings, []);
  }
  t.strictSame(await readLocally(dataDir, '/pods'), { isThere: false }, 'it has been stopped');
  await writeFile(localSocket(dataDir), '');
  serve(t, dataDir);
  await answering(dataDir);
});

t.test('a directory whose name is too long for a socket is told of', async (t) => {
  const served = serve(t, path.join(await directory(t), 'x'.repeat(120)));
  await served.done;
  t.match(served.warnings, [/longer than a socket's name may be/]);
});

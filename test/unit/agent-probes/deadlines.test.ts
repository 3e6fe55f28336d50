/** Probes, hooks and CRI calls end within their deadlines and close their connections, whatever the peer does. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test, type Test } from 'tap';
import { CriClient } from '../../../agent/cri/client.ts';
import { CriError } from '../../../agent/cri/rpc-error.ts';
import { runHook } from '../../../agent/pods/containers/lifecycle-hooks.ts';
import { runProbe, type ProbeResult } from '../../../agent/probes/run-probe.ts';
import { TestCa, type Issued } from '../../support/https-server.ts';
import { eventually } from '../../support/wait.ts';
import { evilPeers, Peer } from '../../support/evil-peers.ts';
import type { LifecycleHandler, Probe } from '../../../api/types/core/v1.gen.ts';

const LIMIT_SECONDS = 0.5;
/** Slack for a busy machine. */
const MARGIN_SECONDS = 1.5;
const { signal } = new AbortController();
const cri = { execSync: () => Promise.reject(new Error('no command is run here')) };
const target = { container: { name: 'main' }, containerId: 'c', podIP: '127.0.0.1' };

const probeOf = (probe: Probe): Promise<ProbeResult> =>
  runProbe({ ...probe, timeoutSeconds: LIMIT_SECONDS }, target, cri, signal);

async function hookOf(handler: LifecycleHandler): Promise<string> {
  try {
    await runHook(handler, target, cri, { limitMs: LIMIT_SECONDS * 1000, signal });
    return 'ended';
  } catch (error) {
    return (error as Error).message;
  }
}

/** Runs it against every peer concurrently; each has to end in time, with its connections closed. */
async function againstAll(
  t: Test,
  tls: Issued | undefined,
  act: (port: number, name: string) => Promise<unknown>,
): Promise<void> {
  await Promise.all(
    Object.entries(evilPeers).map(async ([name, behaviour]) => {
      await using peer = await Peer.start(behaviour, { tls });
      const startedAt = performance.now();
      const outcome = await act(peer.port, name);
      const took = (performance.now() - startedAt) / 1000;
      t.ok(
        took < LIMIT_SECONDS + MARGIN_SECONDS,
        `one that ${name}: over after ${took} s (${JSON.stringify(outcome)})`,
      );
      await eventually(`the connection of the peer that ${name} to be closed`, () => peer.sockets.size === 0);
    }),
  );
}

/** Peers whose response is valid, or starts valid. */
const ANSWERING: ReadonlySet<string> = new Set(['has a body without end']);

test('an HTTP probe ends in time', (t) =>
  againstAll(t, undefined, async (port, name) => {
    const result = await probeOf({ httpGet: { port } });
    t.equal(result.is, ANSWERING.has(name) ? 'success' : 'failure', name);
    return result;
  }));

test('an HTTPS probe ends in time, also against a plain HTTP server', async (t) => {
  const ca = await TestCa.create();
  const issued = await ca.issue('CN=server');
  await againstAll(t, issued, (port) => probeOf({ httpGet: { port, scheme: 'HTTPS' } }));
  await againstAll(t, undefined, (port) => probeOf({ httpGet: { port, scheme: 'HTTPS' } }));
});

test('a TCP probe ends in time', (t) =>
  againstAll(t, undefined, async (port) => {
    const result = await probeOf({ tcpSocket: { port } });
    t.equal(result.is, 'success');
    return result;
  }));

test('a gRPC probe ends in time', (t) =>
  againstAll(t, undefined, async (port) => {
    const result = await probeOf({ grpc: { port } });
    t.equal(result.is, 'failure');
    return result;
  }));

test('every kind of hook ends in time', async (t) => {
  await againstAll(t, undefined, (port) => hookOf({ httpGet: { port } }));
  await againstAll(t, undefined, (port) => hookOf({ httpGet: { port, scheme: 'HTTPS' } }));
  await againstAll(t, undefined, (port) => hookOf({ tcpSocket: { port } }));
  t.match(await hookOf({ sleep: { seconds: 3600 } }), /timed out after 500 ms/);
});

test('an aborted probe ends at once', async (t) => {
  await using peer = await Peer.start(evilPeers['accepts and stays silent']!);
  for (const probe of [{ httpGet: { port: peer.port } }, { grpc: { port: peer.port } }] satisfies Probe[]) {
    const stop = new AbortController();
    const running = runProbe({ ...probe, timeoutSeconds: 60 }, target, cri, stop.signal);
    await eventually('the connection', () => peer.sockets.size > 0);
    stop.abort(new Error('the container is gone'));
    await t.rejects(running, { message: 'the container is gone' });
  }
});

test('an unresponsive runtime blocks no call, exec or pull for longer than its deadline', async (t) => {
  const directory = await mkdtemp(path.join(tmpdir(), 'kedge-runtime-'));
  t.teardown(() => rm(directory, { recursive: true }));
  const silent = ['accepts and stays silent', 'speaks HTTP/2', 'speaks HTTP/2 and drips pings'];
  for (const [index, name] of silent.entries()) {
    const socket = path.join(directory, `${index}.sock`);
    await using peer = await Peer.start(evilPeers[name]!, { path: socket });
    const client = new CriClient(socket);
    const options = { limitMs: LIMIT_SECONDS * 1000 };
    const startedAt = performance.now();
    const calls = {
      version: client.version(options),
      stop: client.stopContainer('c', 1000, options),
      exec: client.execSync('c', ['true'], 1000, options),
      pull: client.pullImage('i', undefined, undefined, options),
    };
    const ends = async (call: string, running: Promise<unknown>): Promise<void> => {
      const error = await running.then(
        () => undefined,
        (error: unknown) => error,
      );
      t.ok(performance.now() - startedAt < (LIMIT_SECONDS + MARGIN_SECONDS) * 1000, `${call}: one that ${name}`);
      t.ok(error instanceof CriError, String(error));
    };
    await Promise.all(Object.entries(calls).map(([call, running]) => ends(call, running)));
    t.ok(peer.sockets.size > 0, 'the runtime was there');
    const stop = new AbortController();
    const running = client.version({ signal: stop.signal });
    stop.abort(new Error('the agent ends'));
    await t.rejects(running, { name: 'CriError', message: /the agent ends/ });
    client.close();
  }
});

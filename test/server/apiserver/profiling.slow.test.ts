/** Profiles of the api-server. A heap snapshot is of the whole process: this file has one of its own. */
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import https from 'node:https';
import t from 'tap';
import { profilingHandler } from '../../../control-plane/apiserver/documents/profiling.ts';
import { eventually } from '../../support/wait.ts';
import { TestServer } from './server.ts';

t.setTimeout(4 * 60_000);

t.test('administrators get CPU profiles and heap snapshots, one at a time', async (t) => {
  await using server = await TestServer.start({ paths: [profilingHandler()] });
  const begin = (target: string) => {
    const headers = { authorization: 'Bearer admin/system:masters' };
    return https.get(server.url(target), { headers, agent: false, ca: server.ca });
  };
  const status = async (target: string): Promise<number> => (await server.call('GET', target)).status;
  t.match((await server.call('GET', '/debug/pprof/')).text, /heap snapshot/);
  t.equal((await server.call('GET', '/debug/pprof/profile', { user: 'somebody/developers' })).status, 403);
  t.equal(await status('/debug/pprof/profile?seconds=51'), 400);
  t.equal(await status('/debug/pprof/profile?seconds=x'), 400);
  t.equal((await server.call('POST', '/debug/pprof/heap')).status, 405);
  t.equal(await status('/debug/pprof/goroutine'), 404);

  const profile = await server.call('GET', '/debug/pprof/profile?seconds=0.2');
  t.equal(profile.status, 200);
  t.match(profile.headers['content-disposition'], /\.cpuprofile"$/);
  t.match(profile.body, { nodes: Array, startTime: Number, endTime: Number });

  const both = [1, 2].map(() => begin('/debug/pprof/profile?seconds=50'));
  const answered = both.map(async (request) => (await once(request, 'response')) as [IncomingMessage]);
  const [refused] = await Promise.race(answered);
  t.equal(refused.statusCode, 429, 'the second one is refused');
  for (const each of answered) each.catch(() => undefined);
  for (const request of both) request.destroy();
  const another = (): Promise<boolean> => status('/debug/pprof/profile?seconds=0.01').then((code) => code === 200);
  await eventually('one who leaves to be forgotten', another);

  const heap = begin('/debug/pprof/heap');
  const [response] = (await once(heap, 'response')) as [IncomingMessage];
  t.equal(response.statusCode, 200);
  t.match(response.headers['content-disposition'], /\.heapsnapshot"$/);
  const [first] = (await once(response, 'data')) as [Buffer];
  t.match(first.toString(), /^\{"snapshot":\{"meta":/);
  response.on('error', () => undefined);
  response.destroy();
  await eventually('another profile', another);
});

/** The files of the web console, as they are built and as the server gives them to anybody. */
import { mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import t from 'tap';
import { consolePages } from '../../../control-plane/apiserver/documents/console-pages.ts';
import { buildConsole } from '../../../scripts/console.ts';
import { TestServer } from './server.ts';

/** What a browser loads before it shows the first list, compressed. */
const MAX_INITIAL_BYTES = 250 * 1024;

const directory = await mkdtemp(path.join(os.tmpdir(), 'kedge-console-'));
t.teardown(() => rm(directory, { recursive: true }));
const { initial } = await buildConsole(directory);

t.test('what the page loads at first is small, and neither the editor nor the terminal', async (t) => {
  const sizes = await Promise.all(initial.map(async (name) => (await stat(path.join(directory, `${name}.gz`))).size));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  t.ok(total > 10_000 && total < MAX_INITIAL_BYTES, `${total} bytes`);
  for (const name of initial.filter((one) => one.endsWith('.js')))
    t.notMatch(await readFile(path.join(directory, name), 'utf8'), /xterm-helper-textarea|cm-scroller/, name);
});

t.test('the files are served to anybody, under a policy that lets nothing else in', async (t) => {
  await writeFile(path.join(directory, 'notes.txt'), 'not a file of the page');
  await symlink('/etc/passwd', path.join(directory, 'passwd'));
  await using server = await TestServer.start({
    console: await consolePages(directory),
    authorizer: { authorize: (_, { path: asked }) => ({ allowed: asked.startsWith('/console'), reason: '' }) },
  });
  const get = (target: string, headers: Record<string, string> = {}, method = 'GET') =>
    server.call(method, target, { headers: { authorization: '', ...headers } });
  const page = await get('/console/');
  t.equal(page.status, 200);
  t.match(page.headers, {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-cache',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
  });
  t.notOk('set-cookie' in page.headers);
  const policy = String(page.headers['content-security-policy']);
  for (const directive of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "trusted-types 'none'"])
    t.ok(policy.includes(directive), directive);
  t.notMatch(policy, /unsafe|https?:|data:|\*/);
  t.notMatch(page.text, /<script(?![^>]* src=)|<style|\son\w+=|https?:/, 'nothing is written into the page');

  for (const name of initial) t.equal((await get(`/console/${name}`)).status, 200, name);
  const script = initial.find((name) => name.startsWith('main-')) ?? '';
  const plain = await get(`/console/${script}`);
  t.equal(plain.headers['cache-control'], 'public, max-age=31536000, immutable');
  const compressed = await get(`/console/${script}`, { 'accept-encoding': 'gzip, br' });
  t.equal(compressed.headers['content-encoding'], 'gzip');
  t.ok(gunzipSync(compressed.bytes).equals(plain.bytes));
  t.not(compressed.headers.etag, plain.headers.etag);
  const etag = String(plain.headers.etag);
  const unchanged = await get(`/console/${script}`, { 'if-none-match': `"other", W/${etag}` });
  t.match([unchanged.status, unchanged.bytes.length], [304, 0]);

  t.match((await get('/console')).headers, { location: '/console/' });
  t.equal((await get('/console/', {}, 'POST')).status, 405);
  for (const odd of [
    '/console/notes.txt',
    '/console/passwd',
    `/console/${script}.gz`,
    '/console/../console-pages.ts',
    '/console/..%2f..%2fetc%2fpasswd',
    '/console//etc/passwd',
    '/console/index.html/',
    '/console/index.html%00.js',
    '/console/constructor',
    '/consoleindex.html',
  ])
    t.equal((await get(odd)).status, 404, odd);
});

t.test('a server without the files has no such pages, and one that cannot read them does not start', async (t) => {
  await using server = await TestServer.start();
  t.equal((await server.call('GET', '/console/')).status, 404);
  await t.rejects(consolePages(path.join(directory, 'missing')), { code: 'ENOENT' });
});

/** What the documents tell a user to apply and to change is accepted by a server of a new cluster. */
import { glob, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import t from 'tap';
import { run } from '../../../agent/host/run.ts';
import { Daemon } from '../../support/daemon.ts';
import { codeOf } from '../../support/markdown.ts';
import { eventually } from '../../support/wait.ts';

const ROOT = path.join(import.meta.dirname, '../../..');
/** Files that daemons read, which are no objects of the API. */
const OF_FILES = /^apiVersion: (?:\w+\.config\.k8s\.io|audit\.k8s\.io)\/|^kind: Config$/m;
/** What changes objects by their names, which a new cluster has. Names in capitals stand for a user's own. */
const CHANGES = /^kubectl (?:--namespace \S+ |-n \S+ )?(?:delete|set) (?!.*(?:--raw|\b[A-Z]{3,}\b(?!=)))[^#\n]*/gm;

/** Of a server and kubectl beside the rest of a test run. */
const START_LIMIT_SECONDS = 240;

const folder = t.testdir({});
const at = (name: string): string => path.join(folder, name);
await using server = new Daemon(
  process.execPath,
  [
    path.join(ROOT, 'cli/main.ts'),
    'server',
    ...[`--data-dir=${at('data')}`, '--bind-address=127.0.0.1', '--advertise-address=192.0.2.1'],
    '--roles=apiserver',
    ...['--port=0', `--port-file=${at('port')}`, `--admin-kubeconfig=${at('admin')}`],
  ],
  { log: at('log') },
);
const kubectl = (...args: string[]) =>
  run('kubectl', ['--kubeconfig', at('admin'), `--cache-dir=${at('cache')}`, ...args], { timeoutMs: 240_000 });

await eventually(
  'the server to listen',
  async () => {
    if (!server.alive) throw new Error(await server.output());
    return readFile(at('port'), 'utf8');
  },
  START_LIMIT_SECONDS,
);
await eventually(
  'what there is in a new cluster',
  () => kubectl('get', 'gatewayclass/kedge', 'daemonset/kedge-ingress', '--namespace=kedge-ingress'),
  START_LIMIT_SECONDS,
);

// Pods are admitted when their namespace has its ServiceAccount, which a controller makes.
await kubectl('create', 'serviceaccount', 'default', '--namespace=default');

await t.test('kubectl applies each manifest of the documents and examples', async (t) => {
  const files: string[] = [];
  for await (const file of glob('examples/*.yaml', { cwd: ROOT })) files.push(path.join(ROOT, file));
  for await (const file of glob('{docs/**/,}*.md', { cwd: ROOT }))
    for (const { language, text, line } of codeOf(await readFile(path.join(ROOT, file), 'utf8')).blocks) {
      if (language !== 'yaml' || !/^apiVersion:/m.test(text) || OF_FILES.test(text)) continue;
      files.push(at(`${path.basename(file)}-${line}.yaml`));
      await writeFile(files.at(-1) ?? '', text);
    }
  t.ok(files.length > 5);
  const { stdout, stderr } = await kubectl(
    ...['apply', '--dry-run=server', '--validate=strict', ...files.flatMap((file) => ['-f', file])],
  ).catch((error: Error) => ({ stdout: '', stderr: error.message }));
  // Neither a refusal nor a warning.
  t.equal(stderr, '');
  t.ok(stdout.trim().split('\n').length >= files.length, stdout);
});

await t.test('objects that kubectl changes in the documents are there, and take the change', async (t) => {
  let count = 0;
  for await (const file of glob('docs/*.md', { cwd: ROOT }))
    for (const { text } of codeOf(await readFile(path.join(ROOT, file), 'utf8')).blocks)
      for (const [line] of text.matchAll(CHANGES)) {
        count++;
        const [, ...words] = line.trim().split(/\s+/);
        const refused = await kubectl(...words, '--dry-run=server').then(
          () => '',
          (error: Error) => error.message,
        );
        t.equal(refused, '', `${file}: ${line}`);
      }
  t.ok(count > 4);
});

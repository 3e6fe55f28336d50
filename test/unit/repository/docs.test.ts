/** What the documents name exists. */
import { glob, readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'tap';
import { SUPPORTED_FEATURES } from '../../../addons/ingress/gateway/features.ts';
import { kinds } from '../../../api/registry.ts';

const ROOT = path.join(import.meta.dirname, '../../..');
const ROOMS = [
  'api',
  'client',
  'daemon',
  'agent',
  'control-plane',
  'addons',
  'cli',
  'proto',
  'scripts',
  'eslint',
  'test',
  'docs',
  'systemd',
  'bench',
];
const DOCUMENTS = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  ...(await Array.fromAsync(glob('docs/**/*.md', { cwd: ROOT }))),
];

const sourceFiles = async (): Promise<string[]> => {
  const found: string[] = [];
  for await (const file of glob([`{${ROOMS.join()}}/**/*.*`, '*.{md,js}'], { cwd: ROOT })) found.push(file);
  return found;
};
const read = (file: string): Promise<string> => readFile(path.join(ROOT, file), 'utf8');

/** As a function, a constant, or a field of a type. */
const isDeclared = (name: string, text: string): boolean =>
  new RegExp(`\\b(?:function|const|readonly) ${name}\\b|^ +${name}\\??:`, 'm').test(text);

test('files and functions that the documents name exist', async (t) => {
  const files = await sourceFiles();
  const code = files.filter((file) => file.endsWith('.ts') && !file.startsWith('test/'));
  const text = (await Promise.all(code.map(read))).join('\n');
  for (const document of DOCUMENTS) {
    for (const [, name = ''] of (await read(document)).matchAll(/`([\w./-]+\.(?:ts|sh|md|js)|[\w-]+\/[\w./-]*)`/g)) {
      if (name.includes('kedge/') || name.startsWith('/') || !/\.(ts|sh|md|js)$|\/$/.test(name)) continue;
      const isThere = files.some((file) => `/${file}`.endsWith(`/${name}`) || `/${file}`.includes(`/${name}`));
      t.ok(isThere || /^(dist|examples)\/$/.test(name), `${document}: ${name}`);
    }
    for (const [, name = ''] of (await read(document)).matchAll(/`([a-z]+[A-Z]\w+)`/g))
      t.ok(isDeclared(name, text), `${document}: ${name}`);
  }
});

test('links between the documents lead to a document and a heading of it', async (t) => {
  const anchorsOf = async (file: string): Promise<string[]> =>
    [...(await read(file)).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\w\- ]/g, '')
        .replaceAll(' ', '-'),
    );
  for (const document of DOCUMENTS)
    for (const [link, file = '', anchor] of (await read(document)).matchAll(
      /\]\((?!https?:)([^)#\s]*)(?:#([\w-]+))?\)/g,
    )) {
      const target = file === '' ? document : path.join(path.dirname(document), file);
      const anchors = await anchorsOf(target).catch(() => undefined);
      t.ok(anchors && (anchor === undefined || anchors.includes(anchor)), `${document}: ${link}`);
    }
});

test('README lists every stored kind and every supported volume type, and none of them as missing', async (t) => {
  const rows = (await read('README.md')).split('\n').filter((line) => /^\| [a-zA-Z]* \|.*\|.*\|$/.test(line));
  const column = (index: number): string[] =>
    rows.flatMap((row) => (row.split('|')[index] ?? '').match(/[A-Za-z]+/g) ?? []);
  const [there, missing] = [column(2), column(3)];
  const stored = kinds.filter(({ verbs }) => !verbs || verbs.includes('list')).map(({ kind }) => kind);
  const plugins = (await sourceFiles()).filter((file) => file.startsWith('agent/volumes/'));
  const volumes = (await Promise.all(plugins.map(read))).flatMap(
    (text) => /^ +source: '(\w+)',$/m.exec(text)?.[1] ?? [],
  );
  t.ok(stored.length > 15 && volumes.length > 5);
  for (const name of [...stored, ...volumes]) {
    t.ok(there.includes(name), `${name} is there`);
    t.notOk(missing.includes(name), `${name} is supported`);
  }
});

test('docs/gateway-api.md lists each feature that the GatewayClass has, once', async (t) => {
  const text = await read('docs/gateway-api.md');
  const table = text.slice(text.indexOf('\n## What is supported'), text.indexOf('\nConditions say what is not'));
  const listed = [...table.matchAll(/`(\w+)`/g)].map(([, name]) => name).sort();
  t.same(listed, [...SUPPORTED_FEATURES].sort());
});

test('systemd restarts every daemon for as long as it takes', async (t) => {
  for await (const unit of glob('systemd/*.service', { cwd: ROOT })) {
    const text = await read(unit);
    // What comes to an end by itself is started again when it has failed.
    t.match(text, /^Type=oneshot$/m.test(text) ? /^Restart=on-failure$/m : /^Restart=always$/m, unit);
    t.match(text.slice(0, text.indexOf('[Service]')), /^StartLimitIntervalSec=0$/m, unit);
  }
});

/** What the documents name is there, and what the package depends on is used. */
import { glob, readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'tap';

const ROOT = path.join(import.meta.dirname, '../..');
const ROOMS = [
  'api',
  'client',
  'agent',
  'control-plane',
  'cli',
  'proto',
  'scripts',
  'eslint',
  'test',
  'docs',
  'systemd',
];
const DOCUMENTS = ['docs/architecture.md', 'README.md', 'CONTRIBUTING.md'];

const sourceFiles = async (): Promise<string[]> => {
  const found: string[] = [];
  for await (const file of glob([`{${ROOMS.join()}}/**/*.*`, '*.{md,js}'], { cwd: ROOT })) found.push(file);
  return found;
};
const read = (file: string): Promise<string> => readFile(path.join(ROOT, file), 'utf8');

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
      t.match(text, new RegExp(`\\b(?:function|const|readonly) ${name}\\b`), `${document}: ${name}`);
  }
});

test('every package that the product depends on is imported by it', async (t) => {
  const { dependencies } = JSON.parse(await read('package.json')) as { dependencies: Record<string, string> };
  const code = (await sourceFiles()).filter((file) => file.endsWith('.ts') && !file.startsWith('test/'));
  const text = (await Promise.all(code.map(read))).join('\n');
  for (const name of Object.keys(dependencies))
    t.ok(text.includes(`'${name}'`) || text.includes(`'${name}/`), `${name} is imported`);
});

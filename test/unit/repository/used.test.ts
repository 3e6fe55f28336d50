/** Dependencies and settings are used. */
import { glob, readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'tap';
import { defaultIngressConfig } from '../../../addons/ingress/config.ts';
import { defaultAgentConfig } from '../../../agent/config.ts';
import { defaultServerConfig } from '../../../control-plane/config.ts';

const ROOT = path.join(import.meta.dirname, '../../..');
const read = (file: string): Promise<string> => readFile(path.join(ROOT, file), 'utf8');
const textOf = async (...patterns: string[]): Promise<string> =>
  (await Promise.all((await Array.fromAsync(glob(patterns, { cwd: ROOT }))).map(read))).join('\n');
const imports = (text: string, name: string): boolean => text.includes(`'${name}'`) || text.includes(`'${name}/`);

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly bin?: string | Readonly<Record<string, string>>;
}
const manifest = async (file: string): Promise<Manifest> => JSON.parse(await read(file)) as Manifest;

test('every dependency of the product is imported by it', async (t) => {
  const { dependencies = {} } = await manifest('package.json');
  const product = await textOf('{api,client,agent,control-plane,addons,cli}/**/*.{ts,tsx}');
  for (const name of Object.keys(dependencies)) t.ok(imports(product, name), `${name} is imported`);
});

test('every development dependency is imported, run by a script, types an import or is a peer of another', async (t) => {
  const { dependencies = {}, devDependencies = {}, scripts = {} } = await manifest('package.json');
  const code = await textOf('{scripts,eslint,bench,test}/**/*.{ts,js}', '*.js');
  const commands = Object.values(scripts).flatMap((script) => script.split(' '));
  const names = Object.keys(devDependencies);
  const manifests = await Promise.all(names.map((name) => manifest(`node_modules/${name}/package.json`)));
  const peers = new Set(manifests.flatMap(({ peerDependencies = {} }) => Object.keys(peerDependencies)));
  for (const [index, name] of names.entries()) {
    const { bin = {} } = manifests[index] ?? {};
    const programs = typeof bin === 'string' ? [name] : Object.keys(bin);
    const described = name.startsWith('@types/') ? name.slice('@types/'.length) : undefined;
    const isUsed =
      imports(code, name) ||
      programs.some((program) => commands.includes(program)) ||
      (described !== undefined && (described === 'node' || Object.hasOwn(dependencies, described))) ||
      peers.has(name);
    t.ok(isUsed, `${name} is used`);
  }
});

test('every setting of the daemons is read', async (t) => {
  for (const [room, defaults] of Object.entries({
    agent: defaultAgentConfig,
    'control-plane': defaultServerConfig,
    'addons/ingress': defaultIngressConfig,
  })) {
    const files = await Array.fromAsync(glob(`{${room},cli}/**/*.ts`, { cwd: ROOT }));
    const code = (await Promise.all(files.filter((file) => !file.endsWith('/config.ts')).map(read))).join('\n');
    for (const name of Object.keys(defaults)) t.ok(new RegExp(`\\b${name}\\b`).test(code), `${name} is read`);
  }
});

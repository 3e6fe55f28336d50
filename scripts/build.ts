/**
 * Builds the package to install into `dist/`: the bundle, the packages that are not part of it, the Node.js that runs it, the images
 * that every node carries, and the web console. `dist/` is relocatable.
 *
 * Usage: build.ts [--arch ARCH], of another architecture to `dist-ARCH/` (see platform.ts)
 */
import { build, type BuildOptions, type Plugin } from 'esbuild';
import { chmod, cp, glob, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire, isBuiltin } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { buildConsole } from './console.ts';
import { buildImages, buildIngressImage } from './images.ts';
import { architectureIn, platformOf } from './platform.ts';

const root = path.resolve(import.meta.dirname, '..');
const platform = await platformOf(architectureIn(process.argv.slice(2)).arch);
const { dist } = platform;

/**
 * Not bundled, but copied to node_modules with their dependencies: what locates a native part relative to itself, and what is loaded by
 * `createRequire`, which esbuild does not follow.
 */
const SEPARATE_PACKAGES = ['lmdb', 're2js'];
/** What esbuild leaves as it is in the bundle. */
const REQUIRED_AT_RUN_TIME = /createRequire\w*\(import\.meta\.url\)\(["']([^"']+)["']\)/g;

/** The folders of the packages and their dependencies, by path below node_modules. */
function packageClosure(names: readonly string[]): Map<string, string> {
  const found = new Map<string, string>();
  const visit = (name: string, from: string): void => {
    if (found.has(name)) return;
    const folder = folderOf(name, from);
    if (folder === undefined) return;
    found.set(name, folder);
    const manifest = createRequire(import.meta.url)(path.join(folder, 'package.json')) as {
      dependencies?: Record<string, string>;
      optionalDependencies?: Record<string, string>;
    };
    for (const dependency of Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies }))
      visit(dependency, folder);
  };
  for (const name of names) visit(name, platform.packages);
  return found;
}

/** Undefined for an optional dependency of another platform. */
function folderOf(name: string, from: string): string | undefined {
  for (const base of createRequire(path.join(from, 'package.json')).resolve.paths(name) ?? []) {
    // Another platform's packages lie below this one's.
    if (!base.startsWith(platform.packages)) break;
    const folder = path.join(base, name);
    try {
      createRequire(import.meta.url).resolve(path.join(folder, 'package.json'));
      return folder;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error;
    }
  }
  return undefined;
}

const BUNDLE = {
  bundle: true,
  platform: 'node',
  target: 'node26',
  format: 'esm',
  external: SEPARATE_PACKAGES,
  loader: { '.proto': 'text' },
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'none',
  logLevel: 'warning',
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
  },
} satisfies BuildOptions;

/** What depends on the version, and what is defined below. */
const bundleOptions = (version: string, more: Readonly<Record<string, string>> = {}): BuildOptions => ({
  plugins: [asciiPackages],
  define: { KEDGE_VERSION: JSON.stringify(version), ...more },
});

async function bundle(version: string, ingress: string): Promise<void> {
  await build({
    ...BUNDLE,
    ...bundleOptions(version, { KEDGE_INGRESS_IMAGE: JSON.stringify(ingress) }),
    entryPoints: { kedge: path.join(root, 'cli/main.ts') },
    outdir: dist,
    outExtension: { '.js': '.mjs' },
    splitting: true,
    chunkNames: 'chunks/[name]-[hash]',
    sourcemap: 'linked',
  });
}

/**
 * Escapes all but ASCII in packages: V8 keeps two bytes for each character of a file with another one, in every thread. esbuild does so in
 * strings only.
 */
const asciiPackages: Plugin = {
  name: 'ascii-packages',
  setup(building) {
    building.onLoad({ filter: /\/node_modules\/.*\.[cm]?js$/ }, async ({ path: file }) => {
      const text = await readFile(file, 'utf8');
      const contents = text.replace(NOT_ASCII, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
      return contents === text ? undefined : { contents };
    });
  },
};
const NOT_ASCII = /[^\0-\x7f]/g;

/** Fails for what esbuild has not escaped in our own files: what is in a regular expression. */
async function checkCharacters(): Promise<void> {
  for await (const file of glob('**/*.mjs', { cwd: dist, exclude: ['node_modules/**'] })) {
    const text = await readFile(path.join(dist, file), 'utf8');
    const at = text.search(NOT_ASCII);
    if (at >= 0) throw new Error(`${file} is not ASCII, write as \\u....: ${text.slice(at - 40, at + 1)}`);
  }
}

/** Fails for a package that the bundle loads while it runs, and that would not be there. */
async function checkRequired(): Promise<void> {
  for await (const file of glob('**/*.mjs', { cwd: dist, exclude: ['node_modules/**'] }))
    for (const [, name = ''] of (await readFile(path.join(dist, file), 'utf8')).matchAll(REQUIRED_AT_RUN_TIME))
      if (!isBuiltin(name) && !SEPARATE_PACKAGES.includes(name))
        throw new Error(`${file} requires ${name}, which is not in dist/`);
}

const LAUNCHER = `#!/bin/sh
# Runs kedge with the Node.js that it was built and tested with.
here=$(dirname "$(readlink -f "$0")")
# The young generation, in MB a half: an agent waits for most of its life and gives memory back for it; a server that
# takes thousands of writes a second needs room to collect garbage seldom.
case "\${1:-}" in
agent) young=1 ;;
*) young=8 ;;
esac
exec "$here/bin/node" --disable-warning=ExperimentalWarning --max-semi-space-size=$young "$here/kedge.mjs" "$@"
`;

/** The controller of Ingresses alone, in one file: what its image carries besides Node.js. Returns the image's reference. */
async function ingressImage(version: string): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'kedge-ingress-bundle-'));
  try {
    const outfile = path.join(folder, 'ingress.mjs');
    await build({
      ...BUNDLE,
      ...bundleOptions(version),
      entryPoints: [path.join(root, 'cli/ingress-main.ts')],
      outfile,
    });
    return await buildIngressImage(
      path.join(dist, 'images'),
      new Map([
        ['ingress.mjs', outfile],
        ...[...packageClosure(['re2js'])].map(([name, from]) => [`node_modules/${name}`, from] as const),
      ]),
      platform,
    );
  } finally {
    await rm(folder, { recursive: true });
  }
}

const { version } = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8')) as { version: string };
await rm(dist, { recursive: true, force: true });
await mkdir(path.join(dist, 'bin'), { recursive: true });
await Promise.all([
  // The server names the image by its content.
  mkdir(path.join(dist, 'images'), { recursive: true })
    .then(() => ingressImage(version))
    .then((image) => bundle(version, image))
    .then(() => Promise.all([checkRequired(), checkCharacters()])),
  cp(platform.node, path.join(dist, 'bin/node')),
  writeFile(path.join(dist, 'kedge'), LAUNCHER).then(() => chmod(path.join(dist, 'kedge'), 0o755)),
  writeFile(path.join(dist, 'package.json'), JSON.stringify({ name: 'kedge', version, type: 'module', private: true })),
  ...[...packageClosure(SEPARATE_PACKAGES)].map(([name, folder]) =>
    cp(folder, path.join(dist, 'node_modules', name), { recursive: true, dereference: true }),
  ),
  buildImages(path.join(dist, 'images'), platform),
  buildConsole(path.join(dist, 'console')),
]);

/** Builds the web console of `addons/console/`: a page, its style sheet and scripts, and a copy in gzip of each. */
import { build, type Metafile } from 'esbuild';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { constants, gzip } from 'node:zlib';

const root = path.resolve(import.meta.dirname, '..');
const source = path.join(root, 'addons/console');
const compress = promisify(gzip);

/** What the page loads before anything is asked of it, by the names of the files in the directory. */
export interface BuiltConsole {
  readonly initial: readonly string[];
}

/** Writes the console into the directory, which is made. */
export async function buildConsole(directory: string): Promise<BuiltConsole> {
  await mkdir(directory, { recursive: true });
  const { metafile } = await build({
    entryPoints: [path.join(source, 'main.tsx'), path.join(source, 'style.css')],
    outdir: directory,
    bundle: true,
    splitting: true,
    format: 'esm',
    // Of 2024: modules, top-level await, private methods, popovers.
    target: ['chrome120', 'firefox125', 'safari17'],
    jsx: 'automatic',
    jsxImportSource: 'preact',
    entryNames: '[name]-[hash]',
    chunkNames: '[name]-[hash]',
    minify: true,
    charset: 'utf8',
    legalComments: 'none',
    logLevel: 'warning',
    metafile: true,
  });
  const script = outputOf(metafile, 'main.tsx');
  const style = outputOf(metafile, 'style.css');
  const imported = staticImports(metafile, script).map((name) => path.basename(name));
  const page = (await readFile(path.join(source, 'page.html'), 'utf8'))
    .replace('{{script}}', path.basename(script))
    .replace('{{style}}', path.basename(style))
    .replace('{{modules}}', imported.map((name) => `<link rel="modulepreload" href="${name}" />`).join(''));
  await writeFile(path.join(directory, 'index.html'), page);
  await writeFile(path.join(directory, 'icon.svg'), await readFile(path.join(source, 'icon.svg')));
  for (const name of await readdir(directory)) {
    const content = await readFile(path.join(directory, name));
    await writeFile(
      path.join(directory, `${name}.gz`),
      await compress(content, { level: constants.Z_BEST_COMPRESSION }),
    );
  }
  return { initial: ['index.html', 'icon.svg', path.basename(script), path.basename(style), ...imported] };
}

function outputOf({ outputs }: Metafile, entry: string): string {
  const found = Object.entries(outputs).find(([, { entryPoint = '' }]) => path.basename(entryPoint) === entry);
  if (!found) throw new Error(`the build of the console has no ${entry}`);
  return found[0];
}

/** What the script cannot run without, directly or not. */
function staticImports({ outputs }: Metafile, script: string, found = new Set<string>()): string[] {
  const output = new Map(Object.entries(outputs)).get(script);
  for (const { path: imported, kind, external } of output?.imports ?? []) {
    if (kind !== 'import-statement' || external || found.has(imported)) continue;
    found.add(imported);
    staticImports({ outputs } as Metafile, imported, found);
  }
  return [...found];
}

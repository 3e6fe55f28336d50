/**
 * The platform that is built for: this host's own, or another architecture, whose programs, libraries and packages `scripts/foreign-root.sh`
 * has put into a folder. Nothing of that is run here.
 */
import { execFile } from 'node:child_process';
import { access } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const root = path.resolve(import.meta.dirname, '..');

export type Architecture = 'x64' | 'arm64';

interface Names {
  /** Debian's, and Go's, and that of images. */
  readonly debian: string;
  /** GNU's, of compilers and folders of libraries. */
  readonly gnu: string;
}

const NAMES: Readonly<Record<Architecture, Names>> = {
  x64: { debian: 'amd64', gnu: 'x86_64-linux-gnu' },
  arm64: { debian: 'arm64', gnu: 'aarch64-linux-gnu' },
};

const isArchitecture = (text: string): text is Architecture => Object.hasOwn(NAMES, text);

export interface Platform extends Names {
  readonly architecture: Architecture;
  /** What is built. */
  readonly dist: string;
  /** The program of Node.js. */
  readonly node: string;
  /** Below it is `node_modules`. */
  readonly packages: string;
  readonly compiler: string;
  /** Where the program or library of a path on such a host is here. */
  readonly at: (file: string) => string;
  /** The shared libraries of a program, with the loader, by the paths that they are looked for at. */
  readonly librariesOf: (program: string) => Promise<string[]>;
}

/** @param wanted of the command line; undefined for this host's. Throws an Error with what is missing. */
export async function platformOf(wanted: string = process.arch): Promise<Platform> {
  if (!isArchitecture(wanted))
    throw new Error(`no packages are built for ${wanted}: ${Object.keys(NAMES).join(' or ')}`);
  const names = NAMES[wanted];
  if (wanted === process.arch)
    return {
      ...{ ...names, architecture: wanted, dist: path.join(root, 'dist'), node: process.execPath },
      ...{ packages: root, compiler: 'gcc', at: (file) => file, librariesOf: librariesHere },
    };
  const folder = path.join(root, 'foreign', wanted);
  const node = path.join(folder, `node_modules/node-linux-${wanted}/bin/node`);
  await access(node).catch((error: Error) => {
    throw new Error(`${node} is missing: run scripts/foreign-root.sh ${wanted} first`, { cause: error });
  });
  const at = (file: string): string => path.join(folder, 'root', file);
  return {
    ...{ ...names, architecture: wanted, dist: path.join(root, `dist-${wanted}`), node, packages: folder },
    ...{ compiler: `${names.gnu}-gcc`, at },
    librariesOf: (program) => librariesElsewhere(program, names.gnu, at),
  };
}

async function librariesHere(program: string): Promise<string[]> {
  const { stdout } = await execute('ldd', [program]);
  const missing = /^\s*(\S+) => not found$/m.exec(stdout)?.[1];
  if (missing !== undefined) throw new Error(`${program} needs ${missing}, which is not installed`);
  return [...stdout.matchAll(/(?:=> )?(\/\S+) \(0x[0-9a-f]+\)/g)].map(([, file = '']) => file);
}

/** By the names that programs and libraries have in themselves. */
async function librariesElsewhere(program: string, gnu: string, at: Platform['at']): Promise<string[]> {
  const folders = ['lib', 'usr/lib'].map((folder) => `/${folder}/${gnu}`);
  const found = new Map<string, string>();
  const { stdout } = await execute('readelf', ['--program-headers', '--wide', program]);
  const loader = /Requesting program interpreter: (\S+)\]/.exec(stdout)?.[1];
  if (loader === undefined) throw new Error(`${program} is no program with shared libraries`);
  found.set(path.basename(loader), loader);
  const waiting = [program];
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop())
    for (const name of await neededBy(file)) {
      if (found.has(name)) continue;
      const library = await firstThere(
        folders.map((folder) => `${folder}/${name}`),
        at,
      );
      if (library === undefined) throw new Error(`${file} needs ${name}, which is not in ${at('/')}`);
      found.set(name, library);
      waiting.push(at(library));
    }
  return [...found.values()];
}

async function neededBy(file: string): Promise<string[]> {
  const { stdout } = await execute('readelf', ['--dynamic', '--wide', file]);
  return [...stdout.matchAll(/\(NEEDED\)\s+Shared library: \[([^\]]+)\]/g)].map(([, name = '']) => name);
}

async function firstThere(files: readonly string[], at: Platform['at']): Promise<string | undefined> {
  for (const file of files)
    try {
      await access(at(file));
      return file;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  return undefined;
}

/** `--arch NAME` of a command line, and the other words. */
export function architectureIn(words: readonly string[]): {
  readonly arch: string | undefined;
  readonly rest: string[];
} {
  const index = words.indexOf('--arch');
  if (index < 0) return { arch: undefined, rest: [...words] };
  const arch = words[index + 1];
  if (arch === undefined) throw new Error('--arch needs the name of an architecture');
  return { arch, rest: [...words.slice(0, index), ...words.slice(index + 2)] };
}

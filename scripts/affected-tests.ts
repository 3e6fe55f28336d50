/** Finds the tests affected by a change, by what they import or start. */
import { glob, readFile, watch } from 'node:fs/promises';
import path from 'node:path';

/** A relative path to a source file: an import, or a program that a test starts. */
const REFERENCE = /['"](\.{1,2}\/[^'"\n]+\.(?:ts|js))['"]/g;
/** Debounce: editors write a file in several steps. */
const QUIET_MS = 100;

async function referencesOf(file: string): Promise<string[]> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    // The file was deleted, or the path is test data.
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  return [...text.matchAll(REFERENCE)].map(([, to = '']) => path.join(path.dirname(file), to));
}

/** The tests that depend on one of the changed files. All paths are relative to the checkout. */
export async function affectedTests(tests: readonly string[], changed: ReadonlySet<string>): Promise<string[]> {
  const references = new Map<string, Promise<string[]>>();
  const reaches = async (test: string): Promise<boolean> => {
    const seen = new Set([test]);
    for (const file of seen) {
      if (changed.has(file)) return true;
      let to = references.get(file);
      if (!to) references.set(file, (to = referencesOf(file)));
      for (const next of await to) seen.add(next);
    }
    return false;
  };
  const found = await Promise.all(tests.map(reaches));
  return tests.filter((_, index) => found[index]);
}

/** Yields sets of changed source files until the consumer stops. */
export async function* changes(rooms: readonly string[]): AsyncGenerator<ReadonlySet<string>> {
  let pending = new Set<string>();
  let wake = Promise.withResolvers<void>();
  let quiet: NodeJS.Timeout | undefined;
  const follow = async (room: string): Promise<void> => {
    for await (const { filename } of watch(room, { recursive: true })) {
      if (!filename || !/\.(ts|js)$/.test(filename)) continue;
      pending.add(path.join(room, filename));
      clearTimeout(quiet);
      quiet = setTimeout(() => wake.resolve(), QUIET_MS);
    }
  };
  const failed = Promise.all(rooms.map(follow)).then(() => undefined);
  for (;;) {
    await Promise.race([wake.promise, failed]);
    const changed = pending;
    pending = new Set();
    wake = Promise.withResolvers();
    yield changed;
  }
}

/** Top-level folders with source files. */
export async function sourceRooms(): Promise<string[]> {
  const rooms = new Set<string>();
  for await (const file of glob('*/**/*.{ts,js}', { exclude: ['node_modules', 'dist', '.tap', '.git'] }))
    rooms.add(file.split(path.sep)[0] ?? '');
  return [...rooms];
}

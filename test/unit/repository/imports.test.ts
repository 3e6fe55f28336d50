/** Which file may import which. Imports of types count, too: what they name is what a reader has to know. */
import { glob, readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'tap';
import ts from 'typescript';

const ROOT = path.join(import.meta.dirname, '../../..');
const CODE = '{api,client,daemon,agent,control-plane,cli,proto,scripts,bench,test}/**/*.ts';

/** The files that each file imports, by their paths in the repository. */
async function readImports(): Promise<Map<string, string[]>> {
  const imports = new Map<string, string[]>();
  for await (const file of glob(CODE, { cwd: ROOT })) {
    const { importedFiles } = ts.preProcessFile(await readFile(path.join(ROOT, file), 'utf8'), true, true);
    const own = importedFiles.map(({ fileName }) => fileName).filter((name) => name.startsWith('.'));
    imports.set(
      file,
      own.map((name) => path.posix.join(path.posix.dirname(file), name)),
    );
  }
  return imports;
}

/** The circles of a graph, each once, as the files on the way round. */
function circlesIn(imports: ReadonlyMap<string, readonly string[]>): string[][] {
  const circles: string[][] = [];
  const left = new Set<string>();
  const way: string[] = [];
  const visit = (file: string): void => {
    const at = way.indexOf(file);
    if (at >= 0) circles.push([...way.slice(at), file]);
    if (at >= 0 || left.has(file)) return;
    way.push(file);
    for (const imported of imports.get(file) ?? []) visit(imported);
    way.pop();
    left.add(file);
  };
  for (const file of imports.keys()) visit(file);
  return circles;
}

test('no file imports itself by way of others', async (t) => {
  const circles = circlesIn(await readImports());
  t.strictSame(
    circles.map((circle) => circle.join(' -> ')),
    [],
  );
});

test('a circle is found wherever its search begins', (t) => {
  const graph = { a: ['b'], b: ['c', 'd'], c: ['b'], d: [], e: ['a', 'd'] };
  t.strictSame(circlesIn(new Map(Object.entries(graph))), [['b', 'c', 'b']]);
  t.strictSame(circlesIn(new Map(Object.entries(graph).reverse())), [['b', 'c', 'b']]);
  t.end();
});

const APISERVER = 'control-plane/apiserver/';
/**
 * The rooms of the api-server, each of which may import itself and those above it here. Rooms of one line do not import each
 * other. What composes them stands in no room and may import all.
 */
const APISERVER_ROOMS: readonly (readonly string[])[] = [
  ['storage/cache'],
  ['catalogue'],
  ['http'],
  ['access'],
  ['admission'],
  ['storage'],
  ['verbs'],
  ['documents', 'nodes', 'bootstrap'],
];

const isBelow = (file: string, room: string): boolean => file.startsWith(`${APISERVER}${room}/`);

/** Where a file stands in the order; undefined for what composes the rooms. */
function placeOf(file: string): { readonly level: number; readonly room: string } | undefined {
  for (const [level, rooms] of APISERVER_ROOMS.entries()) {
    const room = rooms.find((one) => isBelow(file, one));
    if (room !== undefined) return { level, room };
  }
  return undefined;
}

test('the rooms of the api-server import each other in one direction', async (t) => {
  const found: string[] = [];
  for (const [file, imported] of await readImports()) {
    const from = placeOf(file);
    if (!from) {
      if (/^[^/]+\//.test(file.slice(APISERVER.length)) && file.startsWith(APISERVER))
        found.push(`${file} is in no room`);
      continue;
    }
    for (const other of imported.filter((name) => name.startsWith(APISERVER))) {
      const to = placeOf(other);
      if (!to || to.level > from.level || (to.level === from.level && to.room !== from.room))
        found.push(`${file} imports ${other}`);
    }
  }
  t.strictSame(found, []);
});

test("nothing but the local API writes in the server's own name, past admission", async (t) => {
  const users: string[] = [];
  for await (const file of glob(`${APISERVER}**/*.ts`, { cwd: ROOT })) {
    if ((await readFile(path.join(ROOT, file), 'utf8')).includes('ownWriteContext')) users.push(file);
  }
  t.strictSame(users.sort(), [`${APISERVER}admission/pipeline.ts`, `${APISERVER}storage/cached-api.ts`]);
});

/**
 * Compares field numbers with those in kubectl: a Go program contains the compressed descriptors of its
 * protobuf messages (https://github.com/protocolbuffers/protobuf/blob/main/src/google/protobuf/descriptor.proto).
 */
import { access, glob, readFile } from 'node:fs/promises';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import t from 'tap';
import type { Shape } from '../../../api/machinery/schema.ts';
import { WireError, WireReader } from '../../../api/machinery/protobuf/wire.ts';

/** For each message, the field names by number; for a message field, also the message's name. */
type Messages = Map<string, Map<number, { name: string; type: string }>>;

const GZIP = Buffer.from([0x1f, 0x8b, 0x08]);
/** More than the size of core/v1, the largest descriptor. */
const MAX_COMPRESSED_BYTES = 512 * 1024;
const OPENAPI_PACKAGE = /^io\.k8s\.(api|apimachinery\.pkg\.apis)\./;
const PACKAGE = /^\.?k8s\.io\.(api|apimachinery\.pkg\.apis)\./;
/** The field's number in a descriptor. */
const FILE = { package: 2, message: 4 };
const MESSAGE = { name: 1, field: 2 };
const FIELD = { name: 1, number: 3, type: 6 };

/** Every struct in `api/types`. */
async function* generatedShapes(): AsyncGenerator<Shape> {
  const types = path.resolve(import.meta.dirname, '../../../api/types');
  for await (const file of glob('**/*.gen.ts', { cwd: types })) {
    const module = (await import(path.join(types, file))) as Record<string, Shape>;
    yield* Object.values(module);
  }
}

async function findKubectl(): Promise<string> {
  for (const directory of (process.env.PATH ?? '').split(path.delimiter)) {
    const candidate = path.join(directory, 'kubectl');
    const found = await access(candidate).then(
      () => true,
      () => false,
    );
    if (found) return candidate;
  }
  throw new Error('no kubectl on the PATH');
}

/** What decompresses in the program; the three magic bytes occur elsewhere as well. */
function* unpacked(program: Buffer): Generator<Buffer> {
  for (let at = program.indexOf(GZIP); at >= 0; at = program.indexOf(GZIP, at + GZIP.length)) {
    try {
      yield gunzipSync(program.subarray(at, at + MAX_COMPRESSED_BYTES));
    } catch (error) {
      if (!(error instanceof Error && 'code' in error)) throw error;
    }
  }
}

/** Values of a message's length-delimited field. */
function values(message: Buffer, field: number): Buffer[] {
  const found: Buffer[] = [];
  const wire = new WireReader(message);
  while (wire.next()) {
    if (wire.field === field) found.push(message.subarray(...wire.range()));
    else wire.skip();
  }
  return found;
}

function numberIn(message: Buffer, field: number): number {
  const wire = new WireReader(message);
  while (wire.next()) {
    if (wire.field === field) return wire.integer();
    wire.skip();
  }
  return 0;
}

const textIn = (message: Buffer, field: number): string => values(message, field)[0]?.toString() ?? '';

function addMessages(file: Buffer, messages: Messages): void {
  const packageName = textIn(file, FILE.package);
  if (!packageName.startsWith('k8s.io.')) return;
  for (const message of values(file, FILE.message)) {
    const fields = values(message, MESSAGE.field).map(
      (field) =>
        [
          numberIn(field, FIELD.number),
          { name: textIn(field, FIELD.name), type: textIn(field, FIELD.type).replace(PACKAGE, '') },
        ] as const,
    );
    messages.set(`${packageName}.${textIn(message, MESSAGE.name)}`.replace(PACKAGE, ''), new Map(fields));
  }
}

t.test('field numbers are equal to those in kubectl', async (t) => {
  const messages: Messages = new Map();
  for (const file of unpacked(await readFile(await findKubectl()))) {
    try {
      addMessages(file, messages);
    } catch (error) {
      // Other compressed data.
      if (!(error instanceof WireError)) throw error;
    }
  }
  const wrong: string[] = [];
  let compared = 0;
  const compare = (message: string, number: number, name: string): void => {
    // Fields newer than kubectl.
    const known = messages.get(message)?.get(number);
    if (!known) return;
    compared++;
    if (name.toLowerCase() !== known.name.toLowerCase()) wrong.push(`${message} ${number}: ${name} is ${known.name}`);
  };
  for await (const { definition = '', properties = {} } of generatedShapes()) {
    const message = definition.replace(OPENAPI_PACKAGE, '');
    for (const [name, { number }] of Object.entries(properties)) {
      if (number === undefined) continue;
      const numbers = [number].flat();
      const typeIn = (outer: string, embedded: number): string => messages.get(outer)?.get(embedded)?.type ?? '';
      compare(numbers.slice(0, -1).reduce(typeIn, message), numbers.at(-1) ?? 0, name);
    }
  }
  t.strictSame(wrong, []);
  t.ok(compared > 1600, `${compared} fields compared`);
});

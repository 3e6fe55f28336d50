/**
 * A package of scripts/package.ts that is somebody else's until its checksum says otherwise: verified, then unpacked to a folder of its
 * own. What runs is not touched.
 */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rename, type FileHandle } from 'node:fs/promises';
import { arch } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { createGunzip, type Gunzip } from 'node:zlib';
import { readTextIfThere } from '../host/files.ts';
import { HostError } from '../host/host-error.ts';
import { run } from '../host/run.ts';
import { tarEntries, type TarEntry } from './tar-entries.ts';
import { isVersionId, type Versions } from './versions.ts';

/** Ten times what the package has. */
const LIMITS = { entries: 50_000, bytes: 2 * 1024 ** 3 };
const SHA256 = /^(?:sha256:)?([0-9a-f]{64})(?:\s|$)/;
const VERSION_LIMIT_MS = 30_000;
/** What a version consists of: the program, and its units below `systemd`. */
const PARTS: readonly (readonly [string, string])[] = [
  ['dist/', ''],
  ['systemd/', 'systemd/'],
];

/** Verifies the file and makes a version of it; returns its id. Throws HostError, and leaves nothing, when that cannot be. */
export async function unpackPackage(
  file: string,
  checksum: string | undefined,
  versions: Versions,
  signal: AbortSignal,
): Promise<string> {
  await using handle = await openPackage(file);
  const digest = await verify(handle, file, checksum);
  const incoming = await versions.makeIncoming();
  try {
    const again = createHash('sha256');
    await unpack(bytesOf(handle, again), incoming);
    // Somebody may have written to it meanwhile.
    if (again.digest('hex') !== digest) throw new HostError(`${file} has changed while it was read`);
    const id = `${await versionOf(incoming)}-${digest.slice(0, 8)}`;
    if (!isVersionId(id)) throw new HostError(`${file} has a version that cannot be one: ${id}`);
    await unpackNode(incoming);
    await checkRuns(incoming, signal);
    if (!(await versions.has(id))) await versions.adopt(incoming, id);
    return id;
  } finally {
    await versions.dropIncoming();
  }
}

/** The SHA-256 of a package, hexadecimal, which is the one that its checksum names. Throws HostError. */
export async function packageDigest(file: string, checksum: string | undefined): Promise<string> {
  await using handle = await openPackage(file);
  // The file stays open until then.
  return await verify(handle, file, checksum);
}

const openPackage = (file: string): Promise<FileHandle> =>
  open(file).catch((error: Error) => {
    throw new HostError(`failed to open ${file}: ${error.message}`, { cause: error });
  });

async function verify(handle: FileHandle, file: string, checksum: string | undefined): Promise<string> {
  const expected = await checksumOf(file, checksum);
  const found = createHash('sha256');
  for await (const chunk of bytesOf(handle)) found.update(chunk);
  const digest = found.digest('hex');
  if (digest !== expected)
    throw new HostError(
      `${file} has the checksum sha256:${digest}, not sha256:${expected}: it is damaged, or another file`,
    );
  return digest;
}

/** As `sha256sum` writes it, which is what lies beside each package. */
async function checksumOf(file: string, given: string | undefined): Promise<string> {
  const text = given ?? (await readTextIfThere(`${file}.sha256`));
  if (text === undefined)
    throw new HostError(`${file}.sha256 is missing: put it beside the package, or say --checksum sha256:...`);
  const [, digest] = SHA256.exec(text.trim()) ?? [];
  if (digest === undefined)
    throw new HostError(`the checksum must be sha256: and 64 hexadecimal digits, or as sha256sum prints it`);
  return digest;
}

/** From the beginning, whoever has read it before. */
async function* bytesOf(handle: FileHandle, hash?: Hash): AsyncGenerator<Buffer> {
  const stream = handle.createReadStream({ start: 0, autoClose: false, highWaterMark: 1024 * 1024 });
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    hash?.update(chunk);
    yield chunk;
  }
}

/** What cannot be read fails what is made of it: an error that nobody hears of would end the process. */
function unzip(archive: AsyncIterable<Buffer>): Gunzip {
  const source = Readable.from(archive);
  const unzipped = createGunzip();
  source.on('error', (error) => unzipped.destroy(error));
  return source.pipe(unzipped);
}

/** The parts of the package, from the one folder that is in it. The archive is read to its end. */
async function unpack(archive: AsyncIterable<Buffer>, to: string): Promise<void> {
  const unzipped = unzip(archive);
  const wanted = `-linux-${arch()}`;
  let top: string | undefined;
  try {
    for await (const entry of tarEntries(unzipped, LIMITS)) {
      const [folder = ''] = entry.name.split('/', 1);
      top ??= folder;
      if (folder !== top || !folder.startsWith('kedge-') || !folder.endsWith(wanted))
        throw new HostError(
          `the package is not one of Kedge for this host: it has ${JSON.stringify(folder)}, not kedge-VERSION${wanted}`,
        );
      const name = entry.name.slice(folder.length + 1);
      for (const [from, at] of PARTS)
        if (name.startsWith(from)) await write(entry, path.join(to, at, name.slice(from.length)));
    }
    // What follows the end of the archive belongs to the file, and so to its checksum.
    const rest = unzipped[Symbol.asyncIterator]();
    while (!(await rest.next()).done);
  } catch (error) {
    if (error instanceof HostError) throw error;
    throw new HostError(`the package cannot be unpacked: ${(error as Error).message}`, { cause: error });
  }
}

/** The folder is this process's own, and nothing in it is a link: what is written is new, or is refused. */
async function write(entry: TarEntry, file: string): Promise<void> {
  if (entry.isFolder) return void (await mkdir(file, { recursive: true, mode: 0o755 }));
  await mkdir(path.dirname(file), { recursive: true, mode: 0o755 });
  await writeNew(file, entry.content, entry.isExecutable ? 0o755 : 0o644);
}

async function writeNew(file: string, content: AsyncIterable<Buffer>, mode: number): Promise<void> {
  await using written = await open(file, 'wx', mode);
  await written.chmod(mode);
  // Not `write`, which may write a part of it where the disk is nearly full.
  for await (const chunk of content) await written.appendFile(chunk);
  await written.sync();
}

async function versionOf(folder: string): Promise<string> {
  const text = await readTextIfThere(path.join(folder, 'package.json'));
  const manifest = JSON.parse(text ?? '{}') as { readonly version?: unknown };
  if (typeof manifest.version !== 'string') throw new HostError('the package has no program with a version');
  return manifest.version;
}

/** Packages have Node.js once, in a layer of the ingress's image: `BLOB MEMBER` in a file say where. */
async function unpackNode(folder: string): Promise<void> {
  const from = path.join(folder, 'bin/node.from');
  const [blob = '', member = ''] = ((await readTextIfThere(from)) ?? '').trim().split(' ');
  if (blob === '') return;
  const wanted = (name: string): string => name.replace(/^\.\//, '');
  const image = createReadStream(path.join(folder, 'images/ingress.tar'));
  try {
    for await (const entry of tarEntries(image, LIMITS)) {
      if (entry.name !== wanted(blob)) continue;
      for await (const file of tarEntries(unzip(entry.content), LIMITS)) {
        if (file.name !== wanted(member)) continue;
        await writeNew(path.join(folder, 'bin/node.new'), file.content, 0o755);
        await rename(path.join(folder, 'bin/node.new'), path.join(folder, 'bin/node'));
        return;
      }
    }
  } catch (error) {
    if (error instanceof HostError) throw error;
    throw new HostError(`the Node.js of the package cannot be unpacked: ${(error as Error).message}`, { cause: error });
  } finally {
    image.destroy();
  }
  throw new HostError('the package has no Node.js where it says that it has');
}

/** A program that does not run on this host, as one for another C library, is found out here. */
async function checkRuns(folder: string, signal: AbortSignal): Promise<void> {
  try {
    await run(path.join(folder, 'kedge'), ['version'], { timeoutMs: VERSION_LIMIT_MS, signal });
  } catch (error) {
    throw new HostError(`the program in the package does not run on this host: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

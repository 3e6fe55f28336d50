/**
 * Builds the images that every node carries, so that a host without network access can start pods: `pause` (the sandbox) and
 * `hello` (busybox, with a page for its httpd), and `ingress` (HAProxy and its controller). Each is an OCI image layout in a tar archive,
 * for `ctr images import`.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { HELLO_IMAGE, PAUSE_IMAGE } from '../agent/images/bundled.ts';
import { INGRESS_IMAGE, INGRESS_UID } from '../api/domain/ingress-addon.ts';

const execute = promisify(execFile);
const compress = promisify(gzip);
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

interface ImageConfig {
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly Env?: readonly string[];
  readonly User?: string;
  readonly WorkingDir?: string;
}

interface Blob {
  readonly digest: string;
  readonly size: number;
}

/** Reproducible archives: same bytes for the same content. */
const tar = (folder: string, file: string) =>
  execute('tar', [
    '--sort=name',
    '--mtime=@0',
    '--owner=0',
    '--group=0',
    '--numeric-owner',
    '-C',
    folder,
    '-cf',
    file,
    '.',
  ]);

/** Writes `<name>.tar` into `folder`, with `rootfs` as the first layer; others, as tar archives, follow. */
async function packImage(
  folder: string,
  reference: string,
  rootfs: string,
  config: ImageConfig,
  others: readonly Buffer[] = [],
): Promise<void> {
  const layout = await mkdtemp(path.join(os.tmpdir(), 'kedge-image-'));
  try {
    const blobs = path.join(layout, 'blobs/sha256');
    await mkdir(blobs, { recursive: true });
    const put = async (data: Buffer): Promise<Blob> => {
      const hex = createHash('sha256').update(data).digest('hex');
      await writeFile(path.join(blobs, hex), data);
      return { digest: `sha256:${hex}`, size: data.length };
    };
    const putJson = (value: unknown) => put(Buffer.from(JSON.stringify(value)));

    const layerFile = path.join(layout, 'layer.tar');
    await tar(rootfs, layerFile);
    const archives = [await readFile(layerFile), ...others];
    await rm(layerFile);
    const isLarge = archives.some(({ length }) => length > COMPRESSED_FROM);
    const layers = await Promise.all(archives.map(async (archive) => put(isLarge ? await compress(archive) : archive)));
    const mediaType = `application/vnd.oci.image.layer.v1.tar${isLarge ? '+gzip' : ''}`;
    const diffIds = archives.map((archive) => `sha256:${createHash('sha256').update(archive).digest('hex')}`);
    const architecture = ARCHITECTURES[process.arch] ?? process.arch;
    const platform = { architecture, os: 'linux' };
    const configBlob = await putJson({ ...platform, config, rootfs: { type: 'layers', diff_ids: diffIds } });
    const manifest = await putJson({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...configBlob },
      layers: layers.map((layer) => ({ mediaType, ...layer })),
    });
    await writeFile(path.join(layout, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
    await writeFile(
      path.join(layout, 'index.json'),
      JSON.stringify({
        schemaVersion: 2,
        mediaType: 'application/vnd.oci.image.index.v1+json',
        manifests: [
          {
            mediaType: 'application/vnd.oci.image.manifest.v1+json',
            ...manifest,
            platform,
            annotations: { 'io.containerd.image.name': reference, 'org.opencontainers.image.ref.name': reference },
          },
        ],
      }),
    );
    const name = path.basename(reference).replace(/:.*/, '');
    await tar(layout, path.join(folder, `${name}.tar`));
  } finally {
    await rm(layout, { recursive: true });
  }
}

/** Layers of an image with a larger one are compressed: 16 MiB. */
const COMPRESSED_FROM = 16 * 1024 * 1024;

async function pauseImage(folder: string, work: string): Promise<void> {
  const rootfs = path.join(work, 'pause');
  await mkdir(rootfs);
  const source = path.resolve(import.meta.dirname, '../images/pause.c');
  await execute('gcc', [
    '-Os',
    '-Wall',
    '-Wextra',
    '-Werror',
    '-static',
    '-s',
    '-o',
    path.join(rootfs, 'pause'),
    source,
  ]);
  await packImage(folder, PAUSE_IMAGE, rootfs, { Entrypoint: ['/pause'], User: '65535:65535' });
}

const HELLO_PAGE = 'Hello from Kedge\n';

async function helloImage(folder: string, work: string): Promise<void> {
  const rootfs = path.join(work, 'hello');
  for (const directory of ['bin', 'etc', 'tmp', 'root', 'www'])
    await mkdir(path.join(rootfs, directory), { recursive: true });
  await cp('/bin/busybox', path.join(rootfs, 'bin/busybox'));
  const { stdout } = await execute('/bin/busybox', ['--list']);
  for (const applet of stdout.split('\n')) {
    if (applet && applet !== 'busybox') await symlink('busybox', path.join(rootfs, 'bin', applet));
  }
  await writeFile(
    path.join(rootfs, 'etc/passwd'),
    'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n',
  );
  await writeFile(path.join(rootfs, 'etc/group'), 'root:x:0:\nnogroup:x:65534:\n');
  await writeFile(path.join(rootfs, 'www/index.html'), HELLO_PAGE);
  await packImage(folder, HELLO_IMAGE, rootfs, {
    // The first process of a container ignores SIGTERM unless it handles it.
    Cmd: ['/bin/sh', '-c', "trap 'exit 0' TERM; httpd -f -v -p 8080 -h /www & wait"],
    Env: ['PATH=/bin'],
    WorkingDir: '/',
  });
}

/** Builds the images that need nothing of the package into `folder`. Needs gcc with a static libc, and busybox. */
export async function buildImages(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const work = await mkdtemp(path.join(os.tmpdir(), 'kedge-rootfs-'));
  try {
    await Promise.all([pauseImage(folder, work), helloImage(folder, work)]);
  } finally {
    await rm(work, { recursive: true });
  }
}

const HAPROXY = '/usr/sbin/haproxy';
/** Where the image has the controller. */
const PROGRAM = '/usr/lib/kedge';
/** Where its layer has the Node.js that is this package's. */
export const NODE_IN_IMAGE = `.${PROGRAM}/node`;

/** The shared libraries of a program, with the loader, by the paths that they are looked for at. */
async function librariesOf(program: string): Promise<string[]> {
  const { stdout } = await execute('ldd', [program]);
  const missing = /^\s*(\S+) => not found$/m.exec(stdout)?.[1];
  if (missing !== undefined) throw new Error(`${program} needs ${missing}, which is not installed`);
  return [...stdout.matchAll(/(?:=> )?(\/\S+) \(0x[0-9a-f]+\)/g)].map(([, file = '']) => file);
}

/**
 * Builds the image `ingress`: Debian's HAProxy, Node.js and the bundle of the controller, with the libraries that they need and nothing
 * else, not even a shell. `bundle`: files by their names in the image's own directory.
 */
export async function buildIngressImage(folder: string, bundle: ReadonlyMap<string, string>): Promise<void> {
  const rootfs = await mkdtemp(path.join(os.tmpdir(), 'kedge-rootfs-'));
  try {
    const put = async (from: string, to: string): Promise<void> => {
      const target = path.join(rootfs, to);
      await mkdir(path.dirname(target), { recursive: true });
      await cp(from, target, { dereference: true, recursive: true });
    };
    const libraries = new Set([...(await librariesOf(HAPROXY)), ...(await librariesOf(process.execPath))]);
    for (const library of libraries) await put(library, library);
    await put(process.execPath, path.join(PROGRAM, 'node'));
    for (const [name, file] of bundle) await put(file, path.join(PROGRAM, name));
    for (const directory of ['etc', 'tmp', 'run/kedge-ingress'])
      await mkdir(path.join(rootfs, directory), { recursive: true });
    const user = `ingress:x:${INGRESS_UID}:${INGRESS_UID}::/:/bin/false\n`;
    await writeFile(path.join(rootfs, 'etc/passwd'), `root:x:0:0:root:/:/bin/false\n${user}`);
    const config = {
      Entrypoint: [path.join(PROGRAM, 'node'), path.join(PROGRAM, 'ingress.mjs'), 'ingress-controller'],
      Env: ['PATH=/usr/sbin', 'KEDGE_DIRECTORY=/run/kedge-ingress/proxy'],
      User: `${INGRESS_UID}:${INGRESS_UID}`,
      WorkingDir: '/',
    };
    const haproxy = programArchive(HAPROXY.slice(1), await readFile(HAPROXY));
    await packImage(folder, INGRESS_IMAGE, rootfs, config, [haproxy]);
  } finally {
    await rm(rootfs, { recursive: true });
  }
}

/** CAP_NET_BIND_SERVICE, permitted and effective, as the kernel stores it in `security.capability` (linux/capability.h, version 2). */
const NET_BIND_SERVICE = Buffer.from('0100000200040000000000000000000000000000', 'hex');
const BLOCK = 512;

/**
 * A tar archive (POSIX.1-2001) of one program that may listen on ports below 1024 whoever runs it. Written here: only root could give
 * the file this capability, and images are built by anybody.
 */
function programArchive(name: string, content: Buffer): Buffer {
  const attribute = Buffer.concat([
    Buffer.from('SCHILY.xattr.security.capability='),
    NET_BIND_SERVICE,
    Buffer.from('\n'),
  ]);
  // The length of a record counts itself: two digits and a space.
  const record = Buffer.concat([Buffer.from(`${attribute.length + 3} `), attribute]);
  const padded = (data: Buffer): Buffer => Buffer.concat([data, Buffer.alloc((BLOCK - (data.length % BLOCK)) % BLOCK)]);
  return Buffer.concat([
    ...[tarHeader('PaxHeaders/haproxy', record.length, 'x'), padded(record)],
    ...[tarHeader(name, content.length, '0'), padded(content)],
    Buffer.alloc(2 * BLOCK),
  ]);
}

function tarHeader(name: string, size: number, type: '0' | 'x'): Buffer {
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, digits: number): string => `${value.toString(8).padStart(digits, '0')}\0`;
  header.write(name, 0);
  header.write(octal(0o755, 7) + octal(0, 7) + octal(0, 7) + octal(size, 11) + octal(0, 11), 100);
  // The checksum counts itself as spaces.
  header.write(' '.repeat(8), 148);
  header.write(type, 156);
  header.write('ustar\x0000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}

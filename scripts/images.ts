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
import { INGRESS_REPOSITORY, INGRESS_UID } from '../api/domain/ingress-addon.ts';
import { tarEnd, tarMember } from '../daemon/tar/header.ts';
import type { Platform } from './platform.ts';

const execute = promisify(execFile);
const compress = promisify(gzip);

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
export const tar = (folder: string, file: string) =>
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

/**
 * Writes `<name>.tar` into `folder`, with `rootfs` as the first layer; others, as tar archives, follow. Returns the reference: without a
 * tag, it gets one of the image's own digest.
 */
export async function packImage(
  folder: string,
  nameOrReference: string,
  rootfs: string,
  config: ImageConfig,
  { debian: architecture }: Platform,
  others: readonly Buffer[] = [],
): Promise<string> {
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
    const platform = { architecture, os: 'linux' };
    const configBlob = await putJson({ ...platform, config, rootfs: { type: 'layers', diff_ids: diffIds } });
    const manifest = await putJson({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...configBlob },
      layers: layers.map((layer) => ({ mediaType, ...layer })),
    });
    const reference = nameOrReference.includes(':')
      ? nameOrReference
      : `${nameOrReference}:${manifest.digest.slice('sha256:'.length, 'sha256:'.length + TAG_CHARACTERS)}`;
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
    return reference;
  } finally {
    await rm(layout, { recursive: true });
  }
}

const TAG_CHARACTERS = 12;

/** Layers of an image with a larger one are compressed: 16 MiB. */
const COMPRESSED_FROM = 16 * 1024 * 1024;

async function pauseImage(folder: string, work: string, platform: Platform): Promise<void> {
  const rootfs = path.join(work, 'pause');
  await mkdir(rootfs);
  const source = path.resolve(import.meta.dirname, '../images/pause.c');
  await execute(platform.compiler, [
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
  await packImage(folder, PAUSE_IMAGE, rootfs, { Entrypoint: ['/pause'], User: '65535:65535' }, platform);
}

const HELLO_PAGE = 'Hello from Kedge\n';

async function helloImage(folder: string, work: string, platform: Platform): Promise<void> {
  const rootfs = path.join(work, 'hello');
  for (const directory of ['bin', 'etc', 'tmp', 'root', 'www'])
    await mkdir(path.join(rootfs, directory), { recursive: true });
  await cp(platform.at('/bin/busybox'), path.join(rootfs, 'bin/busybox'));
  // Of the same release of Debian, it has the same.
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
  await packImage(
    folder,
    HELLO_IMAGE,
    rootfs,
    {
      // The first process of a container ignores SIGTERM unless it handles it.
      Cmd: ['/bin/sh', '-c', "trap 'exit 0' TERM; httpd -f -v -p 8080 -h /www & wait"],
      Env: ['PATH=/bin'],
      WorkingDir: '/',
    },
    platform,
  );
}

/** Builds the images that need nothing of the package into `folder`. Needs gcc with a static libc, and busybox. */
export async function buildImages(folder: string, platform: Platform): Promise<void> {
  await mkdir(folder, { recursive: true });
  const work = await mkdtemp(path.join(os.tmpdir(), 'kedge-rootfs-'));
  try {
    await Promise.all([pauseImage(folder, work, platform), helloImage(folder, work, platform)]);
  } finally {
    await rm(work, { recursive: true });
  }
}

const HAPROXY = '/usr/sbin/haproxy';
/** Where the image has the controller. */
const PROGRAM = '/usr/lib/kedge';
/** Where its layer has the Node.js that is this package's. */
export const NODE_IN_IMAGE = `.${PROGRAM}/node`;

/**
 * Builds the image `ingress`: Debian's HAProxy, Node.js and the bundle of the controller, with the libraries that they need and nothing
 * else, not even a shell. `bundle`: files by their names in the image's own directory. Returns its reference.
 */
export async function buildIngressImage(
  folder: string,
  bundle: ReadonlyMap<string, string>,
  platform: Platform,
): Promise<string> {
  const rootfs = await mkdtemp(path.join(os.tmpdir(), 'kedge-rootfs-'));
  try {
    const put = async (from: string, to: string): Promise<void> => {
      const target = path.join(rootfs, to);
      await mkdir(path.dirname(target), { recursive: true });
      await cp(from, target, { dereference: true, recursive: true });
    };
    const haproxyHere = platform.at(HAPROXY);
    const libraries = new Set([
      ...(await platform.librariesOf(haproxyHere)),
      ...(await platform.librariesOf(platform.node)),
    ]);
    for (const library of libraries) await put(platform.at(library), library);
    await put(platform.node, path.join(PROGRAM, 'node'));
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
    const haproxy = programArchive(HAPROXY.slice(1), await readFile(haproxyHere));
    return await packImage(folder, INGRESS_REPOSITORY, rootfs, config, platform, [haproxy]);
  } finally {
    await rm(rootfs, { recursive: true });
  }
}

/** CAP_NET_BIND_SERVICE, permitted and effective, as the kernel stores it in `security.capability` (linux/capability.h, version 2). */
const NET_BIND_SERVICE = Buffer.from('0100000200040000000000000000000000000000', 'hex');

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
  const file = { mode: 0o755, modifiedAt: 0 };
  return Buffer.concat([
    ...tarMember({ ...file, name: 'PaxHeaders/haproxy', type: 'x' }, record),
    ...tarMember({ ...file, name }, content),
    tarEnd(),
  ]);
}

/**
 * Builds the images that every node carries, so that a host without network access can start pods: `pause` (the sandbox) and
 * `hello` (busybox, with a page for its httpd). Each is an OCI image layout in a tar archive, for `ctr images import`.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { HELLO_IMAGE, PAUSE_IMAGE } from '../agent/images/bundled.ts';

const execute = promisify(execFile);
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

/** Writes `<name>.tar` into `folder`, with `rootfs` as the only layer. */
async function packImage(folder: string, reference: string, rootfs: string, config: ImageConfig): Promise<void> {
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
    const layer = await put(await readFile(layerFile));
    await rm(layerFile);
    const architecture = ARCHITECTURES[process.arch] ?? process.arch;
    const platform = { architecture, os: 'linux' };
    const configBlob = await putJson({ ...platform, config, rootfs: { type: 'layers', diff_ids: [layer.digest] } });
    const manifest = await putJson({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...configBlob },
      layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', ...layer }],
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

/** Builds all images into `folder`. Needs gcc with a static libc, and busybox. */
export async function buildImages(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const work = await mkdtemp(path.join(os.tmpdir(), 'kedge-rootfs-'));
  try {
    await Promise.all([pauseImage(folder, work), helloImage(folder, work)]);
  } finally {
    await rm(work, { recursive: true });
  }
}

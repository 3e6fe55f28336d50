/**
 * Packs `dist/` for hosts without this repository: `packages/kedge-VERSION-linux-ARCH.tar.gz` and, for Debian, `kedge_VERSION_ARCH.deb`.
 * The same content makes the same bytes. Node.js is in them once: where the program has it, it is unpacked from the image of the ingress.
 *
 * Usage: package.ts [--arch ARCH] [FOLDER]
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, cp, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { NODE_IN_IMAGE } from './images.ts';
import { architectureIn, platformOf } from './platform.ts';

const execute = promisify(execFile);
const root = path.resolve(import.meta.dirname, '..');
const { arch, rest } = architectureIn(process.argv.slice(2));
const { dist, architecture: packed, debian: architecture } = await platformOf(arch);
const SCRIPTS = ['clean-host', 'containerd-config', 'down', 'host', 'install', 'prepare-host'];
const DOCUMENTS = ['README.md', 'CHANGELOG.md', 'LICENSE', 'SECURITY.md', 'docs', 'examples'];
const UNITS = ['kedge-agent', 'kedge-containerd', 'kedge-etcd', 'kedge-server'];
/** Debian's package is upgraded by Debian's tools. */
const UPGRADE_UNIT = 'kedge-upgrade';
/** What scripts/prepare-host.sh installs for a node, or what the packages of Docker and Kubernetes have instead. */
const DEPENDS = [
  ...[
    'conntrack',
    'containerd | containerd.io',
    'containernetworking-plugins | kubernetes-cni',
    'iproute2',
    'iptables',
  ],
  ...['iputils-arping', 'kubernetes-client | kubectl', 'libatomic1', 'nftables', 'runc | containerd.io'],
];
const MAINTAINER = 'Kedge developers <kedge@localhost>';

/** The blob of the image that has Node.js, by its path in the archive: the largest. */
async function blobWithNode(image: string): Promise<string> {
  const { stdout } = await execute('tar', ['--list', '--verbose', '--numeric-owner', '-f', image]);
  const files = stdout.split('\n').map((line) => line.split(/\s+/));
  const [largest] = files.toSorted((a, b) => Number(b[2] ?? 0) - Number(a[2] ?? 0));
  const blob = largest?.[5];
  if (blob === undefined) throw new Error(`${image} has no files`);
  return blob;
}

/** The program without its Node.js, but with where to unpack it from, and how hosts are told to join. */
async function stageProgram(to: string, installer: string): Promise<void> {
  await cp(dist, to, { recursive: true, filter: (file) => file !== path.join(dist, 'bin/node') });
  const blob = await blobWithNode(path.join(dist, 'images/ingress.tar'));
  await writeFile(path.join(to, 'bin/node.from'), `${blob} ${NODE_IN_IMAGE}\n`);
  await writeFile(path.join(to, 'installer'), `${installer}\n`);
}

async function stageScripts(to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const name of SCRIPTS) await cp(path.join(root, `scripts/${name}.sh`), path.join(to, `${name}.sh`));
}

/** The units, for a program at `command`. */
async function stageUnits(to: string, command = '/usr/local/bin/kedge'): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const unit of UNITS) {
    const text = await readFile(path.join(root, `systemd/${unit}.service`), 'utf8');
    await writeFile(path.join(to, `${unit}.service`), text.replaceAll('/usr/local/bin/kedge', command));
  }
}

async function packTarball(work: string, name: string, folder: string): Promise<string> {
  const stage = path.join(work, name);
  await stageProgram(path.join(stage, 'dist'), 'scripts/install.sh');
  await stageScripts(path.join(stage, 'scripts'));
  await stageUnits(path.join(stage, 'systemd'));
  await cp(path.join(root, `systemd/${UPGRADE_UNIT}.service`), path.join(stage, 'systemd', `${UPGRADE_UNIT}.service`));
  for (const document of DOCUMENTS)
    await cp(path.join(root, document), path.join(stage, document), { recursive: true });
  const file = path.join(folder, `${name}.tar.gz`);
  const sorted = ['--sort=name', `--mtime=@${epoch()}`, '--owner=0', '--group=0', '--numeric-owner'];
  // Other people's umask is not part of what is packed.
  await execute('tar', [
    ...sorted,
    '--mode=u=rwX,go=rX',
    '--use-compress-program=gzip -n',
    '-C',
    work,
    '-cf',
    file,
    name,
  ]);
  return file;
}

async function packDebian(work: string, version: string, folder: string): Promise<string> {
  const stage = path.join(work, 'debian');
  const own = path.join(stage, 'usr/lib/kedge');
  await stageProgram(path.join(own, 'dist'), 'kedge-setup');
  await stageUnits(path.join(own, 'dist/systemd'), '/usr/bin/kedge');
  await stageUnits(path.join(stage, 'usr/lib/systemd/system'), '/usr/bin/kedge');
  await stageScripts(path.join(own, 'scripts'));
  for (const [link, target] of [
    ['usr/bin/kedge', '../lib/kedge/dist/kedge'],
    ['usr/sbin/kedge-setup', '../lib/kedge/scripts/install.sh'],
    ['usr/sbin/kedge-clean-host', '../lib/kedge/scripts/clean-host.sh'],
  ] as const) {
    await mkdir(path.dirname(path.join(stage, link)), { recursive: true });
    await symlink(target, path.join(stage, link));
  }
  const documents = path.join(stage, 'usr/share/doc/kedge');
  for (const document of DOCUMENTS)
    await cp(path.join(root, document), path.join(documents, document === 'LICENSE' ? 'copyright' : document), {
      recursive: true,
    });
  await writeControl(stage, version);
  await execute('chmod', ['-R', 'u=rwX,go=rX', stage]);
  const file = path.join(folder, `kedge_${version}_${architecture}.deb`);
  const env = { ...process.env, SOURCE_DATE_EPOCH: epoch() };
  // Most of it is compressed already.
  await execute('dpkg-deb', ['--root-owner-group', '-Zgzip', '--build', stage, file], { env });
  return file;
}

async function writeControl(stage: string, version: string): Promise<void> {
  const control = path.join(stage, 'DEBIAN');
  await mkdir(control);
  const { stdout } = await execute('du', ['--summarize', '--block-size=1024', '--apparent-size', stage]);
  const { size: node } = await stat(path.join(dist, 'bin/node'));
  await writeFile(
    path.join(control, 'control'),
    [
      ...['Package: kedge', `Version: ${version}`, `Architecture: ${architecture}`, `Maintainer: ${MAINTAINER}`],
      ...['Section: admin', 'Priority: optional', 'Pre-Depends: gzip, tar', `Depends: ${DEPENDS.join(', ')}`],
      `Installed-Size: ${parseInt(stdout, 10) + Math.ceil(node / 1024)}`,
      'Description: Kubernetes for Linux hosts',
      ' Api-server, scheduler, controllers and the agent that runs the pods of a host.',
      ' kedge-setup makes this host a cluster, or a node of one.',
      '',
    ].join('\n'),
  );
  for (const name of ['postinst', 'prerm', 'postrm']) {
    await cp(path.join(root, `scripts/debian/${name}.sh`), path.join(control, name));
    await chmod(path.join(control, name), 0o755);
  }
}

/** Seconds since the epoch of the times in the packages: those of the commit that is packed, or https://reproducible-builds.org's. */
let commitEpoch = '0';
const epoch = (): string => process.env['SOURCE_DATE_EPOCH'] ?? commitEpoch;

const folder = path.resolve(rest[0] ?? path.join(root, 'packages'));
const { version } = JSON.parse(await readFile(path.join(dist, 'package.json'), 'utf8')) as { version: string };
const work = await mkdtemp(path.join(os.tmpdir(), 'kedge-package-'));
try {
  const committed = await execute('git', ['-C', root, 'log', '-1', '--format=%ct']).catch(() => undefined);
  commitEpoch = committed?.stdout.trim() ?? commitEpoch;
  await mkdir(folder, { recursive: true });
  const files = [
    await packTarball(work, `kedge-${version}-linux-${packed}`, folder),
    await packDebian(work, version, folder),
  ];
  for (const file of files) {
    const content = await readFile(file);
    const hash = createHash('sha256').update(content).digest('hex');
    await writeFile(`${file}.sha256`, `${hash}  ${path.basename(file)}\n`);
    console.log(`${file}: ${(content.length / 1e6).toFixed(1)} MB, sha256 ${hash}`);
  }
} finally {
  await rm(work, { recursive: true });
}

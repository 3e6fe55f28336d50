/** Packages of strangers: whatever is in one, nothing outside of its own folder is touched, and nothing is left of it. */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import t, { type Test } from 'tap';
import { tarEntries } from '../../../agent/upgrade/tar-entries.ts';
import { unpackPackage } from '../../../agent/upgrade/package-file.ts';
import { Versions } from '../../../agent/upgrade/versions.ts';

interface Entry {
  readonly name: string;
  readonly type?: string;
  readonly content?: string;
  readonly mode?: string;
  readonly link?: string;
}

/** A header of POSIX's ustar, and the content. */
function tarOf(...entries: Entry[]): Buffer {
  const blocks = entries.flatMap(({ name, type = '0', content = '', mode = '0000644', link = '' }) => {
    const header = Buffer.alloc(512);
    header.write(name, 0, 100, 'latin1');
    header.write(mode, 100);
    header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124);
    header.write('        ', 148);
    header.write(type, 156);
    header.write(link, 157);
    header.write('ustar\0', 257);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    const body = Buffer.alloc(Math.ceil(content.length / 512) * 512);
    body.write(content, 'latin1');
    return [header, body];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

const TOP = `kedge-9.9.9-linux-${os.arch()}`;
const script = (text: string): string => `#!/bin/sh\n${text}\n`;
const PROGRAM: Entry[] = [
  { name: `${TOP}/`, type: '5', mode: '0000755' },
  { name: `${TOP}/dist/package.json`, content: '{"version":"9.9.9"}' },
  { name: `${TOP}/dist/kedge`, content: script('[ "$1" = version ]'), mode: '0000755' },
  { name: `${TOP}/systemd/kedge-agent.service`, content: '[Unit]\n' },
  { name: `${TOP}/README.md`, content: 'not needed' },
];

async function host(t: Test) {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'kedge-upgrade-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const versions = new Versions(path.join(folder, 'lib/kedge'));
  await mkdir(versions.folder, { recursive: true });
  const file = path.join(folder, 'package.tar.gz');
  const unpack = (checksum?: string) => unpackPackage(file, checksum, versions, new AbortController().signal);
  const put = async (archive: Buffer): Promise<void> => {
    await writeFile(file, archive);
    await writeFile(`${file}.sha256`, `${createHash('sha256').update(archive).digest('hex')}  package.tar.gz\n`);
  };
  const all = async (): Promise<string[]> => (await readdir(folder, { recursive: true })).sort();
  return { folder, versions, file, unpack, put, all };
}

t.test('a package becomes a version, with its program and its units', async (t) => {
  const { versions, unpack, put, all } = await host(t);
  await put(gzipSync(tarOf(...PROGRAM)));
  const id = await unpack();
  t.match(id, /^9\.9\.9-[0-9a-f]{8}$/);
  t.strictSame((await readdir(versions.pathOf(id), { recursive: true })).sort(), [
    ...['kedge', 'package.json', 'systemd', 'systemd/kedge-agent.service'],
  ]);
  t.equal((await stat(path.join(versions.pathOf(id), 'kedge'))).mode & 0o777, 0o755);
  const before = await all();
  t.equal(await unpack(), id, 'once more');
  t.strictSame(await all(), before);
});

t.test('Node.js is taken from where the package has it', async (t) => {
  const { versions, unpack, put } = await host(t);
  const layer = gzipSync(tarOf({ name: './opt/node', content: script('exit 0'), mode: '0000755' }));
  await put(
    gzipSync(
      tarOf(
        ...PROGRAM,
        {
          name: `${TOP}/dist/images/ingress.tar`,
          content: tarOf({ name: './blobs/a', content: layer.toString('latin1') }).toString('latin1'),
        },
        { name: `${TOP}/dist/bin/node.from`, content: './blobs/a ./opt/node\n' },
      ),
    ),
  );
  const node = path.join(versions.pathOf(await unpack()), 'bin/node');
  t.equal(await readFile(node, 'utf8'), script('exit 0'));
  t.equal((await stat(node)).mode & 0o777, 0o755);
});

t.test('what is no package of this program is refused, and leaves nothing', async (t) => {
  const { unpack, put, all, file } = await host(t);
  const evil = (entry: Entry): Buffer => gzipSync(tarOf(...PROGRAM, entry));
  const long = (name: string): Entry[] => [
    { name: '././@LongLink', type: 'L', content: `${name}\0` },
    { name: 'x', content: 'x' },
  ];
  const cases: [string, Buffer, RegExp][] = [
    ['a way out', evil({ name: `${TOP}/dist/../../../escaped`, content: 'x' }), /name that is not allowed/],
    [
      'a way out by a long name',
      gzipSync(tarOf(...PROGRAM, ...long(`${TOP}/dist/${'a/'.repeat(60)}../../escaped`))),
      /not allowed/,
    ],
    ['an absolute name', evil({ name: '/etc/escaped', content: 'x' }), /not allowed/],
    ['an empty part', evil({ name: `${TOP}//dist/escaped`, content: 'x' }), /not allowed/],
    ['control characters', evil({ name: `${TOP}/dist/a\u001b[2J`, content: 'x' }), /not allowed/],
    ['a symbolic link', evil({ name: `${TOP}/dist/out`, type: '2', link: '/etc' }), /a symbolic link: /],
    ['a hard link', evil({ name: `${TOP}/dist/out`, type: '1', link: '/etc/shadow' }), /a hard link: /],
    ['a device', evil({ name: `${TOP}/dist/out`, type: '3' }), /a device: /],
    ['a named pipe', evil({ name: `${TOP}/dist/out`, type: '6' }), /a named pipe: /],
    [
      'a type of POSIX 2001',
      evil({ name: `${TOP}/dist/out`, type: 'x', content: '20 path=/etc/passwd\n' }),
      /unknown type/,
    ],
    ['a file twice', evil({ name: `${TOP}/dist/kedge`, content: 'x' }), /EEXIST/],
    ['a file where a folder is', evil({ name: `${TOP}/dist/kedge/x`, content: 'x' }), /EEXIST|ENOTDIR/],
    ['another folder', evil({ name: 'elsewhere/dist/x', content: 'x' }), /not one of Kedge for this host/],
    [
      'another architecture',
      gzipSync(tarOf({ name: 'kedge-9.9.9-linux-sparc/dist/x' })),
      /not one of Kedge for this host/,
    ],
    [
      'another version than can be',
      gzipSync(tarOf({ name: `${TOP}/dist/package.json`, content: '{"version":"../../x"}' })),
      /cannot be one/,
    ],
    ['no program', gzipSync(tarOf({ name: `${TOP}/README.md`, content: 'x' })), /no program with a version/],
    [
      'one that does not run',
      gzipSync(
        tarOf(...PROGRAM.slice(0, 2), {
          name: `${TOP}/dist/kedge`,
          content: script('echo no >&2; exit 1'),
          mode: '0000755',
        }),
      ),
      /does not run on this host: .*no/s,
    ],
    [
      'Node.js that is not there',
      evil({ name: `${TOP}/dist/bin/node.from`, content: './a ./b' }),
      /ENOENT|no Node\.js/,
    ],
    [
      'Node.js in an image that ends early',
      gzipSync(
        tarOf(
          ...PROGRAM,
          {
            name: `${TOP}/dist/images/ingress.tar`,
            content: tarOf({ name: './blobs/a', content: 'x'.repeat(4_096) })
              .subarray(0, 2_048)
              .toString('latin1'),
          },
          { name: `${TOP}/dist/bin/node.from`, content: './blobs/a ./opt/node\n' },
        ),
      ),
      /Node\.js of the package cannot be unpacked|ends early/,
    ],
    ['one that ends early', gzipSync(tarOf(...PROGRAM).subarray(0, 2_100)), /ends early/],
    ['no archive', gzipSync(Buffer.from('x'.repeat(2_000))), /not a tar archive/],
    ['nothing compressed', Buffer.from('hello'), /cannot be unpacked/],
    ['a damaged end', Buffer.concat([gzipSync(tarOf(...PROGRAM)), Buffer.from('junk')]), /cannot be unpacked|9\.9\.9/],
  ];
  await put(Buffer.alloc(0));
  const before = await all();
  for (const [what, archive, message] of cases) {
    await put(archive);
    const outcome: unknown = await unpack().catch((error: unknown) => error);
    if (outcome instanceof Error) t.match(outcome.message, message, what);
    else t.equal(what, 'a damaged end', `${what} is accepted`);
    if (outcome instanceof Error) t.strictSame(await all(), before, `${what}: nothing is left`);
  }
  await put(gzipSync(tarOf(...PROGRAM)));
  await truncate(file, 100);
  await t.rejects(unpack(), /has the checksum sha256:.*, not sha256:.*: it is damaged/);
  await t.rejects(unpack('sha256:abc'), /checksum must be/);
  await rm(`${file}.sha256`);
  await t.rejects(unpack(), /\.sha256 is missing/);
  await rm(file);
  await t.rejects(unpack(), /failed to open/);
});

t.test('an archive of nothing but names is not read to its end', async (t) => {
  const names = Array.from({ length: 20 }, () => ({ name: '././@LongLink', type: 'L', content: 'x' }));
  const archive = async function* (): AsyncGenerator<Buffer> {
    yield tarOf(...names);
  };
  await t.rejects(Array.fromAsync(tarEntries(archive(), { entries: 10, bytes: 1000 })), /more than 10 files/);
});

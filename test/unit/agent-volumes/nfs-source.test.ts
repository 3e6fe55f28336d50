import t from 'tap';
import { nfsOptions, nfsSource } from '../../../api/domain/nfs.ts';

t.test('a server and a path are what mount.nfs mounts, and nothing else', async (t) => {
  const rows: [server: string, path: string, expected: string | RegExp][] = [
    ['files.example.com', '/srv/data', 'files.example.com:/srv/data'],
    ['nas_1', '/', 'nas_1:/'],
    ['10.1.2.3', '/a b,ro:c', '10.1.2.3:/a b,ro:c'],
    ['fd00::1', '/x', '[fd00::1]:/x'],
    ['[fd00::1]', '/x', '[fd00::1]:/x'],
    ['fe80::1%eth0', '/x', '[fe80::1%eth0]:/x'],
    ['nfs', '//evil/x', 'nfs:/evil/x'],
    ['-osuid', '/x', /not the name or address/],
    ['--help', '/x', /not the name or address/],
    ['a,b', '/x', /not the name or address/],
    ['a b', '/x', /not the name or address/],
    ['a:/etc', '/x', /not the name or address/],
    ['a\nb', '/x', /not the name or address/],
    ['[a]', '/x', /not the name or address/],
    ['fe80::1%e,o=x', '/x', /not the name or address/],
    ['', '/x', /not the name or address/],
    ['a'.repeat(300), '/x', /not the name or address/],
    ['a', 'x', /not absolute/],
    ['a', '/x/../y', /must not contain "\.\."/],
    ['a', '/x\n/y', /control characters/],
    ['a', '/x\0', /control characters/],
    ['a', `/${'x'.repeat(4095)}`, `a:/${'x'.repeat(4095)}`],
    ['a', `/${'x'.repeat(4096)}`, /^the NFS path "\/x{252}\.\.\." has more than 4096 bytes$/],
    ['a'.repeat(1_000_000), '/x', /^.{1,400}$/],
  ];
  for (const [server, path, expected] of rows) {
    const make = (): string => nfsSource({ server, path });
    if (typeof expected === 'string') t.equal(make(), expected);
    else t.throws(make, expected, JSON.stringify([server, path]).slice(0, 100));
  }
});

t.test('no option puts a mount into the background, or makes a read-only volume writable', async (t) => {
  t.equal(nfsOptions([], false), 'fg');
  t.equal(nfsOptions(['nfsvers=4.1', 'nolock,bg'], false), 'nfsvers=4.1,nolock,bg,fg');
  t.equal(nfsOptions(['rw'], true), 'rw,fg,ro');
  for (const wrong of ['', 'a\nb', 'a\0'])
    t.throws(() => nfsOptions([wrong], false), /is not a mount option/, JSON.stringify(wrong));
  t.throws(() => nfsOptions(['a'.repeat(2048), 'b'.repeat(2048)], false), /have more than 4096 bytes/);
});

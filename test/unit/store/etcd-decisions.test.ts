/** What the store on etcd decides without etcd. */
import { test } from 'tap';
import { kinds } from '../../../api/registry.ts';
import { cachedKind } from '../../../api/machinery/stored-as.ts';
import { GROUPED_KEYS, upstreamKeys } from '../../../control-plane/apiserver/catalogue/key-layout.ts';
import { Compactor, type CompactionClock } from '../../../control-plane/store/etcd/compactor.ts';
import { prefixRange } from '../../../control-plane/store/etcd/keys.ts';
import { PendingNotes } from '../../../control-plane/store/etcd/pending-notes.ts';
import { hasReliableProgress } from '../../../control-plane/store/etcd/progress.ts';
import { connectionReason, failureKind } from '../../../control-plane/store/etcd/rpc-failure.ts';
import { serversProblem } from '../../../control-plane/store/etcd/servers.ts';
import { SharedLeases } from '../../../control-plane/store/etcd/shared-leases.ts';

test('each kind has a prefix of its own in etcd, which is found in the keys of its objects', (t) => {
  for (const keys of [upstreamKeys(), upstreamKeys('/tenants/a/'), GROUPED_KEYS]) {
    const stored = [...new Set(kinds.map(cachedKind))];
    const prefixes = new Set<string>();
    for (const kind of stored) {
      const prefix = keys.prefixOf(kind);
      t.ok(prefix.startsWith(keys.root));
      t.equal(keys.prefixIn(`${prefix}specs/endpoints.x`), prefix);
      prefixes.add(prefix);
    }
    t.equal(prefixes.size, stored.length);
    t.equal(keys.prefixIn(`${keys.root}x`), '', 'no key of an object');
  }
  t.end();
});

test('keys in etcd are those of kube-apiserver', (t) => {
  const { prefixOf } = upstreamKeys();
  const cases: readonly (readonly [string, string, string])[] = [
    ['', 'pods', '/registry/pods/'],
    ['', 'services', '/registry/services/specs/'],
    ['', 'endpoints', '/registry/services/endpoints/'],
    ['', 'nodes', '/registry/minions/'],
    ['', 'replicationcontrollers', '/registry/controllers/'],
    ['apps', 'deployments', '/registry/deployments/'],
    ['networking.k8s.io', 'ingresses', '/registry/ingress/'],
    ['coordination.k8s.io', 'leases', '/registry/leases/'],
    ['apiextensions.k8s.io', 'customresourcedefinitions', '/registry/apiextensions.k8s.io/customresourcedefinitions/'],
    ['apiregistration.k8s.io', 'apiservices', '/registry/apiregistration.k8s.io/apiservices/'],
  ];
  for (const [group, plural, prefix] of cases) t.equal(prefixOf({ group, plural }), prefix);
  const custom = kinds.find(({ plural }) => plural === 'pods')?.custom ?? ({} as never);
  t.equal(prefixOf({ group: 'example.com', plural: 'pods', custom }), '/registry/example.com/pods/');
  t.end();
});

test('a range has the keys with a prefix, and those after a key among them', (t) => {
  const range = (prefix: string, after?: string): string[] => {
    const { key, rangeEnd } = prefixRange(prefix, after);
    return [key.toString('latin1'), rangeEnd.toString('latin1')];
  };
  t.strictSame(range('/pods/'), ['/pods/', '/pods0']);
  t.strictSame(range('/pods/', '/pods/a'), ['/pods/a\0', '/pods0']);
  t.strictSame(range('/pods/', '/a'), ['/pods/', '/pods0'], 'a key before the prefix');
  t.strictSame(range(''), ['\0', '\0']);
  const { rangeEnd } = prefixRange('\u{10ffff}');
  t.equal(rangeEnd.toString('hex'), 'f48fbfc0');
  t.end();
});

test('what a failed call means depends on whether etcd may have executed it', (t) => {
  const cases: readonly (readonly [number, string, ReturnType<typeof failureKind>])[] = [
    [14, 'No connection established. Last error: connect ECONNREFUSED', 'unsent'],
    [14, 'etcdserver: no leader', 'unsent'],
    [9, 'etcdserver: not leader', 'unsent'],
    [14, 'Connection dropped', 'lost'],
    [14, 'etcdserver: leader changed', 'lost'],
    [14, 'etcdserver: request timed out', 'lost'],
    [4, 'Deadline exceeded', 'lost'],
    [13, 'Received RST_STREAM with code 2', 'lost'],
    [8, 'etcdserver: mvcc: database space exceeded', 'refused'],
    [8, 'etcdserver: too many requests', 'busy'],
    [3, 'etcdserver: request is too large', 'refused'],
    [7, 'etcdserver: permission denied', 'refused'],
    [11, 'etcdserver: mvcc: required revision has been compacted', 'compacted'],
    [11, 'etcdserver: mvcc: required revision is a future revision', 'refused'],
  ];
  for (const [code, details, kind] of cases) t.equal(failureKind(code, details), kind, details);
  t.end();
});

test('failures of connections are said in one sentence', (t) => {
  const at = '(2026-11-30T11:44:23.496Z)';
  const alert =
    '4093BA7:error:0A000412:SSL routines:ssl3_read_bytes:ssl/tls alert bad certificate:../rec.c:918:SSL alert';
  t.match(connectionReason(`No connection established. Last error: ${alert} 42\n ${at}`), /TLS alert: bad certificate/);
  t.equal(
    connectionReason(
      'No connection established. Last error: Error: connect ECONNREFUSED 127.0.0.1:1. Resolution note: ',
    ),
    'connect ECONNREFUSED 127.0.0.1:1',
  );
  t.match(connectionReason(`No connection established. Last error: Failed to connect ${at}`), /https\?/);
  t.end();
});

test('answers to requests for progress are believed from the versions on that give them in order', (t) => {
  for (const version of ['3.4.25', '3.4.31', '3.5.8', '3.5.21', '3.6.0', '3.10.1', '4.0.0'])
    t.ok(hasReliableProgress(version), version);
  for (const version of ['3.3.99', '3.4.23', '3.4.24', '3.5.7', '2.9.9', '', 'main'])
    t.notOk(hasReliableProgress(version));
  t.end();
});

test('URLs of members have a scheme and a port', (t) => {
  for (const good of ['https://10.0.0.1:2379', 'http://etcd.example.com:2379', 'https://[fd00::1]:2379'])
    t.equal(serversProblem([good]), undefined, good);
  for (const bad of [
    '10.0.0.1:2379',
    'https://10.0.0.1',
    'https://a:2379/x',
    'https://u@a:2379',
    'ftp://a:1',
    'https://:2379',
  ])
    t.match(serversProblem([bad]), /must list URLs/, bad);
  t.match(serversProblem(['http://a:1', 'http://a:1']), /once/);
  t.end();
});

test('values of the same time to live share leases for a minute, up to a thousand', async (t) => {
  let now = 0;
  const granted: number[] = [];
  const leases = new SharedLeases(
    async (seconds) => {
      granted.push(seconds);
      return String(granted.length);
    },
    () => now,
  );
  const hour = 3600_000;
  t.strictSame(await Promise.all([leases.of(hour), leases.of(hour)]), ['1', '1']);
  t.strictSame(granted, [3660], 'it lasts for the last value that gets it');
  now = 59_999;
  t.equal(await leases.of(hour), '1');
  now = 60_000;
  t.equal(await leases.of(hour), '2');
  t.equal(await leases.of(15_000), '3');
  for (let i = 0; i < 999; i++) await leases.of(hour);
  t.equal(await leases.of(hour), '4');
  leases.forget();
  t.equal(await leases.of(hour), '5');
});

test('a lease that could not be granted is asked for again', async (t) => {
  const failures = [new Error('down')];
  const leases = new SharedLeases(async () => {
    const failure = failures.pop();
    if (failure) throw failure;
    return '7';
  });
  await t.rejects(leases.of(1000), /down/);
  t.equal(await leases.of(1000), '7');
});

test('a note belongs to bytes, once', (t) => {
  const notes = new PendingNotes();
  const note = {};
  notes.add('a', Buffer.from('1'), note);
  t.equal(notes.take('a', Buffer.from('2')), undefined, 'of another writer');
  t.equal(notes.take('a', Buffer.from('1')), note);
  t.equal(notes.take('a', Buffer.from('1')), undefined);
  notes.add('a', Buffer.from('3'), {});
  notes.drop('a', note);
  t.ok(notes.take('a', Buffer.from('3')), 'the note of a later put stays');
  for (let i = 0; i < 10_001; i++) notes.add(`k${i}`, Buffer.from('1'), note);
  t.equal(notes.take('k0', Buffer.from('1')), undefined, 'the oldest is dropped');
  t.equal(notes.take('k1', Buffer.from('1')), note);
  t.end();
});

test('of several servers one compacts per interval, to where the interval before began', async (t) => {
  const shared = { version: 0, revision: 0 };
  const compacted: number[] = [];
  const server = (): Compactor =>
    new Compactor({
      intervalMs: 3600_000,
      advance: async ({ version }) => {
        const won = version === String(shared.version);
        if (won) shared.version++;
        const clock: CompactionClock = { version: String(shared.version), revision: shared.revision };
        return { won, clock };
      },
      compact: async (revision) => void compacted.push(revision),
      logger: undefined,
    });
  const servers = [server(), server(), server()];
  t.teardown(() => servers.forEach((one) => one[Symbol.dispose]()));
  for (shared.revision = 100; shared.revision <= 500; shared.revision += 100) {
    for (const one of servers) await one.tick();
  }
  t.strictSame(compacted, [...new Set(compacted)], 'nothing twice');
  t.strictSame(compacted, [100, 200, 300, 400]);
});

/** From one home to the other: every kind's key, and values that are encrypted with their key. */
import { randomBytes } from 'node:crypto';
import t from 'tap';
import { cachedKind } from '../../../api/machinery/stored-as.ts';
import { kinds } from '../../../api/registry.ts';
import { secrets } from '../../../api/kinds/core/secret.ts';
import { events } from '../../../api/kinds/core/event.ts';
import { GROUPED_KEYS, upstreamKeys } from '../../../control-plane/apiserver/catalogue/key-layout.ts';
import { Translation, type Place } from '../../../control-plane/backup/restore/translation.ts';
import { Transformers } from '../../../control-plane/store/encrypted/transformers.ts';

const EMBEDDED: Place = { home: 'embedded', root: '/registry/' };
const ETCD: Place = { home: 'etcd', root: '/clusters/one/' };
const UPSTREAM = upstreamKeys('/clusters/one');

t.test('each kind has the key of the other home, and back', async (t) => {
  const there = new Translation(EMBEDDED, ETCD, undefined, 0);
  const back = new Translation(ETCD, EMBEDDED, undefined, 0);
  const stored = kinds.filter((kind) => cachedKind(kind) === kind);
  t.ok(stored.length > 40);
  for (const kind of stored) {
    const [one, other] = [`${GROUPED_KEYS.prefixOf(kind)}ns/name`, `${UPSTREAM.prefixOf(kind)}ns/name`];
    t.equal(there.keyOf(one), other);
    t.equal(back.keyOf(other), one);
  }
  for (const [one, other] of [
    ['/registry/example.com/widgets/default/a', '/clusters/one/example.com/widgets/default/a'],
    ['/registry/ranges/servicenodeports', '/clusters/one/ranges/servicenodeports'],
    ['/registry/rbac.authorization.k8s.io/clusterroles/system:x/y', '/clusters/one/clusterroles/system:x/y'],
  ] as const) {
    t.equal(there.keyOf(one), other);
    t.equal(back.keyOf(other), one);
  }
});

const configuration = (secret: string): string =>
  JSON.stringify({
    apiVersion: 'apiserver.config.k8s.io/v1',
    kind: 'EncryptionConfiguration',
    resources: [
      { resources: ['secrets'], providers: [{ aesgcm: { keys: [{ name: 'one', secret }] } }, { identity: {} }] },
    ],
  });

t.test('a value that is tied to its key is encrypted anew for the other one', async (t) => {
  const text = configuration(randomBytes(32).toString('base64'));
  const { resources } = JSON.parse(text) as { resources: ConstructorParameters<typeof Transformers>[0] };
  const key = `${GROUPED_KEYS.prefixOf(secrets)}default/a`;
  const sealed = new Transformers(resources, GROUPED_KEYS).of(key).encrypt(key, Buffer.from('{"secret":1}'));
  const translated = new Translation(EMBEDDED, ETCD, text, 0).of({ key, revision: 1, value: sealed });
  t.equal(translated.plain.toString(), '{"secret":1}');
  t.match(translated.value.toString('latin1'), /^k8s:enc:aesgcm:v1:one:/);
  const read = new Transformers(resources, UPSTREAM).of(translated.key).decrypt(translated.key, translated.value);
  t.equal(read.value.toString(), '{"secret":1}');
  t.throws(() => new Translation(EMBEDDED, ETCD, undefined, 0).of({ key, revision: 1, value: sealed }), /is needed/);
  const other = configuration(randomBytes(32).toString('base64'));
  t.throws(
    () => new Translation(EMBEDDED, ETCD, other, 0).of({ key, revision: 1, value: sealed }),
    /cannot be decrypted/,
  );
  const same = new Translation(EMBEDDED, EMBEDDED, undefined, 0).of({ key, revision: 1, value: sealed });
  t.strictSame(same.value, sealed, 'under the same key it is copied as it is');
});

t.test('events keep what is left of their hour, and long enough to be compared', async (t) => {
  const now = Date.parse('2026-11-30T12:00:00Z');
  const translation = new Translation(EMBEDDED, ETCD, undefined, now);
  const minutesLeft = (event: object): number => {
    const value = Buffer.from(JSON.stringify({ apiVersion: 'v1', kind: 'Event', metadata: { name: 'a' }, ...event }));
    const { ttlMs = NaN } = translation.of({ key: `${GROUPED_KEYS.prefixOf(events)}default/a`, revision: 1, value });
    return ttlMs / 60_000;
  };
  t.equal(minutesLeft({ lastTimestamp: '2026-11-30T12:00:00Z' }), 60);
  t.equal(minutesLeft({ lastTimestamp: '2026-11-30T11:42:00Z' }), 45);
  t.equal(minutesLeft({ lastTimestamp: '2026-11-29T11:42:00Z' }), 10);
  t.equal(minutesLeft({ eventTime: '2026-11-30T11:30:00.000000Z', lastTimestamp: null }), 30);
  t.equal(minutesLeft({ lastTimestamp: '2027-01-01T00:00:00Z' }), 60, 'a clock that is ahead gives no longer life');
  t.equal(minutesLeft({}), 60);
  const pod = translation.of({ key: '/registry/core/pods/a/b', revision: 1, value: Buffer.from('{}') });
  t.equal(pod.ttlMs, undefined);
});

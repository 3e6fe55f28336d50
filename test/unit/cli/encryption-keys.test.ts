/** In which order several servers get a key to encrypt with. */
import t from 'tap';
import { newKeyName, nextStep, preparedKey, withKeyFirst, withNewKey } from '../../../cli/encryption-keys.ts';

const [SECRET, OTHER] = [Buffer.alloc(32, 1).toString('base64'), Buffer.alloc(32, 2).toString('base64')];
const NAME = 'key-20261130232423';
const text = (name = 'key1'): string => `# ours
apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  - resources: [secrets]
    providers:
      - secretbox:
          keys:
            - name: ${name}
              secret: ${SECRET}
      - identity: {}
`;
const status = (writes: string, stale = 0, ...reads: string[]) => ({
  entries: [
    {
      resources: ['secrets'],
      writes: `secretbox:${writes}`,
      reads: [writes, ...reads].map((key) => `secretbox:${key}`),
    },
  ],
  stale: { count: stale, first: [] },
});
const servers = (...all: readonly ReturnType<typeof status>[]) =>
  all.map((one, index) => ({ server: `https://10.0.0.${index + 1}:6443`, status: one }));

t.test('no server writes with a key before all can read with it', (t) => {
  const old = status('key1');
  t.strictSame(nextStep(text(), servers(old, old)), { kind: 'prepare' });
  const prepared = withNewKey(text(), NAME, OTHER, 'second');
  t.equal(preparedKey(prepared), NAME);
  t.match(prepared, /^# ours\n/, 'comments stay');
  const reads = status('key1', 0, NAME);
  const waiting = { kind: 'wait', name: NAME, use: 'read', servers: ['https://10.0.0.2:6443'] };
  t.strictSame(nextStep(prepared, servers(reads, old)), waiting);
  t.strictSame(nextStep(prepared, servers(reads, reads)), { kind: 'write', name: NAME });

  const written = withKeyFirst(prepared, NAME);
  t.equal(preparedKey(written), undefined);
  const writes = status(NAME, 3, 'key1');
  t.strictSame(nextStep(written, servers(writes, reads)), { ...waiting, use: 'write' });
  t.strictSame(nextStep(written, servers(writes, writes)), { kind: 'finish', name: NAME });
  t.strictSame(nextStep(written, servers(status(NAME, 0, 'key1'), status(NAME, 0, 'key1'))), { kind: 'prepare' });
  t.end();
});

t.test('a key that was made here is replaced by a newer one', (t) => {
  const prepared = withNewKey(text(NAME), 'key-20271130232423', OTHER, 'second');
  t.equal(preparedKey(prepared), 'key-20271130232423');
  t.equal(preparedKey(withKeyFirst(prepared, 'key-20271130232423')), undefined, 'the one behind it is the older one');
  t.equal(newKeyName(new Date(Date.UTC(2026, 10, 30, 23, 24, 23))), NAME);
  t.end();
});

t.test('an operator whose file has no key is told so', (t) => {
  t.throws(
    () => nextStep(text().replace(/secretbox:[^]*$/, 'identity: {}\n'), servers(status('x'))),
    /no entry has a key/,
  );
  t.end();
});

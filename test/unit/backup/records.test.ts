import { randomBytes } from 'node:crypto';
import t from 'tap';
import { BackupError } from '../../../control-plane/backup/backup-error.ts';
import { decodeRecord, encodeRecord, linesOf } from '../../../control-plane/backup/records.ts';

t.test('keys and values are the same again, byte for byte, and one line each', async (t) => {
  const values = [
    '{"kind":"Pod","metadata":{"name":"a"}}',
    '{"kind":"Pod"}\n',
    '{"a":"\\n,\\"object\\":"}',
    '{"a":{"object":{}},"object":1}',
    '',
    '{}',
    'k8s:enc:aesgcm:v1:key1:\u0000\u0001',
    '{"a":"ä \u2028 😀"}',
  ].map((text) => Buffer.from(text));
  const all = [...values, Buffer.from([0x7b, 0xff, 0xfe, 0x7d]), Buffer.from('k8s\0pb'), randomBytes(500)];
  for (const value of all)
    for (const key of ['/registry/core/pods/a/b', '/registry/x/","object":{"', '/registry/ä"\\\n']) {
      const line = encodeRecord({ key, revision: 7, value });
      t.equal(line.indexOf('\n'), line.length - 1);
      t.strictSame(Array.from(linesOf(line), decodeRecord), [{ key, revision: 7, value }]);
      t.doesNotThrow(() => void JSON.parse(line.toString()), 'jq reads it');
    }
});

t.test('what is no line of a backup is refused', async (t) => {
  for (const line of [
    '',
    'x',
    '[]',
    '{}',
    '{"key":1,"revision":1,"bytes":""}',
    '{"key":"a","revision":0,"bytes":""}',
    '{"key":"a","revision":1.5,"bytes":""}',
    '{"key":"a","revision":1}',
    '{"key":"a","revision":1,"object":{',
    '{"key":"a,"object":{}}',
  ])
    t.throws(() => decodeRecord(Buffer.from(line)), BackupError, line);
  t.throws(() => [...linesOf(Buffer.from('{}'))], BackupError, 'without a newline');
});

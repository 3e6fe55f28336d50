/** What a bundle shows of objects and texts, and the archive that it is. */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { publicObject, scrubber, secretValues } from '../../../agent/inspect/bundle/public-objects.ts';
import { topFolder } from '../../../agent/inspect/bundle/main.ts';
import { publicRuntime } from '../../../agent/inspect/bundle/public-runtime.ts';
import { tarEnd, tarMember } from '../../../daemon/tar/header.ts';
import { publicText, tail } from '../../../agent/inspect/bundle/text.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

const SECRET = 'plAnted-v4lue';
const pod: Pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name: 'web',
    namespace: 'shop',
    labels: { app: 'web' },
    annotations: {
      'kubectl.kubernetes.io/last-applied-configuration': `{"env":"${SECRET}"}`,
      'example.org/anything': SECRET,
      'kubernetes.io/config.source': 'api',
    },
    managedFields: [{ manager: SECRET }],
  },
  spec: {
    imagePullSecrets: [{ name: 'pull' }],
    containers: [
      {
        name: 'app',
        image: 'registry.example/app:1',
        command: ['/bin/app', `--key=${SECRET}`],
        args: [SECRET],
        env: [
          { name: 'COLOUR', value: SECRET },
          { name: 'DB_PASSWORD', value: 'plain' },
          { name: 'FROM', valueFrom: { secretKeyRef: { name: 'db', key: 'password' } } },
        ],
        startupProbe: { exec: { command: [`check --key ${SECRET}`] } },
        readinessProbe: { httpGet: { port: 80, path: `/ready?key=${SECRET}` } },
        livenessProbe: { httpGet: { port: 80, httpHeaders: [{ name: 'Authorization', value: SECRET }] } },
        lifecycle: { preStop: { exec: { command: ['sh', '-c', SECRET] } } },
      },
    ],
    volumes: [
      { name: 'db', secret: { secretName: 'db' } },
      { name: 'csi', csi: { driver: 'd', volumeAttributes: { anything: SECRET } } },
      { name: 'flex', flexVolume: { driver: 'd', options: { anything: SECRET } } },
    ],
  },
  status: {
    phase: 'Running',
    containerStatuses: [
      {
        ...{ name: 'app', ready: false, restartCount: 1, image: 'i', imageID: 'i' },
        state: { waiting: { reason: 'CrashLoopBackOff', message: 'back-off' } },
        lastState: { terminated: { exitCode: 1, reason: 'Error', message: SECRET } },
      },
    ],
  },
};

t.test('a pod is shown without what may be secret, and with what explains it', (t) => {
  const shown = JSON.stringify(publicObject(pod));
  t.notOk(shown.includes(SECRET), shown);
  t.notOk(shown.includes('plain'), shown);
  for (const kept of [
    ...[
      '"name":"web"',
      '"app":"web"',
      '"config.source":"api"',
      '"/bin/app"',
      '"COLOUR"',
      '"secretName":"db"',
      '"pull"',
    ],
    ...['CrashLoopBackOff', 'back-off', '"exitCode":1', '"key":"password"', 'registry.example/app:1', 'last-applied'],
    ...['"check (more removed)"', '"/ready?(removed)"'],
  ])
    t.ok(shown.replaceAll('kubernetes.io/', '').includes(kept), `${kept} in ${shown}`);
  t.end();
});

t.test('values of variables that look secret are found, and taken out of all texts', (t) => {
  const env = [
    { name: 'COLOUR', value: SECRET },
    { name: 'API_TOKEN', value: 'say "this"' },
    { name: 'HOME', value: '/var/lib/something' },
    { name: 'ADDRESS', value: '10.43.0.1' },
    { name: 'MODE', value: 'production' },
    { name: 'PASSWORD', value: 'short' },
  ];
  const found = secretValues([{ spec: { containers: [{ name: 'a', image: 'i', env }] } }]);
  t.strictSame(found, [SECRET, 'say "this"']);
  const scrub = scrubber(found);
  t.equal(
    scrub(`a ${SECRET} b say "this" c ${JSON.stringify('say "this"')} production`),
    'a *** b *** c "***" production',
  );
  t.equal(scrubber([])('as it is'), 'as it is');
  t.end();
});

t.test('the runtime is shown without annotations, labels of others and last words', (t) => {
  const labels = { 'io.kubernetes.pod.name': 'web', mine: SECRET };
  const sandbox = { id: 's', metadata: { name: 'web', namespace: 'shop', uid: 'u', attempt: 0 }, labels };
  const container = { id: 'c', podSandboxId: 's', labels, annotations: { a: SECRET } };
  const status = { ...container, exitCode: 1, reason: 'Error', message: SECRET, logPath: '/var/log/x' };
  const state = {
    sandboxes: [{ ...sandbox, annotations: { a: SECRET } }],
    sandboxStatuses: new Map(),
    containers: [container],
    containerStatuses: new Map([['c', status]]),
  };
  const shown = JSON.stringify(publicRuntime(state as never));
  t.notOk(shown.includes(SECRET), shown);
  t.match(shown, /"io\.kubernetes\.pod\.name":"web".*"exitCode":1/);
  t.end();
});

t.test('texts of programs lose secrets and escapes, and keep their lines', (t) => {
  t.equal(publicText(`a\tb\n\u001b[31mtoken=${SECRET}\nc\n`), 'a\tb\n [31mtoken=***\nc\n');
  t.equal(tail('one\ntwo\nthree\n', 100), 'one\ntwo\nthree\n');
  t.equal(tail('one\ntwo\nthree\n', 8), '(6 characters before this are left out)\nthree\n');
  t.end();
});

t.test('the longest name of a node leaves room for the names of parts', (t) => {
  for (const part of ['settings-of-the-agent.json', 'recorder/segment-9999999999.jsonl']) {
    const member = { name: `${topFolder('n'.repeat(253))}/${part}`, mode: 0o600, modifiedAt: 0 };
    t.doesNotThrow(() => tarMember(member, Buffer.alloc(0)));
  }
  t.equal(topFolder('web-1'), 'kedge-bundle-web-1');
  t.end();
});

t.test('tar(1) reads the archive', async (t) => {
  const file = path.join(t.testdir({}), 'x.tar');
  const time = Date.parse('2026-01-31T12:00:00Z');
  const contents = new Map([
    ['top/a.txt', 'x'.repeat(511)],
    ['top/b/c.txt', 'y'.repeat(512)],
    ['top/empty', ''],
  ]);
  const members = [...contents].flatMap(([name, content]) =>
    tarMember({ name, mode: 0o600, modifiedAt: time }, Buffer.from(content)),
  );
  await writeFile(file, Buffer.concat([...members, tarEnd()]));
  const run = promisify(execFile);
  const { stdout: listed } = await run('tar', ['--utc', '-tvf', file]);
  t.match(listed, /^-rw------- root\/root +511 2026-01-31 12:00 top\/a\.txt$/m);
  for (const [name, content] of contents) t.equal((await run('tar', ['-xOf', file, name])).stdout, content);
  t.throws(() => tarMember({ name: 'x'.repeat(101), mode: 0o600, modifiedAt: time }, Buffer.alloc(0)), RangeError);
});

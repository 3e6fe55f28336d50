/** The audit log of a real api-server: in a real file, and at a real webhook. */
import { execFile } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { promisify } from 'node:util';
import { mkdir, mkdtemp, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import type http from 'node:http';
import https from 'node:https';
import os from 'node:os';
import path from 'node:path';
import { test, type Test } from 'tap';
import { namespaces } from '../../../api/kinds/core/namespace.ts';
import { Auditor } from '../../../control-plane/apiserver/audit/auditor.ts';
import { AuditLog, type AuditLogOptions } from '../../../control-plane/apiserver/audit/log-file.ts';
import { openAudit } from '../../../control-plane/apiserver/audit/main.ts';
import { AuditPolicy } from '../../../control-plane/apiserver/audit/policy.ts';
import { auditDefaults, type AuditSettings } from '../../../control-plane/apiserver/audit/settings.ts';
import { bodyOf, silent as quiet, startServer } from '../../support/https-server.ts';
import { eventually } from '../../support/wait.ts';
import { CONFIG_MAPS, configMap, TestServer, type Json, type TestServerOptions } from './server.ts';

interface Event extends Json {
  readonly stage: string;
  readonly auditID: string;
  readonly requestURI: string;
}

async function ownDirectory(t: Test): Promise<string> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'kedge-audit-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

const read = async (file: string): Promise<Event[]> =>
  (await readFile(file, 'utf8'))
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Event);

/** A server whose requests are recorded by the rules, and what it has recorded. */
async function audited(t: Test, rules: object[], settings: Partial<AuditSettings> = {}, more: TestServerOptions = {}) {
  const directory = await ownDirectory(t);
  const file = path.join(directory, 'audit.log');
  const policyFile = path.join(directory, 'policy.yaml');
  await writeFile(policyFile, JSON.stringify({ apiVersion: 'audit.k8s.io/v1', kind: 'Policy', rules }));
  const auditor = await openAudit(
    { ...auditDefaults, auditPolicyFile: policyFile, auditLogPath: file, ...settings },
    quiet,
  );
  if (!auditor) throw new Error('nothing is audited');
  const server = await TestServer.start({ ...more, auditor });
  await server.core.api.create(namespaces, { metadata: { name: 'default' } });
  t.teardown(async () => {
    await server[Symbol.asyncDispose]();
    await auditor[Symbol.asyncDispose]();
  });
  /** The events of a request, once it is complete. */
  const of = (id: string, last = 'ResponseComplete'): Promise<Event[]> =>
    eventually(`${last} of ${id}`, async () => {
      const events = (await read(file)).filter(({ auditID }) => auditID === id);
      return events.some(({ stage }) => stage === last) ? events : undefined;
    });
  return { server, auditor, file, directory, of };
}

const withId = (id: string) => ({ headers: { 'audit-id': id } });

test('a request at level Metadata has two events, without a byte of its objects', async (t) => {
  const { server, of } = await audited(t, [{ level: 'Metadata' }]);
  const answer = await server.call('POST', '/api/v1/namespaces/default/secrets?fieldManager=me', {
    body: { metadata: { name: 'top' }, stringData: { password: 'hunter2hunter2' } },
    headers: {
      'audit-id': 'create-1',
      'user-agent': `kubectl/${'x'.repeat(2000)}`,
      'x-forwarded-for': '192.0.2.7, nonsense',
    },
  });
  t.equal(answer.status, 201);
  t.equal(answer.headers['audit-id'], 'create-1');
  const [received, complete, ...others] = await of('create-1');
  t.strictSame(others, []);
  const common = {
    kind: 'Event',
    apiVersion: 'audit.k8s.io/v1',
    level: 'Metadata',
    auditID: 'create-1',
    requestURI: '/api/v1/namespaces/default/secrets?fieldManager=me',
    verb: 'create',
    user: { username: 'admin', groups: ['system:masters'] },
    sourceIPs: ['192.0.2.7', '127.0.0.1'],
  };
  t.match(received, {
    ...common,
    stage: 'RequestReceived',
    objectRef: { resource: 'secrets', namespace: 'default', apiVersion: 'v1' },
    requestReceivedTimestamp: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/,
  });
  t.notOk('responseStatus' in received!);
  t.match(complete, {
    ...common,
    stage: 'ResponseComplete',
    objectRef: { resource: 'secrets', namespace: 'default', name: 'top', apiVersion: 'v1' },
    responseStatus: { metadata: {}, code: 201 },
    annotations: { 'authorization.k8s.io/decision': 'allow', 'authorization.k8s.io/reason': '' },
  });
  t.match(String(complete!['userAgent']), /^kubectl\/x{1016}\.\.\.TRUNCATED$/);
  t.notOk(JSON.stringify([received, complete]).includes('hunter2'));
  t.notOk(JSON.stringify([received, complete]).includes(Buffer.from('hunter2hunter2').toString('base64')));
});

test('refusals say who was refused and why', async (t) => {
  const { server, of } = await audited(t, [{ level: 'Metadata', omitStages: ['RequestReceived'] }]);
  await server.call('GET', CONFIG_MAPS, { user: 'eve/visitors', ...withId('forbidden') });
  t.match(await of('forbidden'), [
    {
      user: { username: 'eve', groups: ['visitors'] },
      responseStatus: { status: 'Failure', reason: 'Forbidden', code: 403, message: /User "eve" cannot list/ },
      annotations: { 'authorization.k8s.io/decision': 'forbid' },
    },
  ]);
  await server.call('GET', '/api', { user: '/nobody', ...withId('refused') });
  const [refused, ...others] = await of('refused', 'ResponseStarted');
  t.strictSame(others, []);
  t.match(refused, { user: {}, responseStatus: { code: 401, message: 'Authentication failed, attempted: bearer' } });
  await server.call('GET', `${CONFIG_MAPS}/none`, withId('missing'));
  t.match(await of('missing'), [{ responseStatus: { code: 404, reason: 'NotFound', details: { name: 'none' } } }]);
  await server.call('GET', CONFIG_MAPS, {
    headers: { 'audit-id': 'as', 'impersonate-user': 'bob', 'impersonate-group': 'system:masters' },
  });
  t.match(await of('as'), [
    {
      user: { username: 'admin' },
      impersonatedUser: { username: 'bob', groups: ['system:masters', 'system:authenticated'] },
    },
  ]);
});

test('levels Request and RequestResponse have the objects, of each verb', async (t) => {
  const { server, of } = await audited(t, [
    { level: 'Request', verbs: ['create'], omitStages: ['RequestReceived'] },
    { level: 'RequestResponse', omitStages: ['RequestReceived'], omitManagedFields: true },
  ]);
  await server.call('POST', CONFIG_MAPS, { body: configMap('a'), ...withId('create') });
  const [created] = await of('create');
  t.match(created, { requestObject: { kind: 'ConfigMap', metadata: { name: 'a' }, data: { k: 'v' } } });
  t.notOk('responseObject' in created!);

  const whole = { metadata: { name: 'a' }, data: { k: 'w' } };
  await server.call('PUT', `${CONFIG_MAPS}/a`, { body: whole, ...withId('put') });
  t.match(await of('put'), [
    {
      requestObject: { data: { k: 'w' } },
      responseObject: { kind: 'ConfigMap', metadata: { uid: String }, data: { k: 'w' } },
    },
  ]);
  const type = 'application/merge-patch+json';
  // Over several lines, which the log must not become.
  const body = JSON.stringify({ data: { k: 'x' } }, null, 2);
  await server.call('PATCH', `${CONFIG_MAPS}/a`, { body, type, ...withId('patch') });
  t.match(await of('patch'), [{ requestObject: { data: { k: 'x' } }, responseObject: { data: { k: 'x' } } }]);
  await server.call('PATCH', `${CONFIG_MAPS}/b?fieldManager=m`, {
    body: 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: b\n',
    type: 'application/apply-patch+yaml',
    ...withId('apply'),
  });
  t.match(await of('apply'), [{ requestObject: { metadata: { name: 'b' } }, responseStatus: { code: 201 } }]);

  const accept = 'application/vnd.kubernetes.protobuf';
  await server.call('GET', CONFIG_MAPS, { accept, ...withId('list') });
  const [listed] = await of('list');
  t.match(listed, {
    responseObject: { kind: 'ConfigMapList', items: [{ metadata: { name: 'a' } }, { metadata: { name: 'b' } }] },
  });
  t.notOk(JSON.stringify(listed).includes('managedFields'));
  await server.call('GET', `${CONFIG_MAPS}/a`, { accept, ...withId('get') });
  const [got] = await of('get');
  t.match(got, { responseObject: { metadata: { name: 'a' } } });
  t.notOk(JSON.stringify(got).includes('managedFields'));

  await server.call('DELETE', `${CONFIG_MAPS}/a`, { body: { propagationPolicy: 'Background' }, ...withId('delete') });
  t.match(await of('delete'), [
    {
      requestObject: { kind: 'DeleteOptions', propagationPolicy: 'Background' },
      responseStatus: { status: 'Success', code: 200 },
    },
  ]);
});

test('a long-running request has an event when it starts, and another one when it is over', async (t) => {
  const { server, of } = await audited(t, [{ level: 'Metadata' }]);
  const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
    const headers = { authorization: 'Bearer admin/system:masters', 'audit-id': 'watch' };
    const url = new URL(server.url(`${CONFIG_MAPS}?watch=1`));
    https.get(url, { headers, ca: server.ca, agent: false }, resolve).on('error', reject);
  });
  const begun = await of('watch', 'ResponseStarted');
  t.strictSame(
    begun.map(({ stage }) => stage),
    ['RequestReceived', 'ResponseStarted'],
  );
  response.destroy();
  const all = await of('watch');
  t.strictSame(
    all.map(({ stage }) => stage),
    ['RequestReceived', 'ResponseStarted', 'ResponseComplete'],
  );
  t.match(all[2], { verb: 'watch', responseStatus: { code: 200 } });
});

test('an unexpected failure of the server is stage Panic, and its annotations are those of admission', async (t) => {
  const admission = [
    {
      name: 'Broken',
      validate: ({
        name,
        origin,
      }: {
        name: string;
        origin?: { annotate(key: string, value: string): void } | undefined;
      }) => {
        origin?.annotate('example.com/seen', name);
        if (name === 'broken') throw new TypeError('x is not a function');
      },
    },
  ];
  const { server, of } = await audited(t, [{ level: 'Metadata', omitStages: ['RequestReceived'] }], {}, { admission });
  t.equal((await server.call('POST', CONFIG_MAPS, { body: configMap('broken'), ...withId('panic') })).status, 500);
  t.match(await of('panic', 'Panic'), [
    { responseStatus: { code: 500, reason: 'InternalError', message: "APIServer panic'd: x is not a function" } },
  ]);
  await server.call('POST', CONFIG_MAPS, { body: configMap('whole'), ...withId('whole') });
  t.match(await of('whole'), [
    { annotations: { 'authorization.k8s.io/decision': 'allow', 'example.com/seen': 'whole' } },
  ]);
});

const event = (json: string) => ({ json, legacy: () => `legacy ${json}` });

const openLog = (more: Partial<AuditLogOptions> & Pick<AuditLogOptions, 'path'>) =>
  AuditLog.open({ maxBytes: 0, maxBackups: 0, maxAgeDays: 0, format: 'json', compress: false, logger: quiet, ...more });

test('a log is rotated before it is too large, and old ones go', async (t) => {
  const directory = await ownDirectory(t);
  let now = Date.parse('2026-01-01T00:00:00Z');
  const options = {
    path: path.join(directory, 'audit.log'),
    maxBytes: 100,
    maxBackups: 2,
    maxAgeDays: 30,
    now: () => now,
  };
  await writeFile(path.join(directory, 'audit-2020-01-01T00-00-00.000.log'), 'old\n');
  await writeFile(path.join(directory, 'audit-notes.log'), 'not ours\n');
  const written: string[] = [];
  for (const round of [1, 2, 3, 4]) {
    // Each of them finds what the one before has left.
    await using log = await openLog(options);
    for (let index = 0; index < 3; index++) {
      const line = JSON.stringify({ round, index, text: 'x'.repeat(20) });
      written.push(line);
      log.add(event(line));
    }
    now += 86_400_000;
  }
  const names = (await readdir(directory)).sort();
  t.strictSame(names, [
    'audit-2026-01-05T00-00-00.001.log',
    'audit-2026-01-05T00-00-00.002.log',
    'audit-notes.log',
    'audit.log',
  ]);
  const texts = names
    .filter((name) => name !== 'audit-notes.log')
    .map((name) => readFile(path.join(directory, name), 'utf8'));
  t.equal((await Promise.all(texts)).join(''), `${written.slice(-3).join('\n')}\n`, 'the latest lines, each whole');
});

test('no event is lost when the file cannot be rotated, or somebody has moved it away', async (t) => {
  const directory = await ownDirectory(t);
  const file = path.join(directory, 'audit.log');
  let now = Date.parse('2026-01-01T00:00:00Z');
  // What a rename meets here: whoever tries is root, whom permissions do not stop.
  const inTheWay = path.join(directory, 'audit-2026-01-01T00-00-00.000.log');
  await mkdir(inTheWay);
  const errors: string[] = [];
  const logger = { ...quiet, error: (_: object, message: string) => errors.push(message) };
  const log = await openLog({ path: file, maxBytes: 20, logger, now: () => now });
  const written = async (text: string): Promise<void> => {
    log.add(event(text));
    await eventually(`${text} to be written`, async () =>
      (await readFile(file, 'utf8').catch(() => '')).includes(text),
    );
  };
  for (const text of ['"the first line"', '"the second line"', '"the third line"']) await written(text);
  t.equal(await readFile(file, 'utf8'), '"the first line"\n"the second line"\n"the third line"\n');
  t.strictSame(errors, ['audit log cannot be rotated, and grows']);
  now += 3600_000;
  await written('"the fourth line"');
  t.equal(await readFile(file, 'utf8'), '"the fourth line"\n', 'it is tried again');
  await rename(file, path.join(directory, 'elsewhere'));
  await written('"the fifth line"');
  await log[Symbol.asyncDispose]();
  t.equal(log.lost, 0);
});

test('what is no file is not rotated', async (t) => {
  const directory = await ownDirectory(t);
  const pipe = path.join(directory, 'audit.log');
  await promisify(execFile)('mkfifo', [pipe]);
  const reader = createReadStream(pipe).setEncoding('utf8');
  const log = await openLog({ path: pipe, maxBytes: 10 });
  const lines = ['{"a":1}', '{"b":2}', '{"c":3}'];
  for (const line of lines) log.add(event(line));
  await log[Symbol.asyncDispose]();
  t.equal((await reader.toArray()).join(''), `${lines.join('\n')}\n`);
  t.strictSame(await readdir(directory), ['audit.log'], 'a device of this name would be gone for the host');
});

test('rotated logs are compressed, and text is as upstream has it', async (t) => {
  const directory = await ownDirectory(t);
  {
    const file = path.join(directory, 'audit.log');
    await using log = await openLog({ path: file, maxBytes: 30, compress: true, format: 'legacy' });
    log.add(event('"first of two lines"'));
    log.add(event('"second of two lines"'));
  }
  const names = (await readdir(directory)).sort();
  t.match(names, [/^audit-.*\.log\.gz$/, 'audit.log']);
  t.equal(await readFile(path.join(directory, 'audit.log'), 'utf8'), 'legacy "second of two lines"\n');
});

test('a full disk loses events, says so, and stops no request', async (t) => {
  const errors: object[] = [];
  const logger = { ...quiet, error: (fields: object) => errors.push(fields) };
  const log = await openLog({ path: '/dev/full', logger });
  const auditor = new Auditor(
    AuditPolicy.read('{apiVersion: audit.k8s.io/v1, kind: Policy, rules: [{level: Metadata}]}'),
    [log],
  );
  await using server = await TestServer.start({ auditor });
  for (let index = 0; index < 5; index++) t.equal((await server.call('GET', CONFIG_MAPS)).status, 200);
  await eventually('all events to be lost', () => log.lost >= 10);
  t.match(errors, [{ err: { code: 'ENOSPC' }, path: '/dev/full' }]);
  const { text } = await server.call('GET', '/metrics');
  t.match(text, /^apiserver_audit_error_total\{plugin="log"\} [1-9]/m);
  t.match(text, /^apiserver_audit_event_total [1-9]/m);
  t.match(text, /^apiserver_audit_level_total\{level="Metadata"\} [1-9]/m);
  await t.rejects(openLog({ path: '/nowhere/audit.log' }), { code: 'ENOENT' }, 'but a server does not start without');
  await auditor[Symbol.asyncDispose]();
});

test('a webhook gets batches, again after it has failed, and a last one when the server stops', async (t) => {
  const batches: { items: Event[] }[] = [];
  let failures = 1;
  await using webhook = await startServer((request, response) => {
    void bodyOf(request).then((body) => {
      if (request.headers.authorization !== 'Bearer sesame') response.statusCode = 401;
      else if (failures-- > 0) response.statusCode = 503;
      else batches.push(JSON.parse(body) as { items: Event[] });
      response.end();
    });
  });
  const directory = await ownDirectory(t);
  const auditWebhookConfigFile = path.join(directory, 'webhook.kubeconfig');
  await writeFile(
    auditWebhookConfigFile,
    JSON.stringify({
      'current-context': 'c',
      contexts: [{ name: 'c', context: { cluster: 'w', user: 'u' } }],
      clusters: [
        {
          name: 'w',
          cluster: {
            server: webhook.url,
            'certificate-authority-data': Buffer.from(webhook.ca.cert).toString('base64'),
          },
        },
      ],
      users: [{ name: 'u', user: { token: 'sesame' } }],
    }),
  );
  const { server, auditor } = await audited(t, [{ level: 'Metadata', omitStages: ['RequestReceived'] }], {
    auditLogPath: '',
    auditWebhookConfigFile,
    auditWebhookBatchMaxSize: 3,
    auditWebhookInitialBackoff: '10ms',
  });
  for (const id of ['1', '2', '3', '4']) await server.call('GET', CONFIG_MAPS, withId(id));
  const ids = () => batches.flatMap(({ items }) => items.map(({ auditID }) => auditID));
  await eventually('a full batch', () => batches.length >= 1);
  t.strictSame(ids(), ['1', '2', '3'], 'a full batch is sent at once');
  t.match(batches[0], { kind: 'EventList', apiVersion: 'audit.k8s.io/v1', metadata: {} });
  await auditor[Symbol.asyncDispose]();
  t.strictSame(ids(), ['1', '2', '3', '4']);
});

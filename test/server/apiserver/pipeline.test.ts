/** Every way into the api-server passes the same stages, whatever is requested and over whichever protocol. */
import tls from 'node:tls';
import t from 'tap';
import type { KubeObject } from '../../../api/machinery/kind.ts';
import { forbidden } from '../../../api/machinery/status-error.ts';
import type { Scale } from '../../../api/types/autoscaling/v1.gen.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';
import { AdmissionMetrics } from '../../../control-plane/apiserver/admission/metrics.ts';
import {
  admit,
  type AdmissionPlugin,
  type AdmissionRequest,
} from '../../../control-plane/apiserver/admission/plugin.ts';
import { Exposition } from '../../../daemon/metrics/exposition.ts';
import type { Connector } from '../../../control-plane/apiserver/verbs/handlers.ts';
import type { SomeHandlers } from '../../support/handlers.ts';
import { configMap, CONFIG_MAPS, pod, PODS, SERVICES, TestServer } from './server.ts';

const NODES = '/api/v1/nodes';
const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];

/** The admission requests, one line each. */
class Recorder implements AdmissionPlugin {
  readonly name = 'Recorder';
  readonly asked: string[] = [];
  readonly objects: (KubeObject | undefined)[] = [];
  /** What the plugin rejects. */
  refuses: (line: string) => boolean = () => false;

  readonly mutate: AdmissionPlugin['mutate'] = ({ operation, kind, subresource, name, object }) => {
    const resource = subresource ? `${kind.plural}/${subresource}` : kind.plural;
    this.asked.push([operation, resource, name, object?.kind ?? ''].filter(Boolean).join(' '));
    this.objects.push(object);
  };

  readonly validate: AdmissionPlugin['validate'] = ({ kind, name }) => {
    const line = this.asked.at(-1) ?? '';
    if (this.refuses(line)) throw forbidden(kind, name, `not this: ${line}`);
  };
}

/** Records what has reached it. */
const connector = (reached: string[], takesPath = false): Connector => ({
  methods: new Set(METHODS),
  takesPath,
  serve: async ({ request: { response, info }, options }) => {
    reached.push(`${info.subresource} ${options.kind}`);
    response.end('connected');
  },
  upgrade: async ({ request: { info }, options }, upgrade) => {
    reached.push(`${info.subresource} ${options.kind}`);
    upgrade.take();
    upgrade.socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n');
  },
});

const connectors = (reached: string[]): SomeHandlers => ({
  connectors: {
    'pods/exec': connector(reached),
    'pods/attach': connector(reached),
    'pods/portforward': connector(reached),
    'pods/proxy': connector(reached, true),
    'services/proxy': connector(reached, true),
    'nodes/proxy': connector(reached, true),
  },
});

type Door = 'WebSocket' | 'SPDY/3.1' | 'HTTP';

/** The status line of the response, and its body. */
async function knock(server: TestServer, door: Door, path: string, headers = '', user = 'admin/system:masters') {
  if (door === 'HTTP') {
    const { status, text } = await server.call('POST', path, { user });
    return `HTTP/1.1 ${status} ${text}`;
  }
  const socket = tls.connect({ port: server.server.port, host: '127.0.0.1', ca: server.ca });
  const method = door === 'WebSocket' ? 'GET' : 'POST';
  const head = `${method} ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${user}\r\n${headers}`;
  socket.write(`${head}Connection: Upgrade\r\nUpgrade: ${door.toLowerCase()}\r\n\r\n`);
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  return text;
}

const DOORS: readonly Door[] = ['WebSocket', 'SPDY/3.1', 'HTTP'];

t.test('admission sees connections with their options', async (t) => {
  const reached: string[] = [];
  const recorder = new Recorder();
  await using server = await TestServer.start({ admission: [recorder], handlers: connectors(reached) });
  const targets: [path: string, asked: string, options: object][] = [
    [
      `${PODS}/p/exec?command=sh&command=-c&stdin=true&stdout=1&tty=true&container=c`,
      'CONNECT pods/exec p PodExecOptions',
      { stdin: true, stdout: true, stderr: false, tty: true, container: 'c', command: ['sh', '-c'] },
    ],
    [
      `${PODS}/p/attach?stderr=true`,
      'CONNECT pods/attach p PodAttachOptions',
      { stdin: false, stdout: false, stderr: true, tty: false, container: '' },
    ],
    [
      `${PODS}/p/portforward?ports=80,443&ports=53`,
      'CONNECT pods/portforward p PodPortForwardOptions',
      { ports: [80, 443, 53] },
    ],
    [`${PODS}/p:80/proxy/a%20b/../c?q=1`, 'CONNECT pods/proxy p:80 PodProxyOptions', { path: '/c' }],
    [`${SERVICES}/s/proxy`, 'CONNECT services/proxy s ServiceProxyOptions', { path: '' }],
    [`${NODES}/n/proxy/metrics`, 'CONNECT nodes/proxy n NodeProxyOptions', { path: '/metrics' }],
  ];
  for (const [path, asked, options] of targets) {
    for (const door of DOORS) {
      recorder.asked.length = recorder.objects.length = reached.length = 0;
      t.match(await knock(server, door, path), /^HTTP\/1.1 (101|200) /, `${door} ${path}`);
      t.strictSame(recorder.asked, [asked]);
      const [kind] = asked.split(' ').slice(-1);
      t.strictSame(recorder.objects, [{ apiVersion: 'v1', kind, ...options }]);
      t.equal(reached.length, 1);
    }
  }
  recorder.asked.length = reached.length = 0;
  t.match(await knock(server, 'SPDY/3.1', `${PODS}/p/portforward?ports=http`), /^HTTP\/1.1 400 [^]*cannot convert/);
  t.match(await knock(server, 'HTTP', `${PODS}/p/portforward?ports=65536`), /^HTTP\/1.1 400 [^]*out of range/);
  t.match(await knock(server, 'WebSocket', `${PODS}/p/exec?dryRun=All`), /^HTTP\/1.1 400 [^]*dryRun is not supported/);
  t.strictSame([recorder.asked, reached], [[], []]);
});

t.test('admission can reject requests of every kind', async (t) => {
  const reached: string[] = [];
  const recorder = new Recorder();
  recorder.refuses = (line) => line.startsWith('CONNECT pods/exec');
  await using server = await TestServer.start({ admission: [recorder], handlers: connectors(reached) });
  for (const door of DOORS) {
    const answer = await knock(server, door, `${PODS}/p/exec?command=sh`);
    t.match(answer, /^HTTP\/1.1 403 [^]*pods \\?"p\\?" is forbidden: not this: CONNECT pods\/exec p/, door);
  }
  t.strictSame(reached, []);
  t.match(await knock(server, 'WebSocket', `${PODS}/p/attach`), /^HTTP\/1.1 101 /);
  const { text } = await server.call('GET', '/metrics');
  t.match(
    text,
    /apiserver_request_total\{[^}]*subresource="exec"[^}]*code="403"\} /,
    'upgrades are counted in the metrics',
  );
  t.match(text, /apiserver_request_total\{[^}]*subresource="attach"[^}]*code="101"\} 1/);
});

t.test('upgrades are impersonated and authorized like other requests', async (t) => {
  const reached: string[] = [];
  await using server = await TestServer.start({
    handlers: connectors(reached),
    authorizer: {
      authorize: ({ name, groups }, { verb, subresource }) => ({
        allowed: groups.includes('system:masters') || (name === 'reader' && verb === 'get' && subresource !== ''),
        reason: '',
      }),
    },
  });
  const exec = `${PODS}/p/exec`;
  for (const door of ['WebSocket', 'SPDY/3.1'] as const) {
    t.match(await knock(server, door, exec, 'Impersonate-User: jane\r\n'), /^HTTP\/1.1 403 [^]*User \\"jane\\" cannot/);
    t.match(await knock(server, door, exec, '', 'jane'), /^HTTP\/1.1 403 /);
    t.match(await knock(server, door, exec, 'Authorization: Basic x\r\n', ''), /^HTTP\/1.1 40[13] /);
  }
  const refused = /^HTTP\/1.1 403 [^]*User \\"reader\\" cannot create resource \\"(pods\/exec|nodes\/proxy)\\"/;
  t.match(await knock(server, 'WebSocket', exec, '', 'reader'), refused, 'get does not permit exec');
  t.match(await knock(server, 'WebSocket', `${NODES}/n/proxy/%65xec/x`, '', 'reader'), refused);
  t.match(await knock(server, 'WebSocket', `${NODES}/n/proxy/a/../run/x`, '', 'reader'), refused);
  t.strictSame(reached, []);
  t.match(await knock(server, 'WebSocket', `${NODES}/n/proxy/metrics`, '', 'reader'), /^HTTP\/1.1 101 /);
});

t.test('admission sees creates that store nothing, once each', async (t) => {
  const recorder = new Recorder();
  await using server = await TestServer.start({
    admission: [recorder],
    handlers: {
      actions: {
        'serviceaccounts/token': ({ object }) => ({ code: 201, object }),
        'subjectaccessreviews.authorization.k8s.io': ({ object }) => ({ code: 201, object }),
      },
    },
  });
  const post = async (path: string, body: object) => (await server.call('POST', path, { body })).status;
  for (const name of ['a', 'b', 'c']) await post(PODS, pod(name));
  const binding = (name?: string) => ({ ...(name && { metadata: { name } }), target: { name: 'n' } });
  const eviction = (name: string, more: object = {}) => ({ metadata: { name }, ...more });
  const cases: [path: string, body: object, asked: string][] = [
    [`${PODS}/a/binding?dryRun=All`, binding(), 'CREATE pods/binding a Binding'],
    ['/api/v1/namespaces/default/bindings', binding('b'), 'CREATE bindings b Binding'],
    [`${PODS}/c/eviction`, eviction('c', { deleteOptions: { dryRun: ['All'] } }), 'CREATE pods/eviction c Eviction'],
    [`${PODS}/c/eviction`, eviction('c'), 'CREATE pods/eviction c Eviction'],
    ['/api/v1/namespaces/default/serviceaccounts/s/token', { spec: {} }, 'CREATE serviceaccounts/token s TokenRequest'],
    [
      '/apis/authorization.k8s.io/v1/subjectaccessreviews',
      { spec: { user: 'jane', nonResourceAttributes: { path: '/', verb: 'get' } } },
      'CREATE subjectaccessreviews SubjectAccessReview',
    ],
  ];
  for (const [path, body, asked] of cases) {
    recorder.asked.length = 0;
    recorder.refuses = () => true;
    t.equal(await post(path, body), 403, path);
    t.strictSame(recorder.asked, [asked]);
    recorder.refuses = () => false;
    t.equal(await post(path, body), 201, path);
    t.strictSame(recorder.asked, [asked, asked]);
  }
  const nodeOf = async (name: string) => ((await server.call('GET', `${PODS}/${name}`)).body as Pod).spec?.nodeName;
  t.strictSame([await nodeOf('a'), await nodeOf('b')], [undefined, 'n']);
  t.equal((await server.call('GET', `${PODS}/c`)).status, 404);
});

t.test('admission is asked about the Scale of an object, before and after', async (t) => {
  const asked: object[] = [];
  const specs: unknown[] = [];
  let limit = Infinity;
  const recorder = (step: 'mutate' | 'validate'): AdmissionPlugin['validate'] => {
    return ({ operation, kind, subresource, name, object, old }) => {
      if (subresource !== 'scale') return;
      asked.push(structuredClone({ step, operation, resource: kind.plural, name, object, old }));
      const { spec = {} } = object as Scale;
      specs.push({ ...spec });
      if (step === 'mutate') spec.replicas = Math.min(spec.replicas ?? 0, limit);
      else if (spec.replicas === 7) throw forbidden(kind, name, 'not seven');
    };
  };
  const plugin = { name: 'Recorder', mutate: recorder('mutate'), validate: recorder('validate') };
  await using server = await TestServer.start({ admission: [plugin] });
  const template = { metadata: { labels: { a: 'b' } }, spec: pod('x').spec };
  const deployments = '/apis/apps/v1/namespaces/default/deployments';
  const body = { metadata: { name: 'web' }, spec: { replicas: 2, selector: { matchLabels: { a: 'b' } }, template } };
  const created = (await server.call('POST', deployments, { body })).body;
  const web = `${deployments}/web`;
  const scale = (more: object, metadata: object = {}) => ({ metadata: { name: 'web', ...metadata }, ...more });
  const shown = (replicas: number, more: object = {}) => ({
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name: 'web', namespace: 'default', uid: created.metadata?.['uid'] },
    spec: { replicas },
    status: { replicas: 0, selector: 'a=b' },
    ...more,
  });

  limit = 4;
  const put = await server.call('PUT', `${web}/scale`, {
    body: scale({ spec: { replicas: 9 } }, { labels: { x: 'y' } }),
  });
  t.match(put, { status: 200, body: shown(4) });
  const request = { operation: 'UPDATE', resource: 'deployments', name: 'web', old: shown(2) };
  t.match(asked, [
    { ...request, step: 'mutate', object: { kind: 'Scale', apiVersion: 'autoscaling/v1', spec: { replicas: 9 } } },
    { ...request, step: 'validate', object: shown(4) },
  ]);
  t.strictSame(specs, [{ replicas: 9 }, { replicas: 4 }], 'nothing of the Deployment');
  t.match((await server.call('GET', web)).body, { metadata: { generation: 2 }, spec: { replicas: 4 } });

  limit = Infinity;
  const patch = (replicas: number) =>
    server.call('PATCH', `${web}/scale`, { body: { spec: { replicas } }, type: 'application/merge-patch+json' });
  t.match(await patch(7), { status: 403, body: { message: 'deployments.apps "web" is forbidden: not seven' } });
  t.match(await patch(-1), { status: 422, body: { message: /^Scale.autoscaling "web" is invalid: spec.replicas: / } });
  const stale = scale({ spec: { replicas: 1 } }, { resourceVersion: '1' });
  t.equal((await server.call('PUT', `${web}/scale`, { body: stale })).status, 409);
  t.match((await server.call('GET', `${web}/scale`)).body, shown(4));
  t.match(await patch(0), { status: 200, body: shown(0, { spec: {} }) });
});

t.test('an object is defaulted and validated after mutating plugins have run', async (t) => {
  const sidecar: AdmissionPlugin = {
    name: 'Sidecar',
    mutate: ({ kind, subresource, object }) => {
      if (kind.kind !== 'Pod' || subresource !== '') return;
      const { spec, metadata } = object as Pod;
      if (metadata?.name === 'bad') spec?.containers?.push({ name: 'NOT A NAME', image: 'example.com/sidecar:1' });
      else spec?.containers?.push({ name: 'sidecar', image: 'example.com/sidecar:1' });
    },
  };
  await using server = await TestServer.start({ admission: [sidecar] });
  const created = await server.call('POST', PODS, { body: pod('p') });
  t.match(created.body, {
    spec: {
      containers: [
        { name: 'c' },
        { name: 'sidecar', terminationMessagePolicy: 'File', imagePullPolicy: 'IfNotPresent' },
      ],
    },
  });
  t.equal((await server.call('POST', PODS, { body: pod('bad') })).status, 422);
});

t.test('an upgrade header cannot bypass a stage', async (t) => {
  const recorder = new Recorder();
  recorder.refuses = (line) => line.startsWith('CREATE');
  await using server = await TestServer.start({ admission: [recorder] });
  const headers = { connection: 'Upgrade', upgrade: 'websocket' };
  t.equal((await server.call('POST', CONFIG_MAPS, { body: configMap('m'), headers })).status, 403);
});

t.test('an upgrade pipelined behind a pending request ends only its own connection', async (t) => {
  const reached: string[] = [];
  await using server = await TestServer.start({ handlers: connectors(reached) });
  const socket = tls.connect({ port: server.server.port, host: '127.0.0.1', ca: server.ca });
  const line = (target: string) =>
    `GET ${target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer admin/system:masters\r\n`;
  const upgrade = `${line(`${PODS}/p/exec`)}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`;
  socket.write(`${line(`${CONFIG_MAPS}?watch=1`)}\r\n${upgrade}`);
  for await (const chunk of socket) t.notMatch(String(chunk), / 101 /);
  t.strictSame(reached, []);
  t.equal((await server.call('GET', CONFIG_MAPS)).status, 200);
});

t.test('plugins and steps of admission are timed', async (t) => {
  const metrics = new AdmissionMetrics();
  const chain = (...plugins: AdmissionPlugin[]) => ({ plugins, timings: metrics });
  const request = { operation: 'CREATE' } as AdmissionRequest;
  const refusing: AdmissionPlugin = {
    name: 'Refusing',
    validate: () => {
      throw new Error('no');
    },
  };
  const passing: AdmissionPlugin = { name: 'Passing', mutate: () => undefined, validate: async () => undefined };
  await admit(chain(passing, refusing), 'mutate', request);
  await t.rejects(async () => admit(chain(passing, refusing), 'validate', request), /no/);
  const to = new Exposition();
  metrics.write(to);
  const text = to.toString();
  const controller = 'apiserver_admission_controller_admission_duration_seconds_count';
  const step = 'apiserver_admission_step_admission_duration_seconds_count';
  for (const line of [
    `${controller}{name="Passing",type="admit",operation="CREATE",rejected="false"} 1`,
    `${controller}{name="Passing",type="validate",operation="CREATE",rejected="false"} 1`,
    `${controller}{name="Refusing",type="validate",operation="CREATE",rejected="true"} 1`,
    `${step}{type="admit",operation="CREATE",rejected="false"} 1`,
    `${step}{type="validate",operation="CREATE",rejected="true"} 1`,
  ])
    t.ok(text.includes(line), line);
  t.notMatch(text, /name="Refusing",type="admit"/, 'it has no such step');
});

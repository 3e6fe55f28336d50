/** Priority and fairness among clients: who is served while others flood the server. */
import https from 'node:https';
import type { IncomingMessage } from 'node:http';
import t from 'tap';
import {
  mandatoryLevels,
  mandatorySchemas,
  suggestedLevels,
  suggestedSchemas,
} from '../../../api/kinds/flowcontrol/default-configuration.ts';
import { flowSchemas } from '../../../api/kinds/flowcontrol/flow-schema.ts';
import { priorityLevelConfigurations } from '../../../api/kinds/flowcontrol/priority-level-configuration.ts';
import { eventually } from '../../support/wait.ts';
import { CONFIG_MAPS, configMap, TestServer, type Answer } from './server.ts';

t.setTimeout(120_000);

const anyone = { authorize: () => ({ allowed: true, reason: '' }) };
const FLOW_CONTROL = '/apis/flowcontrol.apiserver.k8s.io/v1';
const [ALICE, BOB] = ['alice/system:authenticated', 'bob/system:authenticated'];

async function start(seats: number): Promise<TestServer> {
  const limits = { maxRequestsInflight: seats, maxMutatingRequestsInflight: 0 };
  const server = await TestServer.start({ limits, authorizer: anyone });
  const { api } = server.core;
  for (const level of [...mandatoryLevels, ...suggestedLevels]) await api.create(priorityLevelConfigurations, level);
  for (const schema of [...mandatorySchemas, ...suggestedSchemas]) await api.create(flowSchemas, schema);
  return server;
}

/** Large objects, so that a client that does not read keeps a list going. */
async function fill(server: TestServer): Promise<void> {
  for (let index = 0; index < 30; index++) {
    const body = { ...configMap(`m${index}`), data: { filler: 'x'.repeat(900_000) } };
    t.equal((await server.call('POST', CONFIG_MAPS, { body })).status, 201);
  }
}

/** A list or watch that its client does not read. */
function unread(
  server: TestServer,
  user: string,
  query = '',
): { readonly response: Promise<IncomingMessage>; end(): void } {
  const headers = { authorization: `Bearer ${user}` };
  const request = https.get(server.url(`${CONFIG_MAPS}${query}`), { headers, agent: false, ca: server.ca });
  request.on('error', () => undefined);
  const response = new Promise<IncomingMessage>((resolve) => request.once('response', resolve));
  return { response, end: () => request.destroy() };
}

async function metric(server: TestServer, name: string, level: string): Promise<number> {
  const { text } = await server.call('GET', '/metrics');
  const found = text.split('\n').filter((line) => line.startsWith(`${name}{priority_level="${level}"`));
  return found.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

t.test('responses say which FlowSchema and level they were counted among, by uid', async (t) => {
  await using server = await start(600);
  const uidOf = async (kind: string, name: string): Promise<unknown> =>
    (await server.call('GET', `${FLOW_CONTROL}/${kind}/${name}`)).body.metadata?.uid;
  const rows: [user: string, path: string, schema: string, level: string][] = [
    ['admin/system:masters', CONFIG_MAPS, 'exempt', 'exempt'],
    [BOB, '/livez', 'probes', 'exempt'],
    [BOB, CONFIG_MAPS, 'global-default', 'global-default'],
    ['system:node:n/system:nodes', '/api/v1/nodes/n', 'system-node-high', 'node-high'],
    ['system:node:n/system:nodes', CONFIG_MAPS, 'system-nodes', 'system'],
    [
      'system:serviceaccount:kube-system:x/system:serviceaccounts',
      CONFIG_MAPS,
      'kube-system-service-accounts',
      'workload-high',
    ],
    ['system:serviceaccount:apps:x/system:serviceaccounts', CONFIG_MAPS, 'service-accounts', 'workload-low'],
    [
      'system:kube-scheduler/system:authenticated',
      '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/x',
      'system-leader-election',
      'leader-election',
    ],
  ];
  for (const [user, path, schema, level] of rows) {
    const { headers } = await server.call('GET', path, { user });
    t.equal(headers['x-kubernetes-pf-flowschema-uid'], await uidOf('flowschemas', schema), `${user} ${path}`);
    t.equal(headers['x-kubernetes-pf-prioritylevel-uid'], await uidOf('prioritylevelconfigurations', level));
  }
});

t.test('a user who floods the server does not starve others, and the system keeps its seats', async (t) => {
  // Three seats for users without a level of their own.
  await using server = await start(30);
  await fill(server);
  const flood = Array.from({ length: 40 }, () => unread(server, ALICE));
  await eventually('the flood to wait', async () => {
    return (await metric(server, 'apiserver_flowcontrol_current_inqueue_requests', 'global-default')) >= 30;
  });
  const served: Answer[] = [];
  for (let index = 0; index < 20; index++) {
    served.push(await server.call('GET', `${CONFIG_MAPS}/m1`, { user: BOB }));
  }
  t.ok(served.every(({ status }) => status === 200));
  for (const [user, path] of [
    ['system:node:n/system:nodes', '/api/v1/nodes'],
    ['system:kube-scheduler/system:authenticated', '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases'],
  ] as const) {
    t.equal((await server.call('GET', path, { user })).status, 200, user);
  }
  t.ok((await metric(server, 'apiserver_flowcontrol_current_inqueue_requests', 'global-default')) >= 30);
  for (const request of flood) request.end();
  await eventually('the flood to be over', async () => {
    return (await metric(server, 'apiserver_flowcontrol_current_executing_requests', 'global-default')) === 0;
  });
  t.equal(await metric(server, 'apiserver_flowcontrol_current_inqueue_requests', 'global-default'), 0);
  t.equal((await server.call('GET', CONFIG_MAPS, { user: ALICE })).status, 200);
});

t.test('what fits into no queue is rejected, and so is what has waited for too long', async (t) => {
  await using server = await start(30);
  await fill(server);
  const queuing = { queues: 1, handSize: 1, queueLengthLimit: 1 };
  const spec = {
    type: 'Limited',
    limited: { nominalConcurrencyShares: 1, limitResponse: { type: 'Queue', queuing } },
  };
  await server.call('POST', `${FLOW_CONTROL}/prioritylevelconfigurations`, {
    body: { metadata: { name: 'small' }, spec },
  });
  const rule = {
    subjects: [{ kind: 'User', user: { name: 'alice' } }],
    resourceRules: [{ verbs: ['list'], apiGroups: [''], resources: ['configmaps'], namespaces: ['default'] }],
  };
  const schema = { priorityLevelConfiguration: { name: 'small' }, matchingPrecedence: 10, rules: [rule] };
  const created = await server.call('POST', `${FLOW_CONTROL}/flowschemas`, {
    body: { metadata: { name: 'small' }, spec: schema },
  });
  t.equal(created.status, 201);
  const held = unread(server, ALICE);
  await held.response;
  const late = server.call('GET', `${CONFIG_MAPS}?timeout=2s`, { user: ALICE });
  await eventually('a request to wait', async () => {
    return (await metric(server, 'apiserver_flowcontrol_current_inqueue_requests', 'small')) === 1;
  });
  const refused = await server.call('GET', CONFIG_MAPS, { user: ALICE });
  t.match(refused, { status: 429, text: 'Too many requests, please try again later.\n' });
  t.match(refused.headers, { 'retry-after': '1', 'x-kubernetes-pf-flowschema-uid': created.body.metadata?.uid });
  t.equal((await late).status, 429, 'a quarter of its time limit has passed');
  t.equal((await server.call('GET', CONFIG_MAPS, { user: BOB })).status, 200, 'another level');
  const { text } = await server.call('GET', '/metrics');
  for (const reason of ['queue-full', 'time-out']) {
    const line = `apiserver_flowcontrol_rejected_requests_total{priority_level="small",flow_schema="small",reason="${reason}"} 1`;
    t.ok(text.includes(line), reason);
  }
  const labels = 'priority_level="small",flow_schema="small"';
  t.ok(text.includes(`apiserver_flowcontrol_request_queue_length_after_enqueue_count{${labels}} 1`));
  t.match(text, new RegExp(`apiserver_flowcontrol_work_estimated_seats_count\\{${labels}\\} [1-9]`));
  t.match(
    text,
    /apiserver_flowcontrol_request_execution_seconds_count\{priority_level="[^"]+",flow_schema="[^"]+",type="regular"\} [1-9]/,
  );
  t.match(text, /apiserver_flowcontrol_target_seats\{priority_level="small"\} [0-9]/);

  const waiting = server.call('GET', CONFIG_MAPS, { user: ALICE });
  await eventually('a request to wait', async () => {
    return (await metric(server, 'apiserver_flowcontrol_current_inqueue_requests', 'small')) === 1;
  });
  await server.call('DELETE', `${FLOW_CONTROL}/prioritylevelconfigurations/small`);
  t.equal((await server.call('GET', CONFIG_MAPS, { user: ALICE })).status, 200, 'the schema is dangling');
  held.end();
  t.equal((await waiting).status, 200, 'what waits in a level that is gone is served');
});

t.test('a watch has seats until it has sent its initial events', async (t) => {
  await using server = await start(30);
  await fill(server);
  const executing = () => metric(server, 'apiserver_flowcontrol_current_executing_requests', 'global-default');
  const watch = unread(server, ALICE, '?watch=1');
  const response = await watch.response;
  t.equal(await executing(), 1);
  let events = 0;
  response.setEncoding('utf8').on('data', (text: string) => (events += text.split('\n').length - 1));
  await eventually('the initial events to be read', () => events === 30);
  await eventually('the seats to be free', async () => (await executing()) === 0);
  await server.call('POST', CONFIG_MAPS, { body: configMap('another') });
  await eventually('the watch to go on', () => events === 31);
  watch.end();
});

/** When the table is written, what pods wait for, and what is said when it cannot be: against an API in memory. */
import { ConnectionError } from '../../../../client/connection-error.ts';
import { test, type Test } from 'tap';
import { NetworkPolicies, type LocalPod } from '../../../../agent/network/policy/network-policies.ts';
import { NO_WATCH } from '../../../../agent/network/netfilter/rule-watch.ts';
import { NO_CONTENT, type TableContent } from '../../../../agent/network/policy/table-content.ts';
import { ServiceCache } from '../../../../agent/network/service-cache.ts';
import { forbiddenRequest } from '../../../../api/machinery/status-error.ts';
import type { KubeObject } from '../../../../api/machinery/kind.ts';
import { ApiClient } from '../../../../client/api-client.ts';
import type { Resource } from '../../../../client/resource.ts';
import { silent } from '../../../support/https-server.ts';
import { MemoryApi } from '../../../support/memory-api.ts';
import { podOf, policyOf } from '../../../support/policy-objects.ts';
import type { Pod } from '../../../../api/types/core/v1.gen.ts';
import { eventually } from '../../../support/wait.ts';

/** Records which resources were listed, and refuses some. */
class RecordingClient extends ApiClient {
  readonly listed: string[] = [];
  readonly refused = new Set<string>();
  isDown = false;
  override async listPages<T extends KubeObject>(
    resource: Resource<T>,
    onPage: (items: T[]) => void,
    options: { signal?: AbortSignal } = {},
  ): Promise<string> {
    this.listed.push(resource.plural);
    if (this.isDown) throw new ConnectionError('server', new Error('down'));
    if (this.refused.has(resource.plural)) throw forbiddenRequest(`may not list ${resource.plural}`);
    return super.listPages(resource, onPage, options);
  }
}

class RecordingTable {
  readonly watched = [];
  readonly contents: TableContent[] = [];
  isBroken = false;
  isThere = true;
  forgotten = 0;
  async apply(content: TableContent): Promise<boolean> {
    if (this.isBroken) throw new Error('nft: no such program');
    this.contents.push(content);
    return true;
  }
  verified = 0;
  async verify(): Promise<boolean> {
    this.verified++;
    return this.isThere;
  }
  forget(): void {
    this.forgotten++;
  }
  get isolated(): string[] {
    return [...(this.contents.at(-1)?.verdicts.get('ingress-v4')?.keys() ?? [])];
  }
}

const POD = podOf({ labels: { app: 'web' }, ips: ['10.42.0.2'] });
const OTHER = podOf({ labels: { app: 'other' }, ips: ['10.42.0.3'] });
const fromApi = (pod: Pod) => ({ pod, source: 'api' }) as const;
const POLICY = policyOf({ podSelector: { matchLabels: { app: 'web' } }, policyTypes: ['Ingress'] });

async function start(
  t: Test,
  {
    refused = [] as readonly string[],
    isDown = false,
    policies = [POLICY],
    protectionLimitMs = 30_000,
    watch = NO_WATCH,
  } = {},
) {
  const api = await MemoryApi.start();
  for (const policy of policies) api.put('networkpolicies', policy);
  const client = new RecordingClient({ server: api.url });
  for (const plural of refused) client.refused.add(plural);
  client.isDown = isDown;
  const stop = new AbortController();
  const table = new RecordingTable();
  const local: LocalPod[] = [];
  const said: string[] = [];
  const known = Promise.withResolvers<void>();
  const { services } = new ServiceCache({ client, logger: silent, nodeName: 'node-0', families: ['IPv4'] });
  const subject = new NetworkPolicies({
    ...{ client, table, watch, services, logger: silent, nodeName: 'node-0', protectionLimitMs },
    localPods: () => local,
    localPodsKnown: () => known.promise,
    events: { event: (_, __, reason, message) => void said.push(`${reason}: ${message}`) },
    record: (_, reason, message) => void said.push(`${reason}: ${message}`),
  });
  const running = Promise.all([subject.run(stop.signal), services.run(stop.signal)]);
  t.teardown(async () => {
    stop.abort();
    await running;
    await client[Symbol.asyncDispose]();
    await api[Symbol.asyncDispose]();
  });
  return { api, client, table, local, said, known, subject, signal: stop.signal };
}

test('the table of an earlier agent stays until all is known that is to be in the new one', async (t) => {
  const { client, table, known, local } = await start(t);
  await eventually('the policies', () => client.listed.includes('networkpolicies'));
  t.same(table.contents, []);
  local.push({ pod: POD, addresses: ['10.42.0.2'] });
  known.resolve();
  await eventually('the table', () => table.isolated.join() === '10.42.0.2');
  t.equal(table.contents.length, 1, 'nothing else was in force in between');
});

test('without policies no pods are read, and the table is empty', async (t) => {
  const { api, client, table, known, subject, signal, local } = await start(t, { policies: [] });
  known.resolve();
  await eventually('the first table', () => table.contents.length === 1);
  t.equal(table.contents[0], NO_CONTENT);
  // It has nothing to wait for.
  await subject.protect(fromApi(POD), ['10.42.0.2'], signal);
  t.same(
    client.listed.filter((plural) => plural === 'pods'),
    [],
  );
  local.push({ pod: POD, addresses: ['10.42.0.2'] });
  api.put('networkpolicies', POLICY);
  await eventually('the policy', () => table.isolated.length === 1);
  t.same(
    client.listed.filter((plural) => plural === 'pods'),
    ['pods'],
  );
});

test('a pod waits until its addresses are in the table, before the API has them', async (t) => {
  const { table, known, subject, signal, local } = await start(t);
  const addresses = ['10.42.0.2'];
  let isProtected = false;
  const protection = subject.protect(fromApi(POD), addresses, signal).then(() => (isProtected = true));
  local.push({ pod: POD, addresses });
  t.notOk(isProtected);
  known.resolve();
  await protection;
  t.same(table.isolated, addresses);
  const written = table.contents.length;
  await subject.protect(fromApi(POD), addresses, signal);
  t.equal(table.contents.length, written, 'its other containers wait for nothing');
  local[0] = { pod: POD, addresses: ['10.42.0.9'] };
  await subject.protect(fromApi(POD), ['10.42.0.9'], signal);
  t.same(table.isolated, ['10.42.0.9'], 'another sandbox has another address');
});

test('an agent that is stopped waits for nothing', async (t) => {
  const { client } = await start(t);
  await eventually('what it has to know', () =>
    ['networkpolicies', 'services'].every((one) => client.listed.includes(one)),
  );
  t.same(
    client.listed.includes('pods'),
    false,
    'the pods of the node are not known: the end of the test waits for it all the same',
  );
});

test('pods in the host network wait for nothing', async (t) => {
  const { subject, signal } = await start(t);
  await subject.protect(fromApi({ ...POD, spec: { ...POD.spec!, hostNetwork: true } }), ['192.0.2.1'], signal);
  await subject.protect(fromApi(POD), [], signal);
});

test('where the kernel takes no rules, pods start that no policy selects, and it is said', async (t) => {
  const { table, known, subject, signal, local, said } = await start(t);
  table.isBroken = true;
  known.resolve();
  local.push({ pod: POD, addresses: ['10.42.0.2'] }, { pod: OTHER, addresses: ['10.42.0.3'] });
  let isProtected = false;
  const protection = subject.protect(fromApi(POD), ['10.42.0.2'], signal).then(() => (isProtected = true));
  await subject.protect(fromApi(OTHER), ['10.42.0.3'], signal);
  t.notOk(isProtected);
  t.match(said, [/^NetworkPolicyNotEnforced: .*nft: no such program/]);
  table.isBroken = false;
  await protection;
  t.same(table.isolated, ['10.42.0.2']);
});

test('where a pod has to wait for too long, its start fails with the reason', async (t) => {
  const { table, known, subject, signal, local } = await start(t, { protectionLimitMs: 500 });
  table.isBroken = true;
  known.resolve();
  local.push({ pod: POD, addresses: ['10.42.0.2'] });
  await t.rejects(
    subject.protect(fromApi(POD), ['10.42.0.2'], signal),
    /not in force for the pod on this node: nft: no such/,
  );
});

test('where nodes may not list policies, that is said, and pods start', async (t) => {
  const { client, subject, signal, said, table, known, local } = await start(t, { refused: ['networkpolicies'] });
  await subject.protect(fromApi(POD), ['10.42.0.2'], signal);
  t.match(said.join(), /NetworkPolicyNotEnforced: .*may not list.*NOT in force/);
  client.refused.clear();
  known.resolve();
  local.push({ pod: POD, addresses: ['10.42.0.2'] });
  await eventually('the policy, once they may', () => table.isolated.length === 1);
});

test('a table that somebody has flushed is written again', async (t) => {
  const { table, known, local } = await start(t);
  known.resolve();
  local.push({ pod: POD, addresses: ['10.42.0.2'] });
  await eventually('the table', () => table.isolated.length === 1);
  const written = table.contents.length;
  table.isThere = false;
  await eventually('the table again', () => table.contents.length > written, 10);
});

test('a table that somebody has flushed is written again at once where that is noticed, also while changes rest', async (t) => {
  let removed: () => void = () => undefined;
  const watch = { isWatching: true, onRemoved: (_: unknown, listener: () => void) => void (removed = listener) };
  const { table, known, local } = await start(t, { watch });
  known.resolve();
  local.push({ pod: POD, addresses: ['10.42.0.2'] });
  await eventually('the table', () => table.isolated.length === 1);
  for (const isThere of [true, false]) {
    const written = table.contents.length;
    table.isThere = isThere;
    const verified = table.verified;
    removed();
    await eventually('a look', () => table.verified > verified, 10);
    if (!isThere) await eventually('the table again', () => table.contents.length > written, 10);
    else t.equal(table.contents.length, written, 'it was a rule of somebody else');
  }
});

test('what is invalid in a policy is said in its events', async (t) => {
  const { api, said } = await start(t);
  api.put('networkpolicies', policyOf({ ingress: [{ from: [{ ipBlock: { cidr: 'x' } }] }] }, { name: 'odd' }));
  await eventually('the event', () => said.length > 0);
  t.match(said, [/^InvalidNetworkPolicy: .*spec\.ingress\[0\]\.peers\[0\]\.ipBlock: is not a range of addresses/]);
});

test("labels are the cache of all pods' and say at once whom a policy selects", async (t) => {
  const { api, table, known, local } = await start(t);
  local.push({ pod: OTHER, addresses: ['10.42.0.3'] });
  api.put('pods', OTHER);
  known.resolve();
  await eventually('the first table', () => table.contents.length > 0);
  t.same(table.isolated, []);
  api.put('pods', { ...OTHER, metadata: { ...OTHER.metadata, labels: { app: 'web' } } });
  await eventually('the pod', () => table.isolated.join() === '10.42.0.3');
});

test('a static pod does not wait for an api-server that is down', async (t) => {
  const { table, subject, signal } = await start(t, { isDown: true, protectionLimitMs: 50 });
  const addresses = ['10.42.0.2'];
  await t.rejects(subject.protect(fromApi(POD), addresses, signal), /not known yet/);
  await subject.protect({ pod: POD, source: 'file' }, addresses, signal);
  t.same(table.contents, [], 'an earlier table stays in force');
});

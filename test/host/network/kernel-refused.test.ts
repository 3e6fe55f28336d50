/** What becomes of the others when the kernel refuses the rules of one Service. */
import t, { type Test } from 'tap';
import { run } from '../../../agent/host/run.ts';
import { Iptables } from '../../../agent/network/netfilter/iptables.ts';
import { Netfilter } from '../../../agent/network/netfilter/netfilter.ts';
import type { RuleUnit } from '../../../agent/network/netfilter/rules.ts';
import { compileService } from '../../../agent/network/services/backends/iptables/compile-service.ts';
import type { Ranges } from '../../../agent/network/services/backends/iptables/shared-chains.ts';
import { IptablesBackend } from '../../../agent/network/services/backends/iptables/iptables-backend.ts';
import { ServiceCache } from '../../../agent/network/service-cache.ts';
import { ServiceProxy, type ServiceProxyOptions } from '../../../agent/network/services/service-proxy.ts';
import type { ServiceEntry } from '../../../agent/network/services/model/service-entry.ts';
import { Cidr } from '../../../api/domain/address.ts';
import { ApiClient } from '../../../client/api-client.ts';
import { EventRecorder } from '../../../client/event-recorder.ts';
import { MemoryApi } from '../../support/memory-api.ts';
import { silent } from '../../support/https-server.ts';
import { eventually } from '../../support/wait.ts';
import { enterNamespace, makeNode } from './pod-namespaces.ts';
import { CLUSTER_CIDR, entryOf, SERVICE_CIDR } from '../../support/service-entries.ts';
import type { Event } from '../../../api/types/core/v1.gen.ts';

enterNamespace();
t.before(makeNode);

const OTHERS = 300;
/** 301 units are bisected nine times, each time with one rejected and one accepted transaction, and one leaves the unit out. */
const MAX_TRANSACTIONS = 2 * Math.ceil(Math.log2(OTHERS + 1)) + 2;

/** Rules that are rejected by the tool's parser, or by the kernel at commit. */
const REFUSED: Readonly<Record<string, string>> = {
  unreadable: '-s 2001:db8::/32 -j ACCEPT',
  impossible: '-p tcp -m recent --rcheck --hitcount 200000 -j ACCEPT',
};

/** The compiler, with a possible bug. */
function compile(service: ServiceEntry, ranges: Ranges): RuleUnit {
  const compiled = compileService(service, ranges);
  const rule = REFUSED[service.name];
  if (rule === undefined) return compiled;
  const nat = new Map([...compiled.chains.nat].map(([chain, rules]) => [chain, [...rules, rule]]));
  return { ...compiled, chains: { ...compiled.chains, nat } };
}

class CountingIptables extends Iptables {
  transactions = 0;
  override async restore(input: string): Promise<void> {
    this.transactions++;
    await super.restore(input);
  }
}

const saved = async (): Promise<string> => (await run('iptables-save', ['-t', 'nat'])).stdout;
const services = (count: number, prefix: string): Map<string, ServiceEntry> =>
  new Map(
    Array.from({ length: count }, (_, index) => {
      const clusterIP = `10.43.${prefix === 'new' ? 2 : 1}${index >> 8}.${index & 255}`;
      return [`default/${prefix}${index}`, entryOf({ name: `${prefix}${index}`, clusterIP, endpoints: ['10.42.0.2'] })];
    }),
  );

for (const name of Object.keys(REFUSED)) {
  t.test(`300 Services are applied beside one whose rules are ${name}`, async (t) => {
    const iptables = new CountingIptables('IPv4', new AbortController().signal);
    const backend = new IptablesBackend({ clusterCidr: CLUSTER_CIDR, netfilter: new Netfilter(iptables), compile });
    const sync = (changes: Iterable<readonly [string, ServiceEntry | undefined]>) =>
      backend.sync({ services: new Map(changes), serviceRange: SERVICE_CIDR });
    const bad = [`default/${name}`, entryOf({ name, clusterIP: '10.43.9.9', endpoints: ['10.42.0.2'] })] as const;

    const old = [...services(OTHERS, 'old')];
    const first = await sync([...old.slice(0, 123), bad, ...old.slice(123)]);
    t.same([...first.rejected.keys()], [bad[0]], 'at the start, when everything is written');
    t.ok(iptables.transactions <= MAX_TRANSACTIONS, `${iptables.transactions} transactions`);
    t.ok(await backend.verify());
    const rules = await saved();
    t.equal(new Set(rules.match(/default\/old\d+:web cluster IP/g)).size, OTHERS);
    t.notMatch(rules, '10.43.9.9', 'none of its rules are in the kernel');

    iptables.transactions = 0;
    const fresh = [...services(OTHERS, 'new')];
    const second = await sync([bad, ...fresh]);
    t.same([...second.rejected.keys()], [bad[0]], 'among others that change');
    t.ok(iptables.transactions <= MAX_TRANSACTIONS, `${iptables.transactions} transactions`);
    t.equal(new Set((await saved()).match(/default\/new\d+:web cluster IP/g)).size, OTHERS);

    const mended = entryOf({ name: 'mended', clusterIP: '10.43.9.9', endpoints: ['10.42.0.2'] });
    t.equal((await sync([[bad[0], mended]])).rejected.size, 0, 'until it changes');
    t.match(await saved(), '10.43.9.9');
    await backend.remove();
  });
}

t.test('a failing tool is not blamed on a Service', async (t) => {
  class BrokenIptables extends CountingIptables {
    isBroken = true;
    override async restore(input: string): Promise<void> {
      if (!this.isBroken) return super.restore(input);
      this.transactions++;
      await run('iptables-restore', ['--no-such-option']);
    }
  }
  const iptables = new BrokenIptables('IPv4', new AbortController().signal);
  const backend = new IptablesBackend({ clusterCidr: CLUSTER_CIDR, netfilter: new Netfilter(iptables) });
  const changes = services(OTHERS, 'old');
  await t.rejects(backend.sync({ services: changes, serviceRange: SERVICE_CIDR }), { name: 'ProgramError' });
  t.ok(iptables.transactions <= MAX_TRANSACTIONS, `${iptables.transactions} transactions`);
  iptables.isBroken = false;
  const { rejected } = await backend.sync({ services: new Map(), serviceRange: SERVICE_CIDR });
  t.equal(rejected.size, 0);
  t.equal(new Set((await saved()).match(/default\/old\d+:web cluster IP/g)).size, OTHERS, 'nothing is forgotten');
  iptables.isBroken = true;
  await t.rejects(backend.sync({ services: services(3, 'new'), serviceRange: SERVICE_CIDR }), { name: 'ProgramError' });
  iptables.isBroken = false;
  await backend.remove();
});

/** An agent's proxy before an api-server in memory. */
async function makeProxy(t: Test, options: Partial<ServiceProxyOptions> & { compile?: typeof compileService } = {}) {
  const api = await MemoryApi.start();
  const client = new ApiClient({ server: api.url });
  const stop = new AbortController();
  const { signal } = stop;
  const put = (name: string, clusterIP: string) => {
    api.put('services', {
      metadata: { name, namespace: 'default' },
      spec: { type: 'ClusterIP', clusterIP, ports: [{ port: 80, protocol: 'TCP' }] },
    });
    api.put('endpointslices', {
      metadata: { name, namespace: 'default', labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      ports: [{ port: 8080, protocol: 'TCP' }],
      endpoints: [{ addresses: ['10.42.0.2'] }],
    });
  };
  const backend = new IptablesBackend({
    clusterCidr: CLUSTER_CIDR,
    netfilter: new Netfilter(new Iptables('IPv4', new AbortController().signal)),
    ...options,
  });
  const start = () => {
    const cache = new ServiceCache({ client, logger: silent, nodeName: 'node-0', families: [backend.family] });
    const proxy = new ServiceProxy({
      cache,
      logger: silent,
      events: new EventRecorder({ client, component: 'kube-proxy', host: 'node-0', logger: silent, signal }),
      nodeName: 'node-0',
      backends: [backend],
      serviceCidr: SERVICE_CIDR,
      dataDir: t.testdir(),
      ...options,
    });
    const running = Promise.all([cache.run(signal), proxy.run(signal)]);
    t.teardown(async () => {
      stop.abort();
      await running.catch(() => undefined);
      await backend.remove();
      await client[Symbol.asyncDispose]();
      await api[Symbol.asyncDispose]();
    });
  };
  return { api, put, start };
}

t.test('a rejected Service has an event, and is applied once it is corrected', async (t) => {
  let broken = true;
  const { api, put, start } = await makeProxy(t, {
    compile: (...args) => (broken ? compile(...args) : compileService(...args)),
  });
  put('other', '10.43.0.5');
  put('unreadable', '10.43.0.6');
  start();
  let event: Event | undefined;
  await eventually('the event', () => (event = api.events('unreadable')[0]) !== undefined);
  t.match(event, {
    type: 'Warning',
    reason: 'ServiceRulesRefused',
    involvedObject: { kind: 'Service', namespace: 'default', name: 'unreadable' },
    source: { component: 'kube-proxy', host: 'node-0' },
  });
  t.match(event?.message, /^Service rules rejected by the kernel of node node-0: .*iptables-restore/);
  t.match(await saved(), '-d 10.43.0.5/32', 'the other is served');
  t.same(api.events('other'), []);

  put('third', '10.43.0.7');
  await eventually('later Services are applied', async () => (await saved()).includes('10.43.0.7'));
  broken = false;
  put('unreadable', '10.43.0.6');
  await eventually('the corrected Service', async () => (await saved()).includes('10.43.0.6'));
});

t.test('unassigned addresses of the service range are rejected only if the setting matches the cluster', async (t) => {
  const filter = async (): Promise<string> => (await run('iptables-save', ['-t', 'filter'])).stdout;
  await t.test('matching range', async (t) => {
    const { put, start } = await makeProxy(t);
    put('other', '10.43.0.5');
    start();
    await eventually('the other ports of the one address', async () => (await filter()).includes('-d 10.43.0.5/32'));
    t.notMatch(await filter(), '-d 10.43.0.0/16', 'the service range is not known yet');
    put('kubernetes', '10.43.0.1');
    await eventually('the range', async () => (await filter()).includes('-d 10.43.0.0/16'));
  });
  await t.test('other range', async (t) => {
    const { put, start } = await makeProxy(t, { serviceCidr: Cidr.parse('192.168.0.0/16') });
    put('kubernetes', '10.43.0.1');
    start();
    await eventually('the rules', async () => (await filter()).includes('-d 10.43.0.1/32'));
    t.notMatch(await filter(), '192.168.0.0/16');
  });
});

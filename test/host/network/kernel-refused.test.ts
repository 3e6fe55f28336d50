/** What becomes of the others when the kernel refuses the rules of one Service. */
import t, { type Test } from 'tap';
import { run } from '../../../agent/host/run.ts';
import { Iptables } from '../../../agent/network/netfilter/iptables.ts';
import { Netfilter } from '../../../agent/network/netfilter/netfilter.ts';
import { Nft } from '../../../agent/network/netfilter/nft.ts';
import type { RuleUnit } from '../../../agent/network/netfilter/rules.ts';
import { compileService } from '../../../agent/network/services/backends/iptables/compile-service.ts';
import { IptablesBackend } from '../../../agent/network/services/backends/iptables/iptables-backend.ts';
import { compileService as compileToElements } from '../../../agent/network/services/backends/nftables/compile-service.ts';
import { NftablesBackend } from '../../../agent/network/services/backends/nftables/nftables-backend.ts';
import { elementTail, rule, type TableUnit } from '../../../agent/network/netfilter/nft-table/table-unit.ts';
import type { ProxyBackend } from '../../../agent/network/services/backends/proxy-backend.ts';
import type { ProxyMode } from '../../../agent/network/services/backends/proxy-mode.ts';
import { ServiceCache } from '../../../agent/network/service-cache.ts';
import { ServiceProxy, type ServiceProxyOptions } from '../../../agent/network/services/service-proxy.ts';
import type { ServiceEntry } from '../../../agent/network/services/model/service-entry.ts';
import { clusterRanges } from '../../../api/domain/cluster-ranges.ts';
import { ApiClient } from '../../../client/api-client.ts';
import { EventRecorder } from '../../../client/event-recorder.ts';
import { MemoryApi } from '../../support/memory-api.ts';
import { silent } from '../../support/https-server.ts';
import { eventually } from '../../support/wait.ts';
import { enterNamespace, makeNode, rulesOf } from './pod-namespaces.ts';
import { CLUSTER_CIDR, entryOf, SERVICE_CIDR, UNOBSERVED } from '../../support/service-entries.ts';
import type { Event } from '../../../api/types/core/v1.gen.ts';
import type { Ranges } from '../../../agent/network/services/backends/ranges.ts';

enterNamespace();
t.before(makeNode);

const OTHERS = 300;
/**
 * 301 units are bisected nine times, each time with one rejected and one accepted transaction, and one leaves the unit out. One more
 * follows the table being read, before anybody is blamed.
 */
const MAX_TRANSACTIONS = 2 * Math.ceil(Math.log2(OTHERS + 1)) + 3;

/** What the mode's program cannot read, or the kernel rejects at commit. */
const REFUSED = {
  iptables: new Map([
    ['unreadable', '-s 2001:db8::/32 -j ACCEPT'],
    ['impossible', '-p tcp -m recent --rcheck --hitcount 200000 -j ACCEPT'],
  ]),
  nftables: new Map([
    ['unreadable', rule('ip saddr 2001:db8::/32 accept', 'unreadable')],
    // A packet would never leave the chain.
    ['impossible', rule('jump broken', 'impossible')],
  ]),
} as const;

/** The compilers, with a possible bug. */
function compileToRules(service: ServiceEntry, ranges: Ranges): RuleUnit {
  const compiled = compileService(service, ranges);
  const refused = REFUSED.iptables.get(service.name);
  if (refused === undefined) return compiled;
  const nat = new Map([...compiled.chains.nat].map(([chain, rules]) => [chain, [...rules, refused]]));
  return { ...compiled, chains: { ...compiled.chains, nat } };
}
function compileToTable(service: ServiceEntry, ranges: Ranges): TableUnit {
  const { sets, chains, elements } = compileToElements(service, ranges);
  const refused = REFUSED.nftables.get(service.name);
  if (refused === undefined) return { sets, chains, elements };
  const tail = elementTail(undefined, 'goto broken');
  return {
    sets,
    chains: new Map([['broken', [refused]]]),
    elements: [...elements, { container: 'service-ips', key: '192.0.2.1 . tcp . 80', tail }],
  };
}

const { signal } = new AbortController();

/** Counts transactions; the program may be broken. */
class CountingIptables extends Iptables {
  transactions = 0;
  isBroken = false;
  override async restore(input: string): Promise<void> {
    this.transactions++;
    if (this.isBroken) await run('iptables-restore', ['--no-such-option']);
    await super.restore(input);
  }
}
class CountingNft extends Nft {
  transactions = 0;
  isBroken = false;
  override async applyCommands(commands: readonly string[]): Promise<void> {
    this.transactions++;
    if (this.isBroken) await run('nft', ['--no-such-option']);
    await super.applyCommands(commands);
  }
}

/** A backend, and the program whose transactions are counted. */
const BACKENDS: Readonly<
  Record<
    keyof typeof REFUSED,
    (isBuggy?: boolean) => { backend: ProxyBackend; program: CountingIptables | CountingNft }
  >
> = {
  iptables: (isBuggy = true) => {
    const program = new CountingIptables('IPv4', signal);
    const compile = isBuggy ? compileToRules : compileService;
    const netfilter = new Netfilter(program);
    return { program, backend: new IptablesBackend({ clusterCidr: CLUSTER_CIDR, netfilter, compile }) };
  },
  nftables: (isBuggy = true) => {
    const program = new CountingNft(signal);
    const compile = isBuggy ? compileToTable : compileToElements;
    const netfilter = new Netfilter(new Iptables('IPv4', signal));
    return { program, backend: new NftablesBackend({ clusterCidr: CLUSTER_CIDR, nft: program, netfilter, compile }) };
  },
};

/** How many Services with the prefix have rules. */
async function countOf(mode: ProxyMode, prefix: string): Promise<number> {
  return new Set((await rulesOf(mode)).match(new RegExp(`default/${prefix}\\d+:web`, 'g'))).size;
}
const services = (count: number, prefix: string): Map<string, ServiceEntry> =>
  new Map(
    Array.from({ length: count }, (_, index) => {
      const clusterIP = `10.43.${prefix === 'new' ? 2 : 1}${index >> 8}.${index & 255}`;
      return [`default/${prefix}${index}`, entryOf({ name: `${prefix}${index}`, clusterIP, endpoints: ['10.42.0.2'] })];
    }),
  );

for (const mode of ['nftables', 'iptables'] as const) {
  for (const name of REFUSED[mode].keys()) {
    t.test(`${mode}: 300 Services are applied beside one whose rules are ${name}`, async (t) => {
      const { backend, program } = BACKENDS[mode]();
      const sync = (changes: Iterable<readonly [string, ServiceEntry | undefined]>) =>
        backend.sync({ services: new Map(changes), serviceRange: SERVICE_CIDR });
      const bad = [`default/${name}`, entryOf({ name, clusterIP: '10.43.9.9', endpoints: ['10.42.0.2'] })] as const;

      const old = [...services(OTHERS, 'old')];
      const first = await sync([...old.slice(0, 123), bad, ...old.slice(123)]);
      t.same([...first.rejected.keys()], [bad[0]], 'at the start, when everything is written');
      t.ok(program.transactions <= MAX_TRANSACTIONS, `${program.transactions} transactions`);
      t.ok(await backend.verify());
      t.equal(await countOf(mode, 'old'), OTHERS);
      t.notMatch(await rulesOf(mode), '10.43.9.9', 'none of its rules are in the kernel');

      program.transactions = 0;
      const second = await sync([bad, ...services(OTHERS, 'new')]);
      t.same([...second.rejected.keys()], [bad[0]], 'among others that change');
      t.ok(program.transactions <= MAX_TRANSACTIONS, `${program.transactions} transactions`);
      t.equal(await countOf(mode, 'new'), OTHERS);

      const mended = entryOf({ name: 'mended', clusterIP: '10.43.9.9', endpoints: ['10.42.0.2'] });
      t.equal((await sync([[bad[0], mended]])).rejected.size, 0, 'until it changes');
      t.match(await rulesOf(mode), '10.43.9.9');
      await backend.remove();
    });
  }

  t.test(`${mode}: a failing tool is not blamed on a Service`, async (t) => {
    const { backend, program } = BACKENDS[mode](false);
    const sync = (changes: ReadonlyMap<string, ServiceEntry>) =>
      backend.sync({ services: changes, serviceRange: SERVICE_CIDR });
    program.isBroken = true;
    await t.rejects(sync(services(OTHERS, 'old')), { name: 'ProgramError' });
    t.ok(program.transactions <= MAX_TRANSACTIONS, `${program.transactions} transactions`);
    program.isBroken = false;
    const { rejected } = await sync(new Map());
    t.equal(rejected.size, 0);
    t.equal(await countOf(mode, 'old'), OTHERS, 'nothing is forgotten');
    program.isBroken = true;
    await t.rejects(sync(services(3, 'new')), { name: 'ProgramError' });
    program.isBroken = false;
    await backend.remove();
  });
}

t.test('nftables: what another program has changed meanwhile is not blamed on a Service', async (t) => {
  const { backend, program } = BACKENDS.nftables(false);
  const sync = (changes: Iterable<readonly [string, ServiceEntry | undefined]>) =>
    backend.sync({ services: new Map(changes), serviceRange: SERVICE_CIDR });
  await sync(services(OTHERS, 'old'));
  await run('nft', ['flush', 'map', 'ip', 'kube-proxy', 'service-ips']);
  program.transactions = 0;
  const { rejected } = await sync([['default/old7', undefined]]);
  t.equal(rejected.size, 0);
  t.equal(program.transactions, 2, 'its removal is rejected, and then everything is restored');
  t.equal(await countOf('nftables', 'old'), OTHERS - 1);
  t.ok(await backend.verify());
  await run('nft', ['delete', 'element', 'ip', 'kube-proxy', 'service-ips', '{ 10.43.10.8 . tcp . 80 }']);
  t.notOk(await backend.verify(), 'one element is missing');
  await sync([]);
  t.ok(await backend.verify());
  await run('nft', ['add', 'rule', 'ip', 'kube-proxy', 'services', 'drop']);
  t.notOk(await backend.verify(), 'a rule of somebody else');
  await sync([]);
  t.ok(await backend.verify());
  await run('nft', ['add', 'element', 'ip', 'kube-proxy', 'service-ips', '{ 192.0.2.9 . tcp . 80 : drop }']);
  t.notOk(await backend.verify(), 'an element of somebody else');
  t.equal((await sync([])).wrote, true);
  t.notMatch(await rulesOf('nftables'), '192.0.2.9');
  await backend.remove();
});

const saved = async (): Promise<string> => (await run('iptables-save', ['-t', 'nat'])).stdout;

/** An agent's proxy before an api-server in memory. */
async function makeProxy(t: Test, options: Partial<ServiceProxyOptions> & { compile?: typeof compileToRules } = {}) {
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
      serviceRanges: [SERVICE_CIDR],
      dataDir: t.testdir(),
      ...UNOBSERVED,
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
    compile: (...args) => (broken ? compileToRules(...args) : compileService(...args)),
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
    const { put, start } = await makeProxy(t, { serviceRanges: clusterRanges('192.168.0.0/16') });
    put('kubernetes', '10.43.0.1');
    start();
    await eventually('the rules', async () => (await filter()).includes('-d 10.43.0.1/32'));
    t.notMatch(await filter(), '192.168.0.0/16');
  });
});

/** Real connections traced through real tables: what is said of each, in every proxy mode and IP family. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import t, { type Test } from 'tap';
import { run } from '../../../agent/host/run.ts';
import { Nft } from '../../../agent/network/netfilter/nft.ts';
import { PolicyTable, removePolicyTable } from '../../../agent/network/policy/policy-table.ts';
import type { ServiceEntry } from '../../../agent/network/services/model/service-entry.ts';
import { tracePacket, type TraceReport, type TraceRequest } from '../../../agent/network/trace/trace-packet.ts';
import { Cidr, IpAddress } from '../../../api/domain/address.ts';
import { contentOf, policyOf } from '../../support/policy-objects.ts';
import { CLUSTER_CIDR, entryOf, SERVICE_CIDR, type Shape } from '../../support/service-entries.ts';
import { eventually } from '../../support/wait.ts';
import { backendOf, enterNamespace, ip, makeNode, NODE_ADDRESS, RULE_MODES, type RuleMode } from './pod-namespaces.ts';
import { makeDualStack, NODE_ADDRESS_6, TalkingPod } from './talking-pods.ts';

enterNamespace();

const { signal } = new AbortController();
const nft = new Nft(signal);
const PROBE = [process.execPath, path.join(import.meta.dirname, '../../../cli/main.ts'), 'trace-probe'];
const LIMIT_MS = 2_500;
let web: TalkingPod;
let client: TalkingPod;

t.before(async () => {
  await makeNode();
  await makeDualStack();
  // A default route by the pods' own link would have the node tell pods to look for Services there.
  await ip('link', 'add', 'out0', 'type', 'bridge');
  await ip('link', 'set', 'out0', 'up');
  await ip('-6', 'route', 'add', 'default', 'dev', 'out0');
  await run('sysctl', ['-qw', 'net.ipv6.icmp.ratelimit=0']);
  web = await TalkingPod.start(t, 2);
  client = await TalkingPod.start(t, 3);
});

const FAMILIES = [
  {
    ...{ name: 'IPv4', pod: 0, cluster: CLUSTER_CIDR, services: SERVICE_CIDR, node: NODE_ADDRESS },
    ...{ clusterIP: '10.43.0.5', balancer: '203.0.113.7', elsewhere: '192.0.2.0/24' },
  },
  {
    ...{ name: 'IPv6', pod: 1, cluster: Cidr.parse('fd00:42::/64')!, services: Cidr.parse('fd00:43::/112')! },
    ...{ node: NODE_ADDRESS_6, clusterIP: 'fd00:43::5', balancer: '2001:db8:1::7', elsewhere: '2001:db8:2::/48' },
  },
] as const;
type Family = (typeof FAMILIES)[number];

interface Asked extends Partial<Pick<TraceRequest, 'namespace'>> {
  readonly protocol?: 'TCP' | 'UDP';
  readonly address?: string;
  readonly port?: number;
}

/** Services of one mode and family, removed with the test. */
function start(t: Test, mode: RuleMode, family: Family) {
  const backend = backendOf(mode, family.cluster);
  t.teardown(() => backend.remove());
  let service: ServiceEntry | undefined;
  const put = async (shape: Shape): Promise<void> => {
    service = entryOf({ clusterIP: family.clusterIP, ...shape });
    await backend.sync({ services: new Map([['default/web', service]]), serviceRange: family.services });
  };
  const from = { path: `/run/netns/${client.netns}` };
  const trace = ({ protocol = 'TCP', address = family.clusterIP, port = 80, ...rest }: Asked = {}) =>
    tracePacket(
      {
        ...{ probe: PROBE, service, namespace: 'namespace' in rest ? rest.namespace : from },
        target: { protocol, destination: IpAddress.parse(address)!, port, limitMs: LIMIT_MS },
        who: ({ text }) => (web.addresses.includes(text) ? 'pod default/web-0' : undefined),
      },
      signal,
    );
  const pod = web.addresses[family.pod] ?? '';
  return { backend, put, trace, pod };
}

const told = ({ steps, verdict }: TraceReport): string =>
  [...steps.map(({ text, where }) => `${text} [${where ?? ''}]`), verdict.text].join('\n');

/** All of the kernel's. */
const tables = async (): Promise<string> => (await run('nft', ['list', 'tables'])).stdout;
t.test('a trace whose process is killed leaves nothing in the kernel', async (t) => {
  const trace = spawn(process.execPath, [path.join(import.meta.dirname, 'endless-trace.ts')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => trace.kill('SIGKILL'));
  await once(trace.stdout, 'data');
  t.match(await tables(), /inet kedge-trace-/);
  trace.kill('SIGKILL');
  await eventually('the table to be gone', async () => !(await tables()).includes('kedge-trace'), 5);
});

t.test('two traces at once see their own packets alone, and end all that they started', async (t) => {
  const { put, trace, pod } = start(t, 'nftables', FAMILIES[0]);
  await put({ endpoints: [pod] });
  const [one, two] = await Promise.all([trace(), trace()]);
  for (const report of [one, two]) {
    t.equal(report.verdict.ok, true, told(report));
    const source = `10.42.0.3:${report.connection?.sourcePort}`;
    t.match(report.steps[0]?.text, `from ${source} `);
    const packets = report.steps.filter(({ text }) => text.startsWith('its destination is now'));
    t.equal(packets.length, 1, 'one packet, translated once');
  }
  t.notSame(one.connection?.sourcePort, two.connection?.sourcePort);
  t.notMatch(await tables(), /kedge-trace/);
});

for (const [mode, family] of RULE_MODES.flatMap((mode) => FAMILIES.map((family) => [mode, family] as const))) {
  t.test(`${mode}, ${family.name}: a connection that is served`, async (t) => {
    const { put, trace, pod } = start(t, mode, family);
    await put({ endpoints: [pod], nodePort: 30080 });
    const report = await trace();
    t.equal(report.verdict.ok, true, told(report));
    t.match(report.translatedTo, `${pod}`);
    t.match(report.verdict.text, /accepted by .*\(pod default\/web-0\)/);
    t.ok(
      report.steps.some(({ packet, text }) => packet === 'answer' && text.startsWith('SYN-ACK')),
      'and its answer',
    );
    t.ok(
      report.steps.some(({ text }) => text.startsWith("it is a Service's")),
      'by the map of Services',
    );

    const fromNode = await trace({ namespace: undefined });
    t.equal(fromNode.verdict.ok, true, told(fromNode));
    const atNodePort = await trace({ address: family.node, port: 30080 });
    t.equal(atNodePort.verdict.ok, true, told(atNodePort));
    t.match(told(atNodePort), /masqueraded/);

    t.notMatch(await tables(), /kedge-trace/, 'nothing is left');
  });

  t.test(`${mode}, ${family.name}: connections that are not served`, async (t) => {
    const { put, trace, pod } = start(t, mode, family);
    await t.test('no endpoints', async (t) => {
      await put({ endpoints: [] });
      const report = await trace();
      t.match(report.verdict, { ok: false, cause: 'no-endpoints' }, told(report));
      t.match(told(report), /ICMP error \(destination-unreachable port-unreachable\)/);
    });
    await t.test('nothing listens', async (t) => {
      await put({ endpoints: [pod], targetPort: 9 });
      const report = await trace();
      t.match(report.verdict, { ok: false, cause: 'not-listening', text: /pod default\/web-0/ }, told(report));
    });
    await t.test('source ranges', async (t) => {
      await put({
        endpoints: [pod],
        ingress: [family.balancer],
        spec: { type: 'LoadBalancer', loadBalancerSourceRanges: [family.elsewhere] },
      });
      const report = await trace({ address: family.balancer });
      t.match(report.verdict, { ok: false, cause: 'source-ranges' }, told(report));
    });
    await t.test('no endpoint here, and the policy is Local', async (t) => {
      await put({ endpoints: [{ ip: pod, node: 'node-1' }], spec: { internalTrafficPolicy: 'Local' } });
      const report = await trace();
      t.match(report.verdict, { ok: false, cause: 'no-local-endpoints' }, told(report));
    });
    await t.test('datagrams', async (t) => {
      await put({ endpoints: [pod], protocol: 'UDP' });
      const report = await trace({ protocol: 'UDP' });
      t.match(report.verdict, { ok: true }, told(report));
      await put({ endpoints: [pod], protocol: 'UDP', targetPort: 9 });
      const refused = await trace({ protocol: 'UDP' });
      t.match(refused.verdict, { ok: false, cause: 'not-listening' }, told(refused));
    });
    await t.test('a network policy', async (t) => {
      await put({ endpoints: [pod] });
      const table = new PolicyTable(nft, 'cni0');
      t.teardown(() => removePolicyTable(nft));
      const closed = policyOf({ podSelector: {}, policyTypes: ['Ingress'] }, { name: 'closed' });
      await table.apply(contentOf({ policies: [closed], pods: [{ ips: web.addresses }] }));
      const report = await trace();
      t.match(
        report.verdict,
        { ok: false, cause: 'network-policy', text: /NetworkPolicy default\/closed/ },
        told(report),
      );
    });
    await t.test('no route', async (t) => {
      await put({ endpoints: [family.pod ? 'fd00:99::9' : '10.99.0.9'] });
      const route = family.pod ? ['-6', 'route'] : ['route'];
      const unreachable = ['unreachable', family.pod ? 'fd00:99::/64' : '10.99.0.0/16'];
      await ip(...route, 'add', ...unreachable);
      t.teardown(() => ip(...route, 'del', ...unreachable));
      const report = await trace();
      t.match(report.verdict, { ok: false, cause: 'no-way' }, told(report));
    });
    await t.test('rules that are gone', async (t) => {
      await put({ endpoints: [pod] });
      if (mode === 'nftables') await nft.apply(`flush table ${family.pod ? 'ip6' : 'ip'} kube-proxy\n`);
      else await run(family.pod ? 'ip6tables' : 'iptables', ['-t', 'nat', '-F', 'KUBE-SERVICES']);
      const report = await trace();
      t.match(report.verdict, { ok: false, text: /kedge proxy show default\/web/ }, told(report));
    });
  });
}

/** What the kernel has of a Service beside what it should have, in every proxy mode and IP family. */
import t from 'tap';
import { run } from '../../../agent/host/run.ts';
import { DEFAULT_IPVS, ipvsHost } from '../../../agent/network/services/backends/ipvs/ipvs-host.ts';
import { Iptables } from '../../../agent/network/netfilter/iptables.ts';
import { Nft } from '../../../agent/network/netfilter/nft.ts';
import { kernelRules } from '../../../agent/network/services/backends/proxy-modes.ts';
import type { RuleState } from '../../../agent/network/services/backends/rule-listing.ts';
import {
  CLUSTER_CIDR,
  entryOf,
  IPV6_CLUSTER_CIDR,
  IPV6_SERVICE_CIDR,
  SERVICE_CIDR,
} from '../../support/service-entries.ts';
import { backendOf, enterNamespace, RULE_MODES } from './pod-namespaces.ts';

enterNamespace();

const { signal } = new AbortController();
const FAMILIES = [
  {
    ...{ cluster: CLUSTER_CIDR, services: SERVICE_CIDR, clusterIP: '10.43.0.5', pods: ['10.42.0.2', '10.42.0.3'] },
    ...{ iptables: 'iptables', table: 'ip kube-proxy', chain: 'KUBE-SERVICES-10-43-0', bits: 32 },
  },
  {
    ...{ cluster: IPV6_CLUSTER_CIDR, services: IPV6_SERVICE_CIDR, clusterIP: 'fd00:43::5' },
    ...{ pods: ['fd00:42::2', 'fd00:42::3'], iptables: 'ip6tables', table: 'ip6 kube-proxy' },
    ...{ chain: 'KUBE-S6-_QAAQwAAAAAAAAAAAAAA', bits: 128 },
  },
] as const;

for (const [mode, family] of RULE_MODES.flatMap((mode) => FAMILIES.map((family) => [mode, family] as const))) {
  const { cluster, services, clusterIP, pods, table, chain } = family;
  t.test(`${mode}, ${cluster.family}: rules that are in force, missing and foreign`, async (t) => {
    const backend = backendOf(mode, cluster);
    t.teardown(() => backend.remove());
    const spec = { sessionAffinity: 'ClientIP', internalTrafficPolicy: 'Local' } as const;
    const plain = entryOf({ clusterIP, endpoints: pods, nodePort: 30080 });
    const own = entryOf({ clusterIP, name: 'own', endpoints: pods, nodePort: 30081, spec });
    const host = {
      nft: new Nft(signal),
      iptables: new Iptables(cluster.family, signal),
      ipvs: ipvsHost(cluster.family, DEFAULT_IPVS, signal),
      ranges: { cluster, services },
    };
    const read = () => kernelRules[mode](host);
    const states = async (entry = plain): Promise<RuleState[]> => [
      ...new Set((await read()).of(entry).map(({ state }) => state)),
    ];
    const change = (nft: string, ...iptables: readonly string[]) =>
      mode === 'nftables' ? host.nft.apply(`${nft}\n`) : run(family.iptables, ['-t', 'nat', ...iptables]);

    t.match((await read()).problems, [/./], 'before the agent has written anything');
    t.strictSame(await states(), ['missing']);
    t.equal(await (await read()).rejection(plain), undefined, 'which the kernel would accept');
    await backend.sync({ services: new Map([['default/web', plain]]), serviceRange: services });
    t.strictSame((await read()).problems, []);
    t.strictSame(await states(), ['in force']);
    await backend.sync({
      services: new Map([
        ['default/web', undefined],
        ['default/own', own],
      ]),
      serviceRange: services,
    });
    t.strictSame(await states(own), ['in force'], 'chains of its own, too');
    await backend.sync({
      services: new Map([
        ['default/web', plain],
        ['default/own', undefined],
      ]),
      serviceRange: services,
    });

    const rule = [
      '-d',
      `${clusterIP}/${family.bits}`,
      '-p',
      'tcp',
      '-m',
      'tcp',
      '--dport',
      '80',
      '-m',
      'comment',
      '--comment',
      'default/web:web',
    ];
    await change(
      `add element ${table} no-endpoint-services { ${clusterIP} . tcp . 80 : drop }`,
      '-A',
      chain,
      ...rule,
      '-j',
      'ACCEPT',
    );
    t.strictSame((await states()).sort(), ['foreign', 'in force'], 'a rule of somebody else');
    await backend.verify();
    await backend.sync({ services: new Map(), serviceRange: services });
    await change(`delete element ${table} service-ips { ${clusterIP} . tcp . 80 }`, '-F', chain);
    t.ok((await states()).includes('missing'), 'a rule that was removed');
    await change(`flush table ${table}`, '-F');
    t.match((await read()).problems, [/./], 'what all Services need');
  });
}

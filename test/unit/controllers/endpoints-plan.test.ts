import t from 'tap';
import {
  reconcileEndpointSlices,
  resolveTargetPort,
} from '../../../control-plane/controllers/network/endpoint-slice-plan.ts';
import { desiredEndpoints } from '../../../control-plane/controllers/network/endpoints-plan.ts';
import { Interner } from '../../../control-plane/controllers/framework/interner.ts';
import { podView, type PodView } from '../../../control-plane/controllers/caches/pod-view.ts';
import { podViewOf } from './pod-view.ts';
import type { Pod, Service } from '../../../api/types/core/v1.gen.ts';
import type { EndpointSlice } from '../../../api/types/discovery/v1.gen.ts';

const service = (spec: object = {}): Service => ({
  metadata: { namespace: 'default', name: 'web', uid: 's1', labels: { team: 'a' } },
  spec: {
    selector: { app: 'web' },
    clusterIP: '10.43.0.7',
    ipFamilies: ['IPv4'],
    ports: [{ name: 'http', port: 80, targetPort: 'http', protocol: 'TCP' }],
    ...spec,
  },
});
const http = (port: number) => [{ name: 'http', port, protocol: 'TCP' }];
const pod = (number: number, more: Partial<PodView> = {}): PodView =>
  podViewOf(`p${number}`, { ips: [`10.42.0.${number}`], ports: http(8080), ...more });
const plan = (pods: PodView[], slices: EndpointSlice[] = [], spec: object = {}) =>
  reconcileEndpointSlices({
    service: service(spec),
    pods,
    slices,
    zoneOf: (node) => (node === 'n1' ? 'zone-a' : undefined),
  });
/** As the api-server would store created slices. */
const stored = (slices: readonly EndpointSlice[]): EndpointSlice[] =>
  slices.map((slice, index) => ({ ...slice, metadata: { ...slice.metadata, name: `web-${index}` } }));
const addresses = ({ endpoints }: EndpointSlice): string[] => (endpoints ?? []).flatMap((each) => each.addresses);

t.test("a named port may be a sidecar's; a main container takes precedence", (t) => {
  const adm = (containerPort: number) => [{ name: 'adm', containerPort }];
  const portOf = (spec: Pod['spec']): number | undefined => {
    const view = podView({ metadata: { namespace: 'default', name: 'side' }, spec }, new Interner());
    return resolveTargetPort({ port: 81, targetPort: 'adm' }, view);
  };
  const sidecar = { name: 's', restartPolicy: 'Always' as const, ports: adm(8080) };
  t.equal(portOf({ initContainers: [sidecar], containers: [{ name: 'c' }] }), 8080);
  t.equal(portOf({ initContainers: [sidecar], containers: [{ name: 'c', ports: adm(9090) }] }), 9090);
  const init = { name: 'i', ports: adm(8080) };
  t.equal(
    portOf({ initContainers: [init], containers: [{ name: 'c' }] }),
    undefined,
    'other init containers have none',
  );
  t.end();
});

t.test('endpoints have node, conditions and targetRef, slices their Service', async (t) => {
  const { create } = plan([pod(1), pod(2, { ready: false, nodeName: '' }), pod(3, { deleting: true })]);
  t.match(create, [
    {
      addressType: 'IPv4',
      metadata: {
        generateName: 'web-',
        labels: {
          team: 'a',
          'kubernetes.io/service-name': 'web',
          'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
        },
        ownerReferences: [{ kind: 'Service', uid: 's1', controller: true, blockOwnerDeletion: true }],
      },
      ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
      endpoints: [
        {
          addresses: ['10.42.0.1'],
          conditions: { ready: true, serving: true, terminating: false },
          targetRef: { kind: 'Pod', name: 'p1', uid: 'uid-p1' },
          nodeName: 'n1',
          zone: 'zone-a',
        },
        { addresses: ['10.42.0.2'], conditions: { ready: false, serving: false, terminating: false } },
        { addresses: ['10.42.0.3'], conditions: { ready: false, serving: true, terminating: true } },
      ],
    },
  ]);
});

t.test(
  'pods without an address and terminated pods are left out; a Service without endpoints has an empty slice',
  async (t) => {
    const { create } = plan([pod(1, { ips: [] }), pod(2, { phase: 'Failed' })]);
    t.match(create, [{ endpoints: [], ports: [] }]);
    t.strictSame(plan([], stored(create)), { create: [], update: [], remove: [] });
  },
);

t.test('ready endpoints are meant for their zone, or their node, where the Service wants it', async (t) => {
  const pods = [pod(1, { nodeName: 'n1' }), pod(2, { nodeName: 'n2' }), pod(3, { nodeName: 'n1', ready: false })];
  const hints = (trafficDistribution?: string) =>
    plan(pods, [], { ...(trafficDistribution && { trafficDistribution }) }).create[0]!.endpoints!.map(
      (each) => each.hints,
    );
  const [inZone, onNode] = [{ forZones: [{ name: 'zone-a' }] }, { forNodes: [{ name: 'n2' }] }];
  t.strictSame(hints(), [undefined, undefined, undefined]);
  t.strictSame(hints('PreferSameZone'), [inZone, undefined, undefined], 'a node without a zone says nothing');
  t.strictSame(hints('PreferClose'), [inZone, undefined, undefined]);
  t.strictSame(hints('PreferSameNode'), [{ ...inZone, forNodes: [{ name: 'n1' }] }, onNode, undefined]);
  const { create } = plan(pods, [], { trafficDistribution: 'PreferSameZone' });
  const { update } = plan(pods, stored(create));
  t.strictSame(
    update[0]!.endpoints!.map((each) => each.hints),
    [undefined, undefined, undefined],
    'and no longer',
  );
});

t.test('publishNotReadyAddresses makes every address ready, and headless Services have hostnames', async (t) => {
  const named = pod(1, { ready: false, hostname: 'db-0', subdomain: 'web' });
  const { create } = plan([named], [], { clusterIP: 'None', publishNotReadyAddresses: true });
  t.match(create, [
    {
      metadata: { labels: { 'service.kubernetes.io/headless': '' } },
      endpoints: [{ hostname: 'db-0', conditions: { ready: true, serving: false } }],
    },
  ]);
});

t.test('a slice has at most a hundred endpoints, and a change updates one slice only', async (t) => {
  const pods = Array.from({ length: 250 }, (_, index) => pod(index));
  const slices = stored(plan(pods).create);
  t.strictSame(
    slices.map((slice) => slice.endpoints?.length),
    [100, 100, 50],
  );
  t.strictSame(plan(pods, slices), { create: [], update: [], remove: [] }, 'no change, no update');

  const readiness = pods.map((each, index) => (index === 120 ? { ...each, ready: false } : each));
  const changed = plan(readiness, slices);
  t.match(changed, { create: [], remove: [] });
  t.strictSame(
    changed.update.map(({ metadata }) => metadata?.name),
    ['web-1'],
  );

  const replaced = plan([...pods.slice(0, 3), ...pods.slice(4), pod(251)], slices);
  t.strictSame(
    replaced.update.map(({ metadata }) => metadata?.name),
    ['web-0'],
    'a new endpoint fills the gap',
  );
  t.equal(addresses(replaced.update[0]!).includes('10.42.0.251'), true);

  const fewer = plan(pods.slice(0, 100), slices);
  t.match(fewer, { create: [], update: [] });
  t.equal(fewer.remove.length, 2);
});

t.test('pods that resolve a named port differently are in different slices', async (t) => {
  const { create } = plan([pod(1), pod(2, { ports: http(9090) }), pod(3, { ports: [] })]);
  t.strictSame(
    create.map(({ ports }) => ports?.map(({ port }) => port)),
    [[8080], [9090], []],
  );
});

t.test('an unneeded slice is reused', async (t) => {
  const slices = stored(plan([pod(1)]).create);
  const { create, update, remove } = plan([pod(1, { ports: http(9090) })], slices);
  t.match({ create, remove }, { create: [], remove: [] });
  t.match(update, [{ metadata: { name: 'web-0' }, ports: [{ port: 9090 }] }]);
});

t.test('Services without a selector and ExternalName Services are ignored', async (t) => {
  t.strictSame(plan([pod(1)], [], { selector: undefined }), { create: [], update: [], remove: [] });
  t.equal(desiredEndpoints(service({ selector: undefined }), []), undefined);
  t.equal(desiredEndpoints(service({ type: 'ExternalName' }), []), undefined);
});

t.test('the Endpoints object separates ready and not ready addresses, and is annotated when truncated', async (t) => {
  const wanted = desiredEndpoints(service(), [pod(2), pod(1), pod(3, { ready: false }), pod(4, { deleting: true })]);
  t.match(wanted, {
    metadata: { name: 'web', labels: { team: 'a', 'endpoints.kubernetes.io/managed-by': 'endpoint-controller' } },
    subsets: [
      {
        addresses: [{ ip: '10.42.0.1', nodeName: 'n1' }, { ip: '10.42.0.2' }],
        notReadyAddresses: [{ ip: '10.42.0.3' }],
        ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
      },
    ],
  });
  const many = Array.from({ length: 1001 }, (_, index) => pod(index));
  const cut = desiredEndpoints(service(), many);
  t.equal(cut?.subsets?.[0]?.addresses?.length, 1000);
  t.match(cut?.metadata?.annotations, { 'endpoints.kubernetes.io/over-capacity': 'truncated' });
});

t.test('a Service has slices of each of its families, with the addresses that pods have in it', async (t) => {
  const both = (number: number): PodView => pod(number, { ips: [`10.42.0.${number}`, `fd00:42::${number}`] });
  const pods = [both(1), pod(2), pod(3, { ips: ['fd00:42::3', '10.42.0.3'] })];
  const told = (slices: readonly EndpointSlice[]): string[] =>
    slices.map((slice) => `${slice.addressType} ${addresses(slice).join()}`).sort();
  const [v4, v6] = ['IPv4 10.42.0.1,10.42.0.2,10.42.0.3', 'IPv6 fd00:42::1,fd00:42::3'];
  const table: [Partial<Service['spec']>, string[], string][] = [
    [{ ipFamilies: ['IPv4'] }, [v4], '10.42.0.1'],
    [{ ipFamilies: ['IPv6'] }, [v6], 'fd00:42::1'],
    [{ ipFamilies: ['IPv4', 'IPv6'] }, [v4, v6], '10.42.0.1'],
    [{ ipFamilies: ['IPv6', 'IPv4'] }, [v4, v6], 'fd00:42::1'],
    [{ ipFamilies: ['IPv6', 'IPv4'], clusterIP: 'None' }, [v4, v6], 'fd00:42::1'],
  ];
  for (const [spec, wanted, first] of table) {
    t.strictSame(told(plan(pods, [], { ...spec }).create), wanted, JSON.stringify(spec));
    const [subset] = desiredEndpoints(service({ ...spec }), pods)?.subsets ?? [];
    t.equal(subset?.addresses?.[0]?.ip, first, 'Endpoints are of the first family');
  }
  t.strictSame(told(plan([pod(1)], [], { ipFamilies: ['IPv4', 'IPv6'] }).create), ['IPv4 10.42.0.1', 'IPv6 ']);

  const present = stored(plan(pods, [], { ipFamilies: ['IPv4'] }).create);
  const upgraded = plan(pods, present, { ipFamilies: ['IPv4', 'IPv6'] });
  t.strictSame([told(upgraded.create), upgraded.update, upgraded.remove], [[v6], [], []], 'what is there stays');
  const all = stored([...present, ...upgraded.create]);
  const single = plan(pods, all, { ipFamilies: ['IPv4'] });
  t.strictSame([single.create, single.update, told(single.remove)], [[], [], [v6]]);
});

t.test('slices that are written say when the change came about, and keep no time of an earlier one', (t) => {
  const ANNOTATION = 'endpoints.kubernetes.io/last-change-trigger-time';
  const at = (triggeredAt: number | undefined, pods: PodView[], slices: EndpointSlice[] = []) =>
    reconcileEndpointSlices({ service: service(), pods, slices, zoneOf: () => undefined, triggeredAt });
  const { create } = at(1_700_000_000_123, [pod(1)]);
  t.equal(create[0]?.metadata?.annotations?.[ANNOTATION], '2023-11-14T22:13:20.123Z');
  t.same(at(1_800_000_000_000, [pod(1)], stored(create)), { create: [], update: [], remove: [] }, 'nothing to write');
  const { update } = at(undefined, [pod(1), pod(2)], stored(create));
  t.equal(update.length, 1);
  t.notOk(ANNOTATION in (update[0]?.metadata?.annotations ?? {}));
  t.end();
});

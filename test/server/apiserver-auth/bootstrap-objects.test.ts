/** Write access to a system namespace does not suffice to keep servers from starting. */
import { readFile } from 'node:fs/promises';
import { pino } from 'pino';
import { test } from 'tap';
import { INGRESS_IMAGE, INGRESS_NAMESPACE } from '../../../api/domain/ingress-addon.ts';
import { daemonSets } from '../../../api/kinds/apps/daemon-set.ts';
import { configMaps } from '../../../api/kinds/core/config-map.ts';
import { endpoints } from '../../../api/kinds/core/endpoints.ts';
import { namespaces } from '../../../api/kinds/core/namespace.ts';
import { nodes } from '../../../api/kinds/core/node.ts';
import { services } from '../../../api/kinds/core/service.ts';
import { ingressClasses } from '../../../api/kinds/networking/ingress-class.ts';
import { storageClasses } from '../../../api/kinds/storage/storage-class.ts';
import type { ConfigMap, NodeStatus, Service } from '../../../api/types/core/v1.gen.ts';
import { publishClusterConfiguration } from '../../../control-plane/apiserver/bootstrap/cluster-configuration.ts';
import { keepClusterInfo, publishClusterInfo } from '../../../control-plane/apiserver/bootstrap/cluster-info.ts';
import { publishClientCa } from '../../../control-plane/apiserver/bootstrap/extension-authentication.ts';
import { followIngressImage, offerIngress } from '../../../control-plane/apiserver/bootstrap/ingress-addon.ts';
import { publishTokenTracking } from '../../../control-plane/apiserver/bootstrap/legacy-token-tracking.ts';
import { bootstrapCluster } from '../../../control-plane/apiserver/bootstrap/system-objects.ts';
import type { PublishApi } from '../../../control-plane/apiserver/bootstrap/published-config-map.ts';
import { createAll, startServer } from './fixture.ts';

const CA = '-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n';
const SERVERS = { alive: ['https://192.0.2.1:6443'], own: 'https://192.0.2.1:6443' };
const NETWORK = { podCidr: '10.9.0.0/16', serviceCidr: '10.8.0.0/16', dnsDomain: 'rack.example' };
const PUBLISHED: readonly [
  namespace: string,
  name: string,
  key: string,
  publish: (api: PublishApi) => Promise<void>,
][] = [
  ['kube-system', 'kubeadm-config', 'ClusterConfiguration', (api) => publishClusterConfiguration(api, NETWORK)],
  ['kube-system', 'extension-apiserver-authentication', 'client-ca-file', (api) => publishClientCa(api, CA)],
  [
    'kube-system',
    'kube-apiserver-legacy-service-account-token-tracking',
    'since',
    (api) => publishTokenTracking(api, Date.parse('2026-01-02T23:59:59Z')),
  ],
  ['kube-public', 'cluster-info', 'kubeconfig', (api) => publishClusterInfo(api, SERVERS, CA)],
];

test('an immutable published ConfigMap is replaced, otherwise the keys of others are kept', async (t) => {
  const { api } = (await startServer(t)).core;
  for (const [namespace, name, key, publish] of PUBLISHED) {
    const read = (): ConfigMap | undefined => api.get(configMaps, namespace, name);
    await publish(api);
    const published = read()?.data?.[key];
    t.ok(published, name);
    const spoilt: readonly Partial<ConfigMap>[] = [
      { data: { [key]: 'nonsense' }, immutable: true },
      { data: { filler: 'x'.repeat(1024 * 1024) } },
    ];
    for (const [change, isDeleted] of spoilt.flatMap((each) => [[each, false] as const, [each, true] as const])) {
      const metadata = { ...read()?.metadata, finalizers: ['example.com/hold'] };
      await api.update(configMaps, { ...read(), ...change, metadata });
      if (isDeleted) await api.delete(configMaps, namespace, name);
      await Promise.all([publish(api), publish(api)]);
      t.equal(read()?.data?.[key], published, `${name} is back`);
      t.notOk(read()?.immutable);
    }
    const { metadata } = read() ?? {};
    await api.update(configMaps, { metadata, data: { [key]: '', other: 'kept' } });
    await Promise.all([publish(api), publish(api)]);
    t.strictSame(read()?.data, { [key]: published, other: 'kept' });
    await api.delete(configMaps, namespace, name);
    await Promise.all([publish(api), publish(api)]);
    t.strictSame(read()?.data, { [key]: published });
  }
});

test('cluster-info names a server that is alive, the same one for as long as it is', async (t) => {
  const { api } = (await startServer(t)).core;
  const [first, second] = ['https://192.0.2.1:6443', 'https://[2001:db8::2]:6443'] as const;
  const read = (): string => api.get(configMaps, 'kube-public', 'cluster-info')?.data?.['kubeconfig'] ?? '';
  await publishClusterInfo(api, { alive: [first], own: first }, CA);
  const both = [first, second];
  await publishClusterInfo(api, { alive: both, own: second }, 'a new CA');
  t.match(read(), `server: "${first}"`, 'who is started later does not take its place');
  t.match(read(), Buffer.from('a new CA').toString('base64'));
  await keepClusterInfo(api, { alive: both, own: second }, CA);
  t.match(
    read(),
    Buffer.from('a new CA').toString('base64'),
    'a server that knows the CA before does not bring it back',
  );
  await keepClusterInfo(api, { alive: [second], own: second }, CA);
  t.match(read(), `server: "${second}"`, 'the first one has gone');
  const others = 'clusters: [{cluster: {server: https://lb.example}}]';
  await api.update(configMaps, {
    metadata: { namespace: 'kube-public', name: 'cluster-info' },
    data: { kubeconfig: others },
  });
  await keepClusterInfo(api, { alive: [second], own: second }, CA);
  t.equal(read(), others, 'what somebody has written stays until a server is started');
});

test('the Node of the server is tainted where the settings say so', async (t) => {
  const { core, pki } = await startServer(t);
  await createAll(core, nodes, { metadata: { name: 'own' } }, { metadata: { name: 'other' } });
  const bootID = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  const nodeInfo = { bootID } as NonNullable<NodeStatus['nodeInfo']>;
  for (const [name, address] of [
    ['own', '192.0.2.1'],
    ['other', '192.0.2.2'],
  ] as const) {
    const node = core.api.get(nodes, '', name);
    await core.api.updateStatus(nodes, { ...node, status: { addresses: [{ type: 'InternalIP', address }], nodeInfo } });
  }
  const end = new AbortController();
  t.teardown(() => end.abort());
  await bootstrapCluster({
    ...{ api: core.api, clientCa: pki.ca.certificate, frontProxyCa: pki.ca.certificate, port: 6443 },
    ...{ advertiseAddress: '192.0.2.1', addresses: () => Promise.resolve(['192.0.2.1']), serviceCIDR: '10.43.0.0/16' },
    ...{ localPathClass: false, clusterDns: false, ingress: false, taintControlPlane: true, signal: end.signal },
    logger: pino({ level: 'silent' }),
  });
  t.match(core.api.get(nodes, '', 'own'), {
    metadata: { labels: { 'node-role.kubernetes.io/control-plane': '' } },
    spec: { taints: [{ key: 'node-role.kubernetes.io/control-plane', effect: 'NoSchedule' }] },
  });
  t.notOk(core.api.get(nodes, '', 'other')?.spec?.taints);
});

test('the day since which the uses of legacy tokens are noted is kept when it is one', async (t) => {
  const { api } = (await startServer(t)).core;
  const read = (): ConfigMap | undefined =>
    api.get(configMaps, 'kube-system', 'kube-apiserver-legacy-service-account-token-tracking');
  for (const [kept, expected] of [
    ['2020-02-29', '2020-02-29'],
    ['2020-02-30', '2026-01-02'],
    ['2020-2-3', '2026-01-02'],
    ['yesterday', '2026-01-02'],
  ] as const) {
    await publishTokenTracking(api, 0);
    await api.update(configMaps, { ...read(), data: { since: kept } });
    await publishTokenTracking(api, Date.parse('2026-01-02T00:00:00Z'));
    t.same(read()?.data, { since: expected });
  }
});

test('a server starts although another Service has its cluster IP', async (t) => {
  const { core, pki } = await startServer(t);
  const thief: Service = {
    metadata: { namespace: 'default', name: 'thief' },
    spec: { clusterIP: '10.43.0.1', ports: [{ port: 443 }] },
  };
  await createAll(core, services, thief);
  const end = new AbortController();
  t.teardown(() => end.abort());
  const logged: object[] = [];
  const log = (fields: object): void => void logged.push(fields);
  await bootstrapCluster({
    addresses: () => Promise.resolve(['192.0.2.1']),
    ...{
      api: core.api,
      clientCa: pki.ca.certificate,
      frontProxyCa: pki.ca.certificate,
      advertiseAddress: '192.0.2.1',
      port: 6443,
    },
    ...{ serviceCIDR: '10.43.0.0/16', localPathClass: false, clusterDns: false, ingress: false, signal: end.signal },
    taintControlPlane: false,
    logger: { debug: log, info: log, warn: log, error: log },
  });
  t.match(logged, [{ kind: 'Service', name: 'kubernetes', err: { code: 422, message: /already allocated/ } }]);
  t.ok(core.api.get(endpoints, 'default', 'kubernetes'), 'bootstrap continues after the conflict');
  t.same(core.api.list(storageClasses), [], 'no class is made unless it is asked for');
});

test('the controller of Ingresses is made once: what is edited stays, and what is deleted stays away', async (t) => {
  const { core } = await startServer(t);
  const { api } = core;
  if (!api.has(namespaces, '', 'kube-system')) await createAll(core, namespaces, { metadata: { name: 'kube-system' } });
  await offerIngress(api);
  const made = api.get(daemonSets, INGRESS_NAMESPACE, INGRESS_NAMESPACE);
  t.match(made?.spec?.template.spec, {
    hostNetwork: true,
    securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
    containers: [{ image: INGRESS_IMAGE, securityContext: { readOnlyRootFilesystem: true } }],
  });
  t.match(api.get(ingressClasses, '', 'kedge')?.metadata?.annotations, {
    'ingressclass.kubernetes.io/is-default-class': 'true',
  });
  await api.update(daemonSets, { ...made, metadata: { ...made?.metadata, labels: { edited: 'true' } } });
  await api.delete(ingressClasses, '', 'kedge');
  await offerIngress(api);
  t.equal(api.get(daemonSets, INGRESS_NAMESPACE, INGRESS_NAMESPACE)?.metadata?.labels?.['edited'], 'true');
  t.notOk(api.has(ingressClasses, '', 'kedge'));
});

test('the DaemonSet follows the image of the package when every node has it', async (t) => {
  const { core } = await startServer(t);
  const { api } = core;
  if (!api.has(namespaces, '', 'kube-system')) await createAll(core, namespaces, { metadata: { name: 'kube-system' } });
  await offerIngress(api);
  const image = (): string | undefined =>
    api.get(daemonSets, INGRESS_NAMESPACE, INGRESS_NAMESPACE)?.spec?.template.spec?.containers?.[0]?.image;
  const [next, third] = ['kedge.local/ingress:0123456789ab', 'kedge.local/ingress:ba9876543210'] as const;
  const node = (name: string, ...names: string[]) => ({ metadata: { name }, status: { images: [{ names }] } });
  await createAll(core, nodes, node('new', next, third), node('old', INGRESS_IMAGE));
  await followIngressImage(api, next);
  t.equal(image(), INGRESS_IMAGE, 'one node has not got it yet');
  await api.delete(nodes, '', 'old');
  await followIngressImage(api, next);
  t.equal(image(), next);
  await followIngressImage(api, INGRESS_IMAGE);
  t.equal(image(), next, 'a server of the package before does not put its own back');
  await followIngressImage(api, third);
  t.equal(image(), third);
  const made = api.get(daemonSets, INGRESS_NAMESPACE, INGRESS_NAMESPACE)!;
  const { spec } = made;
  const container = { ...spec?.template.spec?.containers?.[0], name: 'controller', image: 'registry.example/own:1' };
  await api.update(daemonSets, {
    ...made,
    spec: { ...spec!, template: { ...spec!.template, spec: { ...spec!.template.spec, containers: [container] } } },
  });
  await followIngressImage(api, next);
  t.equal(image(), 'registry.example/own:1', 'an image of somebody else is left alone');
});

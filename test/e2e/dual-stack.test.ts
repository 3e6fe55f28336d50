/** A cluster of two nodes that becomes dual-stack: what pods, Services, DNS, host ports and policies make of IPv6. */
import t from 'tap';
import type { Node, Pod, Service } from '../../api/types/core/v1.gen.ts';
import { Cluster, type ClusterNode } from '../support/cluster.ts';
import { Daemon } from '../support/daemon.ts';
import { pod, ranOnce } from '../support/pods.ts';
import { eventually } from '../support/wait.ts';

t.setTimeout(4 * 60_000);
const cluster = await Cluster.start({ name: 'e2e-dual', nodes: 2, ipv6: true });
cluster.endWith(t);
const [first, second] = cluster.nodes;
if (!first || !second) throw new Error('two nodes are needed');

/** Answers its name, and whom it takes the client for. */
const SERVER = `mkdir /tmp/cgi-bin && echo "$HOSTNAME" > /tmp/name &&
  printf '#!/bin/sh\\necho\\necho "$REMOTE_ADDR"\\n' > /tmp/cgi-bin/client && chmod +x /tmp/cgi-bin/client &&
  exec httpd -f -p 8080 -h /tmp`;
const serverOn = (name: string, { name: nodeName }: ClusterNode, hostPort?: number): Pod =>
  pod(
    name,
    {
      command: ['sh', '-c', SERVER],
      ports: [{ name: 'web', containerPort: 8080, ...(hostPort !== undefined && { hostPort }) }],
      readinessProbe: { httpGet: { port: 'web', path: '/name' }, periodSeconds: 1 },
      env: [
        { name: 'POD_IPS', valueFrom: { fieldRef: { fieldPath: 'status.podIPs' } } },
        { name: 'HOST_IPS', valueFrom: { fieldRef: { fieldPath: 'status.hostIPs' } } },
      ],
    },
    { nodeName },
  );
const serviceOf = (name: string, spec: Service['spec']) => ({
  ...{ apiVersion: 'v1', kind: 'Service', metadata: { name } },
  spec: { ports: [{ port: 80, targetPort: 8080 }], ...spec },
});
const inPod = async (name: string, script: string): Promise<string> =>
  (await cluster.kubectl('exec', name, '--', 'sh', '-c', script)).stdout.trim();
const fetchIn = (name: string, url: string): Promise<string> => inPod(name, `timeout 2 wget -qO- ${url} || true`);
const ipsOf = async (name: string): Promise<readonly string[]> =>
  ((await cluster.get<Pod>('pod', name)).status?.podIPs ?? []).map(({ ip }) => ip);
const ready = (...names: string[]) =>
  cluster.kubectl('wait', '--for=condition=Ready', '--timeout=60s', ...names.map((name) => `pod/${name}`));

t.test('a cluster of IPv4 becomes dual-stack by a restart of its server and agents', async (t) => {
  await cluster.apply(serverOn('old', first));
  await cluster.apply(serviceOf('old', { selector: { app: 'old' }, ipFamilyPolicy: 'PreferDualStack' }));
  await ready('old');
  t.equal((await ipsOf('old')).length, 1);
  await Promise.all([cluster.server.end(), ...cluster.nodes.map((node) => node.stopAgent())]);
  await cluster.startServer({
    'cluster-cidr': '10.42.0.0/16,fd00:42::/56',
    'service-cidr': '10.43.0.0/16,fd00:43::/112',
  });
  for (const node of cluster.nodes) await node.startAgent();
  for (const { name, directory, ip, ipv6 } of cluster.nodes) {
    const parts = await eventually(`two podCIDRs of ${name}`, async () => {
      const { spec, status } = await cluster.get<Node>('node', name);
      const addresses = (status?.addresses ?? []).flatMap(({ type, address }) =>
        type === 'InternalIP' ? address : [],
      );
      return spec?.podCIDRs?.length === 2 && addresses.join() === `${ip},${ipv6}` ? spec.podCIDRs : false;
    });
    t.match(parts, [/^10\.42\.\d\.0\/24$/, /^fd00:42:.*\/64$/]);
    const conflist = `${directory}/cni/10-kedge.conflist`;
    await eventually('the network of pods', async () =>
      (await first.run('cat', [conflist])).stdout.includes('fd00:42:'),
    );
  }
  const old = await cluster.get<Pod>('pod', 'old');
  t.ok(ranOnce(old));
  const { spec } = await cluster.get<Service>('service', 'old');
  t.strictSame(spec?.ipFamilies, ['IPv4'], 'a Service keeps its families until it is told otherwise');
  await cluster.kubectl('patch', 'service', 'old', '-p', '{"spec":{"ipFamilyPolicy":"RequireDualStack"}}');
  const upgraded = await cluster.get<Service>('service', 'old');
  t.strictSame(upgraded.spec?.ipFamilies, ['IPv4', 'IPv6']);
  t.match(upgraded.spec?.clusterIPs, [spec?.clusterIP, /^fd00:43::/]);
});

t.test('pods have addresses of both families, and reach each other across nodes', async (t) => {
  for (const one of [serverOn('a', first), serverOn('b', second, 8090)]) await cluster.apply(one);
  await ready('a', 'b');
  for (const { name, node } of [
    { name: 'a', node: first },
    { name: 'b', node: second },
  ]) {
    const [v4 = '', v6 = ''] = await ipsOf(name);
    t.match([v4, v6], [/^10\.42\./, /^fd00:42:/]);
    t.match((await cluster.get<Pod>('pod', name)).status?.hostIPs, [{ ip: node.ip }, { ip: node.ipv6 }]);
    t.equal(await inPod(name, 'echo $POD_IPS $HOST_IPS'), `${v4},${v6} ${node.ip},${node.ipv6}`);
    t.match(await inPod(name, 'cat /etc/hosts'), `\n${v4}\t${name}\n${v6}\t${name}`);
  }
  const [[, a6], [b4, b6]] = [await ipsOf('a'), await ipsOf('b')];
  await eventually('a to reach b', async () => (await fetchIn('a', `http://[${b6}]:8080/name`)) === 'b');
  t.equal(await fetchIn('a', `http://${b4}:8080/name`), 'b');
  t.match(await fetchIn('a', `http://[${b6}]:8080/cgi-bin/client`), a6, 'with its own address');
  t.equal((await first.curl(`http://[${b6}]:8080/name`)).trim(), 'b', 'from the host of another node');
  t.equal((await first.curl(`http://[${second.ipv6}]:8090/name`)).trim(), 'b', 'by a host port');
});

t.test('Services of IPv6 are reached from pods and nodes, and have names', async (t) => {
  await cluster.apply(
    serviceOf('both', { selector: { app: 'b' }, type: 'NodePort', ipFamilyPolicy: 'RequireDualStack' }),
  );
  await cluster.apply(serviceOf('six', { selector: { app: 'b' }, ipFamilies: ['IPv6'] }));
  await cluster.apply(
    serviceOf('none', { selector: { app: 'b' }, clusterIP: 'None', ipFamilyPolicy: 'PreferDualStack' }),
  );
  const { spec } = await cluster.get<Service>('service', 'both');
  const [clusterIP4 = '', clusterIP6 = ''] = spec?.clusterIPs ?? [];
  t.match([clusterIP4, clusterIP6], [/^10\.43\./, /^fd00:43::/]);
  await eventually('the Service', async () => (await fetchIn('a', `http://[${clusterIP6}]/name`)) === 'b');
  t.equal(await fetchIn('a', 'http://six/name'), 'b');
  const nodePort = spec?.ports?.[0]?.nodePort;
  for (const node of cluster.nodes)
    t.equal((await first.curl(`http://[${node.ipv6}]:${nodePort}/name`)).trim(), 'b', `node port of ${node.name}`);
  const lookup = async (name: string): Promise<string[]> => {
    const answer = await inPod('a', `nslookup ${name}.default.svc.cluster.local.`);
    return [...answer.matchAll(/^Name:.*\nAddress: (\S+)/gm)].map(([, address = '']) => address).sort();
  };
  t.strictSame(await lookup('both'), [clusterIP4, clusterIP6].sort());
  t.strictSame(await lookup('none'), (await ipsOf('b')).toSorted());
  t.match(await inPod('a', `nslookup ${clusterIP6}`), 'name = both.default.svc.cluster.local');
});

t.test('what leaves the cluster has the address of the node', async (t) => {
  // It prints whom it takes the client for.
  const listener = `require('net').createServer((socket) => socket.end(socket.remoteAddress)).listen(8081, '${first.ipv6}')`;
  const outside = new Daemon(process.execPath, ['-e', listener], {
    netns: first.netns,
    log: `${first.directory}/outside.log`,
  });
  t.teardown(() => outside.end());
  await eventually(
    'the node to be asked',
    async () => (await inPod('b', `timeout 2 nc ${first.ipv6} 8081 || true`)) === second.ipv6,
  );
});

t.test('a policy that admits IPv4 alone keeps IPv6 out', async (t) => {
  const [b4, b6] = await ipsOf('b');
  await cluster.apply({
    ...{ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name: 'four' } },
    spec: {
      podSelector: { matchLabels: { app: 'b' } },
      policyTypes: ['Ingress'],
      ingress: [{ from: [{ ipBlock: { cidr: '0.0.0.0/0' } }] }],
    },
  });
  await eventually('IPv6 to be kept out', async () => (await fetchIn('a', `http://[${b6}]:8080/name`)) === '');
  t.equal(await fetchIn('a', `http://${b4}:8080/name`), 'b');
  await cluster.kubectl('delete', 'networkpolicy', 'four');
  await cluster.apply({
    ...{ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name: 'six' } },
    spec: {
      podSelector: { matchLabels: { app: 'b' } },
      policyTypes: ['Ingress'],
      ingress: [{ from: [{ ipBlock: { cidr: '::/0' } }] }],
    },
  });
  await eventually('IPv6 to be let in', async () => (await fetchIn('a', `http://[${b6}]:8080/name`)) === 'b');
  await eventually('IPv4 to be kept out', async () => (await fetchIn('a', `http://${b4}:8080/name`)) === '');
});

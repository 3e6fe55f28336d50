/** The network of pods on whole hosts: they reach each other by VXLAN, and have the bandwidth that they are annotated with. */
import t from 'tap';
import { Cluster } from '../support/cluster.ts';
import { pod } from '../support/pods.ts';
import { eventually } from '../support/wait.ts';
import type { Pod, Service } from '../../api/types/core/v1.gen.ts';

t.setTimeout(4 * 60_000);
const cluster = await Cluster.start({ name: 'e2e-overlay', nodes: 2, agent: { vxlan: 'always' } });
cluster.endWith(t);
const [first, second] = cluster.nodes;
if (!first || !second) throw new Error('two nodes are needed');

const server = { command: ['sh', '-c', 'echo "$HOSTNAME" > /tmp/name && exec httpd -f -p 8080 -h /tmp'] };
const isReady = async (name: string): Promise<string | false> => {
  const { status } = await cluster.get<Pod>('pod', name);
  return status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ? status.podIP! : false;
};
const start = async (name: string, nodeName: string): Promise<string> => {
  await cluster.apply(pod(name, server, { nodeName }));
  return eventually(`pod ${name}`, () => isReady(name), 90);
};
const fromPod = async (name: string, ...command: string[]): Promise<string> =>
  (await cluster.kubectl('exec', name, '--', ...command)).stdout.trim();

t.test('pods of two hosts reach each other, by their addresses and by Services', async (t) => {
  // What pods are told of the MTU is known once the other node is.
  for (const { host, conf } of [
    { host: first, conf: `${first.directory}/cni/10-kedge.conflist` },
    { host: second, conf: `${second.directory}/cni/10-kedge.conflist` },
  ])
    await eventually('the MTU', async () => (await host.run('cat', [conf])).stdout.includes('"mtu": 1450'));
  const [a, b] = [await start('a', first.name), await start('b', second.name)];
  t.match((await first.run('ip', ['route', 'get', b])).stdout, 'dev kedge.vxlan');
  t.equal(await fromPod('a', 'wget', '-qO-', `http://${b}:8080/name`), 'b');
  t.equal(await fromPod('b', 'wget', '-qO-', `http://${a}:8080/name`), 'a');
  t.equal((await first.curl(`http://${b}:8080/name`)).trim(), 'b', 'a host reaches the pods of the other');
  t.match(await fromPod('a', 'cat', '/sys/class/net/eth0/mtu'), /^1450$/);
  await cluster.kubectl('expose', 'pod', 'b', '--port=80', '--target-port=8080');
  const { spec } = await cluster.get<Service>('service', 'b');
  await eventually(
    'the Service',
    async () => (await fromPod('a', 'wget', '-qO-', `http://${spec?.clusterIP}/name`)) === 'b',
  );
});

t.test('the bandwidth of a pod is what its annotations say', async (t) => {
  const annotations = { 'kubernetes.io/ingress-bandwidth': '2M', 'kubernetes.io/egress-bandwidth': '1M' };
  const slow = pod('slow', server, { nodeName: first.name });
  await cluster.apply({ ...slow, metadata: { ...slow.metadata, annotations } });
  await eventually('pod slow', () => isReady('slow'), 90);
  const qdiscs = async (): Promise<string> => (await first.run('tc', ['qdisc', 'show'])).stdout;
  // Into the pod at its link on the bridge, out of it at a link of its own.
  t.match(await qdiscs(), / dev veth\S+ root .*rate 2Mbit/);
  t.match(await qdiscs(), / dev bwp\S+ root .*rate 1Mbit/);
  await cluster.kubectl('delete', 'pod', 'slow');
  await eventually('nothing to be left', async () => !(await qdiscs()).includes('bwp'));
});

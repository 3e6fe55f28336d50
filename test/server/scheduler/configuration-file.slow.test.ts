/** `--scheduler-config` of a running server. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t from 'tap';
import { ApiClient } from '../../../client/api-client.ts';
import { loadKubeconfig } from '../../../client/kubeconfig.ts';
import { nodes, pods, serviceAccounts } from '../../../client/resources.gen.ts';
import type { Node, Pod } from '../../../api/types/core/v1.gen.ts';
import { leads, serverProcess } from '../../support/server-process.ts';
import { eventually } from '../../support/wait.ts';

const PROFILES = `
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
profiles:
  - schedulerName: default-scheduler
  - schedulerName: packing
    plugins: { multiPoint: { disabled: [{ name: NodeResourcesBalancedAllocation }] } }
    pluginConfig:
      - name: NodeResourcesFit
        args: { scoringStrategy: { type: MostAllocated, resources: [{ name: cpu }] } }
`;
const folder = await mkdtemp(path.join(tmpdir(), 'scheduler-config-'));
t.teardown(() => rm(folder, { recursive: true, force: true }));
const file = path.join(folder, 'scheduler.yaml');
const kubeconfig = path.join(folder, 'admin.kubeconfig');
const server = () =>
  serverProcess(
    folder,
    ...['--port=0', `--admin-kubeconfig=${kubeconfig}`, '--roles=apiserver,scheduler', `--scheduler-config=${file}`],
  );

const pod = (name: string, schedulerName: string, nodeName?: string): Pod => ({
  metadata: { name, namespace: 'default' },
  spec: { schedulerName, nodeName, containers: [{ name: 'c', image: 'i', resources: { requests: { cpu: '1' } } }] },
});

async function addNode(client: ApiClient, name: string): Promise<void> {
  const node = await client.create<Node>(nodes, { metadata: { name } });
  const room = { cpu: '4', memory: '8Gi', pods: '10' };
  const conditions = [{ type: 'Ready', status: 'True' as const }];
  await client.updateStatus<Node>(nodes, { ...node, status: { capacity: room, allocatable: room, conditions } });
  const { spec } = await client.get(nodes, '', name);
  if (spec?.taints) await client.update<Node>(nodes, { ...(await client.get(nodes, '', name)), spec: {} });
}

t.test('pods are scheduled by the profile that they name', { timeout: 120_000 }, async (t) => {
  await writeFile(file, PROFILES);
  await using running = server();
  await eventually('the scheduler to be active', () => leads(running));
  await using client = new ApiClient({ ...(await loadKubeconfig(kubeconfig)) });
  // No controller runs that makes it, or that marks nodes without an agent.
  await client.create(serviceAccounts, { metadata: { name: 'default', namespace: 'default' } });
  await addNode(client, 'full');
  await addNode(client, 'empty');
  await client.create(pods, pod('there', 'default-scheduler', 'full'));
  const nodeOf = async (name: string) => (await client.get(pods, 'default', name)).spec?.nodeName;
  for (const [name, scheduler, expected] of [
    ['packed', 'packing', 'full'],
    ['spread', 'default-scheduler', 'empty'],
  ] as const) {
    await client.create(pods, pod(name, scheduler));
    t.equal(await eventually(`${name} to be bound`, () => nodeOf(name)), expected, name);
  }
  await client.create(pods, pod('another', 'somebody-else'));
  const { body } = await client.request('GET', '/metrics');
  for (const profile of ['packing', 'default-scheduler'])
    t.match(body, `scheduler_schedule_attempts_total{result="scheduled",profile="${profile}"} 1`);
  t.notOk(await nodeOf('another'), 'a pod of no profile is left to others');
});

t.test('a server does not start with a configuration that is wrong', { timeout: 60_000 }, async (t) => {
  await writeFile(file, PROFILES.replace('MostAllocated', 'Fullest').replace('resources:', 'resourcez:'));
  await using refused = server();
  await refused.ended();
  t.equal(refused.exitCode, 1);
  const said = (await refused.output()).trim().split('\n').at(-1) ?? '';
  t.match(said, `scheduler configuration ${file}: `);
  t.match(said, 'profiles[1].pluginConfig[0].args');
  t.match(said, 'resourcez');
});

/** The cloud node controller and a file against a real api-server. */
import { rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'tap';
import { events, nodes } from '../../../client/resources.gen.ts';
import { cloudNodeController } from '../../../control-plane/controllers/nodes/cloud-node.ts';
import { eventually } from '../../support/wait.ts';
import { RunningControllers } from './running-controllers.ts';
import type { Taint } from '../../../api/types/core/v1.gen.ts';

const WAITING: Taint = { key: 'node.cloudprovider.kubernetes.io/uninitialized', value: 'true', effect: 'NoSchedule' };

test('Nodes follow the inventory', async (t) => {
  const file = path.join(t.testdir({ 'hosts.yaml': 'hosts: [' }), 'hosts.yaml');
  const replace = async (text: string) => {
    await writeFile(`${file}.new`, text);
    await rename(`${file}.new`, file);
  };
  await using running = await RunningControllers.start(cloudNodeController(file, 50));
  const { client } = running;
  const find = (name: string) => client.get(nodes, '', name);
  const register = (name: string, taints: Taint[]) => client.create(nodes, { metadata: { name }, spec: { taints } });
  await register('node-1', [WAITING]);
  await register('node-2', [WAITING]);
  await register('node-3', []);

  await replace('hosts:\n- {name: node-1, zone: rack-1, addresses: [{type: InternalIP, address: 10.0.0.1}]}\n');
  const first = await eventually('the first to be initialized', async () => {
    const { metadata, spec, status } = await find('node-1');
    return spec?.taints === undefined && { labels: metadata?.labels, id: spec?.providerID, at: status?.addresses };
  });
  t.match(first, {
    labels: { 'topology.kubernetes.io/zone': 'rack-1' },
    id: 'inventory://node-1',
    at: [{ type: 'InternalIP', address: '10.0.0.1' }],
  });
  t.strictSame((await find('node-2')).spec?.taints, [WAITING], 'nobody knows the second');
  await eventually('an event that says so', async () => {
    return (await client.listAll(events)).some(({ reason }) => reason === 'HostNotInInventory');
  });

  await replace('hosts: [{name: node-1, zone: "a b"}]');
  await replace('hosts: [{name: node-2}, {name: node-1, zone: rack-2}]');
  await eventually('the second', async () => (await find('node-2')).spec?.providerID === 'inventory://node-2');
  await eventually('the move of the first', async () => {
    const { metadata } = await find('node-1');
    return metadata?.labels?.['topology.kubernetes.io/zone'] === 'rack-2';
  });

  await replace('hosts: [{name: node-1}]');
  await eventually('the second to be gone', async () => {
    const left = await client.listAll(nodes);
    return left.map(({ metadata }) => metadata?.name).join() === 'node-1,node-3';
  });
  t.strictSame((await find('node-3')).spec?.providerID, undefined, 'nobody has asked for it');
});

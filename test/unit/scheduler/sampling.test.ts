/** How many nodes are looked at for a pod, and which. */
import t from 'tap';
import { SchedulingCache } from '../../../control-plane/scheduler/cache.ts';
import { interleaved, NodeSampling } from '../../../control-plane/scheduler/framework/node-sampling.ts';
import type { NodeInfo } from '../../../control-plane/scheduler/framework/node-info.ts';
import { factsOf, nodeOf } from './objects.ts';

const nodesOf = (count: number): NodeInfo[] => Array.from({ length: count }, (_, index) => nodeOf(`n${index}`));
const inZone = (name: string, zone: string) => ({
  metadata: { name, labels: { 'topology.kubernetes.io/zone': zone } },
});

t.test('the share of the nodes that is looked at', async (t) => {
  for (const [nodes, feasible] of [
    [3, 3],
    [100, 100],
    [150, 100],
    [1000, 420],
    [5000, 500],
    [7000, 350],
  ] as const) {
    t.equal(new NodeSampling().findFeasible(nodesOf(nodes), () => true).length, feasible, `${nodes} nodes`);
  }
});

t.test('each pod begins where the last one ended', async (t) => {
  const nodes = nodesOf(250);
  const sampling = new NodeSampling();
  const firstOf = () => sampling.findFeasible(nodes, () => true)[0]?.facts.name;
  t.same([firstOf(), firstOf(), firstOf(), firstOf()], ['n0', 'n120', 'n240', 'n110']);
});

t.test('all nodes are looked at before a pod is given up', async (t) => {
  const nodes = nodesOf(400);
  const sampling = new NodeSampling();
  sampling.findFeasible(nodes, () => true);
  const seen = new Set<string>();
  const found = sampling.findFeasible(nodes, ({ facts }) => {
    seen.add(facts.name);
    return facts.name === 'n1';
  });
  t.same(
    found.map(({ facts }) => facts.name),
    ['n1'],
  );
  t.equal(seen.size, 400);
});

t.test('zones take turns', async (t) => {
  const names = (nodes: Iterable<NodeInfo>) => [...nodes].map(({ facts }) => facts.name).join(' ');
  const nodes = [inZone('a1', 'a'), inZone('a2', 'a'), inZone('a3', 'a'), inZone('b1', 'b')].map((node) =>
    nodeOf(node.metadata.name, node),
  );
  t.equal(names(interleaved(nodes)), 'a1 b1 a2 a3');
  const cache = new SchedulingCache();
  for (const { facts } of nodes) cache.setNode(facts);
  t.equal(names(cache.nodes), 'a1 b1 a2 a3');
  cache.setNode(factsOf('a2', inZone('a2', 'c')));
  t.equal(names(cache.nodes), 'a1 a2 b1 a3', 'a node that has moved');
});

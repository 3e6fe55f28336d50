import t from 'tap';
import type { PodSpec } from '../../../api/types/core/v1.gen.ts';
import type { Decision } from '../../../control-plane/scheduler/decide.ts';
import { podRequests } from '../../../control-plane/scheduler/framework/resources.ts';
import { defaultPlugins } from '../../../control-plane/scheduler/plugins/index.ts';
import { decideOn, nodeOf, pending, podOf, requesting } from './objects.ts';

/** Without the plugin that has something to add to each message. */
const plugins = defaultPlugins.filter(({ name }) => name !== 'DefaultPreemption');

const message = (decision: Decision): string => ('message' in decision ? decision.message : `went to ${decision.node}`);

t.test('a pod is assigned to the node with the most free resources', async (t) => {
  const busy = nodeOf('busy', {}, [podOf('other', requesting({ cpu: '1', memory: '2Gi' }))]);
  t.equal(decideOn(pending(requesting({ cpu: '100m' })), [busy, nodeOf('empty')], plugins).node, 'empty');
});

t.test("an unschedulable pod's message counts each reason", async (t) => {
  const nodes = [
    nodeOf('small', { status: { allocatable: { cpu: '1', memory: '1Gi', pods: '110' } } }),
    nodeOf('cordoned', { spec: { unschedulable: true } }),
    nodeOf('tainted', { spec: { taints: [{ key: 'dedicated', value: 'db', effect: 'NoSchedule' }] } }),
    nodeOf('full', { status: { allocatable: { cpu: '8', memory: '32Gi', pods: '0' } } }),
  ];
  const decision = decideOn(pending(requesting({ cpu: '4', memory: '8Gi' })), nodes, plugins);
  t.equal(
    message(decision),
    '0/4 nodes are available: 1 Insufficient cpu, 1 Insufficient memory, 1 Too many pods, 1 node(s) had untolerated taint(s), 1 node(s) were unschedulable.',
  );
  t.match(decision, { rejectedBy: new Set(['NodeResourcesFit', 'NodeUnschedulable', 'TaintToleration']) });
});

t.test('no nodes', async (t) => {
  t.equal(message(decideOn(pending(), [], plugins)), 'no nodes available to schedule pods');
});

t.test('nodeSelector and required node affinity filter nodes', async (t) => {
  const ssd = nodeOf('ssd', { metadata: { name: 'ssd', labels: { disk: 'ssd', cores: '8' } } });
  const nodes = [nodeOf('plain'), ssd];
  t.equal(decideOn(pending({ nodeSelector: { disk: 'ssd' } }), nodes, plugins).node, 'ssd');
  const moreCores = { matchExpressions: [{ key: 'cores', operator: 'Gt' as const, values: ['4'] }] };
  const affinity = {
    nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [moreCores] } },
  };
  t.equal(decideOn(pending({ affinity }), nodes, plugins).node, 'ssd');
  const refused = decideOn(pending({ nodeSelector: { disk: 'tape' } }), nodes, plugins);
  t.equal(message(refused), "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.");
});

t.test('tolerations permit tainted nodes, and PreferNoSchedule lowers the score', async (t) => {
  const tainted = nodeOf('tainted', { spec: { taints: [{ key: 'dedicated', value: 'db', effect: 'NoSchedule' }] } });
  t.equal(decideOn(pending({ tolerations: [{ key: 'dedicated', value: 'db' }] }), [tainted], plugins).node, 'tainted');
  t.equal(decideOn(pending({ tolerations: [{ operator: 'Exists' }] }), [tainted], plugins).node, 'tainted');
  const avoided = nodeOf('a', { spec: { taints: [{ key: 'slow', effect: 'PreferNoSchedule' }] } });
  t.equal(decideOn(pending(), [avoided, nodeOf('b')], plugins).node, 'b');
  t.equal(decideOn(pending(), [avoided], plugins).node, 'a');
});

t.test('a host port is used once per node', async (t) => {
  const withPort: Partial<PodSpec> = {
    containers: [{ name: 'c', ports: [{ containerPort: 80, hostPort: 8080, protocol: 'TCP' }] }],
  };
  const taken = nodeOf('taken', {}, [podOf('other', withPort)]);
  t.equal(decideOn(pending(withPort), [taken, nodeOf('free')], plugins).node, 'free');
  t.match(message(decideOn(pending(withPort), [taken], plugins)), /free ports for the requested pod ports/);
  const udp: Partial<PodSpec> = {
    containers: [{ name: 'c', ports: [{ containerPort: 80, hostPort: 8080, protocol: 'UDP' }] }],
  };
  t.equal(decideOn(pending(udp), [taken], plugins).node, 'taken');
});

t.test('a node that has the image is preferred, other things being equal', async (t) => {
  const images = [{ names: ['docker.io/library/web:1'], sizeBytes: 900 * 1024 * 1024 }];
  const allocatable = { cpu: '2', memory: '4Gi', pods: '110' };
  const having = nodeOf('having', { status: { allocatable, images } });
  t.equal(decideOn(pending(), [nodeOf('other'), having], plugins).node, 'having');
});

t.test('images match whichever way the pod writes their names', async (t) => {
  const images = [{ names: ['docker.io/library/web:latest'], sizeBytes: 900 * 1024 * 1024 }];
  const allocatable = { cpu: '2', memory: '4Gi', pods: '110' };
  const nodes = [nodeOf('other'), nodeOf('having', { status: { allocatable, images } })];
  for (const image of ['web', 'library/web', 'docker.io/library/web:latest'])
    t.equal(decideOn(pending({ containers: [{ name: 'c', image }] }), nodes, plugins).node, 'having', image);
});

t.test("a pod's request is its maximum over init and main containers", async (t) => {
  const requests = podRequests({
    initContainers: [
      { name: 'sidecar', restartPolicy: 'Always', resources: { requests: { cpu: '100m' } } },
      { name: 'migrate', resources: { requests: { cpu: '2', memory: '1Gi' } } },
    ],
    containers: [
      { name: 'a', resources: { requests: { cpu: '500m', memory: '256Mi' } } },
      { name: 'b', resources: { requests: { cpu: '500m' } } },
    ],
    overhead: { cpu: '50m' },
  });
  t.equal(requests.milliCpu, 2150, 'the init container plus the sidecar, and the overhead');
  t.equal(requests.memory, 1024 ** 3);
});

t.test('a DaemonSet pod is filtered on the one node that its affinity names', async (t) => {
  const onNode = (...values: string[]): Partial<PodSpec> => {
    const named = values.map((value) => ({
      matchFields: [{ key: 'metadata.name', operator: 'In' as const, values: [value] }],
    }));
    return {
      affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: named } } },
    };
  };
  const small = { status: { allocatable: { cpu: '1', memory: '4Gi', pods: '110' } } };
  const nodes = [nodeOf('a'), nodeOf('b', small), nodeOf('c')];
  t.equal(decideOn(pending(onNode('b')), nodes, plugins).node, 'b');
  t.equal(decideOn(pending(onNode('gone', 'c')), nodes, plugins).node, 'c', 'terms are ORed');
  const refused = decideOn(pending({ ...onNode('b'), ...requesting({ cpu: '2' }) }), nodes, plugins);
  t.equal(
    message(refused),
    "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't satisfy plugin(s) [NodeAffinity].",
  );
  t.match(refused, { rejectedBy: new Set(['NodeAffinity', 'NodeResourcesFit']) });
});

t.test('conflicting node affinity is rejected by pre-filter', async (t) => {
  const matchFields = ['a', 'b'].map((name) => ({ key: 'metadata.name', operator: 'In' as const, values: [name] }));
  const affinity = {
    nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchFields }] } },
  };
  t.equal(
    message(decideOn(pending({ affinity }), [nodeOf('a'), nodeOf('b')], plugins)),
    '0/2 nodes are available: pod affinity terms conflict.',
  );
});

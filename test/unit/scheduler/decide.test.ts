import t from 'tap';
import { decide, type Decision } from '../../../control-plane/scheduler/decide.ts';
import { NodeInfo, nodeFacts } from '../../../control-plane/scheduler/node-info.ts';
import type { WaitingPod } from '../../../control-plane/scheduler/plugin.ts';
import { defaultPlugins } from '../../../control-plane/scheduler/plugins/index.ts';
import { podInfo } from '../../../control-plane/scheduler/pod-info.ts';
import { podRequests } from '../../../control-plane/scheduler/resources.ts';
import type { Node, Pod } from '../../../api/types/core/v1.gen.ts';

type Spec = NonNullable<Pod['spec']>;
const podOf = (name: string, spec: Partial<Spec>): Pod => ({
  metadata: { name, namespace: 'default', uid: `uid-${name}` },
  spec: { containers: [{ name: 'c', image: 'web:1' }], ...spec },
});
const waiting = (spec: Partial<Spec> = {}): WaitingPod => podInfo(podOf('p', spec)) as WaitingPod;
const requesting = (requests: Record<string, string>): Partial<Spec> => ({
  containers: [{ name: 'c', resources: { requests } }],
});

function nodeOf(name: string, changes: Partial<Node> = {}, pods: Pod[] = []): NodeInfo {
  const info = new NodeInfo(
    nodeFacts({
      metadata: { name, labels: { 'kubernetes.io/hostname': name }, ...changes.metadata },
      spec: changes.spec,
      status: { allocatable: { cpu: '2', memory: '4Gi', pods: '110' }, ...changes.status },
    }),
  );
  for (const pod of pods) info.add(podInfo(pod));
  return info;
}
const first = (): number => 0;
const message = (decision: Decision): string => ('message' in decision ? decision.message : `went to ${decision.node}`);

t.test('a pod goes to the node that has most room left', async (t) => {
  const busy = nodeOf('busy', {}, [podOf('other', requesting({ cpu: '1', memory: '2Gi' }))]);
  t.equal(decide(waiting(requesting({ cpu: '100m' })), [busy, nodeOf('empty')], defaultPlugins, first).node, 'empty');
});

t.test('what no node can take is refused with the count of each reason', async (t) => {
  const nodes = [
    nodeOf('small', { status: { allocatable: { cpu: '1', memory: '1Gi', pods: '110' } } }),
    nodeOf('cordoned', { spec: { unschedulable: true } }),
    nodeOf('tainted', { spec: { taints: [{ key: 'dedicated', value: 'db', effect: 'NoSchedule' }] } }),
    nodeOf('full', { status: { allocatable: { cpu: '8', memory: '32Gi', pods: '0' } } }),
  ];
  const decision = decide(waiting(requesting({ cpu: '4', memory: '8Gi' })), nodes, defaultPlugins, first);
  t.equal(
    message(decision),
    '0/4 nodes are available: 1 Insufficient cpu, 1 Insufficient memory, 1 Too many pods, 1 node(s) had untolerated taint(s), 1 node(s) were unschedulable.',
  );
  t.match(decision, { refusedBy: new Set(['NodeResourcesFit', 'NodeUnschedulable', 'TaintToleration']) });
});

t.test('a cluster without nodes says so', async (t) => {
  t.equal(
    message(decide(waiting(), [], defaultPlugins, first)),
    '0/0 nodes are available: no nodes available to schedule pods',
  );
});

t.test('node selectors and required affinity pick nodes by label', async (t) => {
  const ssd = nodeOf('ssd', { metadata: { name: 'ssd', labels: { disk: 'ssd', cores: '8' } } });
  const nodes = [nodeOf('plain'), ssd];
  t.equal(decide(waiting({ nodeSelector: { disk: 'ssd' } }), nodes, defaultPlugins, first).node, 'ssd');
  const moreCores = { matchExpressions: [{ key: 'cores', operator: 'Gt' as const, values: ['4'] }] };
  const affinity = {
    nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [moreCores] } },
  };
  t.equal(decide(waiting({ affinity }), nodes, defaultPlugins, first).node, 'ssd');
  const refused = decide(waiting({ nodeSelector: { disk: 'tape' } }), nodes, defaultPlugins, first);
  t.equal(message(refused), "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.");
});

t.test('tolerations let a pod onto tainted nodes, and PreferNoSchedule only costs score', async (t) => {
  const tainted = nodeOf('tainted', { spec: { taints: [{ key: 'dedicated', value: 'db', effect: 'NoSchedule' }] } });
  t.equal(
    decide(waiting({ tolerations: [{ key: 'dedicated', value: 'db' }] }), [tainted], defaultPlugins, first).node,
    'tainted',
  );
  t.equal(decide(waiting({ tolerations: [{ operator: 'Exists' }] }), [tainted], defaultPlugins, first).node, 'tainted');
  const avoided = nodeOf('a', { spec: { taints: [{ key: 'slow', effect: 'PreferNoSchedule' }] } });
  t.equal(decide(waiting(), [avoided, nodeOf('b')], defaultPlugins, first).node, 'b');
  t.equal(decide(waiting(), [avoided], defaultPlugins, first).node, 'a');
});

t.test('a host port is given out once per node', async (t) => {
  const withPort: Partial<Spec> = {
    containers: [{ name: 'c', ports: [{ containerPort: 80, hostPort: 8080, protocol: 'TCP' }] }],
  };
  const taken = nodeOf('taken', {}, [podOf('other', withPort)]);
  t.equal(decide(waiting(withPort), [taken, nodeOf('free')], defaultPlugins, first).node, 'free');
  t.match(message(decide(waiting(withPort), [taken], defaultPlugins, first)), /free ports for the requested pod ports/);
  const udp: Partial<Spec> = {
    containers: [{ name: 'c', ports: [{ containerPort: 80, hostPort: 8080, protocol: 'UDP' }] }],
  };
  t.equal(decide(waiting(udp), [taken], defaultPlugins, first).node, 'taken');
});

t.test('a node that has the image is preferred when nothing else differs', async (t) => {
  const images = [{ names: ['docker.io/library/web:1'], sizeBytes: 900 * 1024 * 1024 }];
  const allocatable = { cpu: '2', memory: '4Gi', pods: '110' };
  const having = nodeOf('having', { status: { allocatable, images } });
  t.equal(decide(waiting(), [nodeOf('other'), having], defaultPlugins, first).node, 'having');
});

t.test('a pod requests the most it needs at any moment', async (t) => {
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
  t.equal(requests.milliCpu, 2150, 'the init container beside the sidecar, and the overhead');
  t.equal(requests.memory, 1024 ** 3);
});

/** Which events requeue a pod, by the plugin that rejected it. */
import t from 'tap';
import type { Node, PodSpec } from '../../../api/types/core/v1.gen.ts';
import {
  canHelp,
  nodeUpdateEvents,
  type ClusterEvent,
} from '../../../control-plane/scheduler/framework/cluster-event.ts';
import { defaultPlugins } from '../../../control-plane/scheduler/plugins/index.ts';
import { bound, factsOf, pending, requesting } from './objects.ts';
import { claimNamed, classNamed, volumeOn } from './storage.ts';

const added = (changes: Partial<Node> = {}): ClusterEvent[] => [{ type: 'NodeAdd', node: factsOf('n', changes) }];
const updated = (from: Partial<Node>, to: Partial<Node>): ClusterEvent[] =>
  nodeUpdateEvents(factsOf('n', from), factsOf('n', to));
const deleted = (spec: Partial<PodSpec>): ClusterEvent[] => [
  { type: 'AssignedPodDelete', pod: bound('other', 'n', spec) },
];

const labelled = (disk: string): Partial<Node> => ({ metadata: { name: 'n', labels: { disk } } });
const tainted = (key: string): Partial<Node> => ({ spec: { taints: [{ key, effect: 'NoSchedule' }] } });
const sized = (cpu: string, memory = '4Gi', pods = '110'): Partial<Node> => ({
  status: { allocatable: { cpu, memory, pods } },
});
const cordoned: Partial<Node> = { spec: { unschedulable: true } };
const port = (hostPort: number): Partial<PodSpec> => ({
  containers: [{ name: 'c', ports: [{ containerPort: 80, hostPort, protocol: 'TCP' }] }],
});

const using = (claimName: string): Partial<PodSpec> => ({
  volumes: [{ name: 'v', persistentVolumeClaim: { claimName } }],
});
const claimEvent = (name: string, namespace: string): ClusterEvent => ({
  type: 'PersistentVolumeClaimUpdate',
  claim: claimNamed(name, '1Gi', {}, { namespace }),
});
const classEvent = (topologies: boolean): ClusterEvent => ({
  type: 'StorageClassUpdate',
  old: classNamed('disks'),
  now: classNamed('disks', topologies ? { allowedTopologies: [{}] } : { allowVolumeExpansion: true }),
});
const zoneEvent = (label: string): ClusterEvent => ({
  type: 'PersistentVolumeUpdate',
  old: volumeOn('n', 'v'),
  now: volumeOn('n', 'v', '1Gi', {}, { labels: { [label]: 'west' } }),
});

const cases: [plugin: string, what: string, pod: Partial<PodSpec>, events: ClusterEvent[], helps: boolean][] = [
  ['NodeUnschedulable', 'a node is added', {}, added(), true],
  ['NodeUnschedulable', 'a cordoned node is added', {}, added(cordoned), false],
  ['NodeUnschedulable', 'a node is uncordoned', {}, updated(cordoned, {}), true],
  ['NodeUnschedulable', 'a node is cordoned', {}, updated({}, cordoned), false],
  ['NodeName', 'a node is added', {}, added(), true],
  ['TaintToleration', 'a taint is removed', {}, updated(tainted('a'), {}), true],
  ['TaintToleration', 'one taint replaces another', {}, updated(tainted('a'), tainted('b')), false],
  [
    'TaintToleration',
    'a taint is replaced by a tolerated one',
    { tolerations: [{ key: 'b', operator: 'Exists' }] },
    updated(tainted('a'), tainted('b')),
    true,
  ],
  ['TaintToleration', 'a tainted node is added', {}, added(tainted('a')), false],
  ['TaintToleration', 'a node is added', {}, added(), true],
  [
    'NodeAffinity',
    'the label is added',
    { nodeSelector: { disk: 'ssd' } },
    updated(labelled('hdd'), labelled('ssd')),
    true,
  ],
  [
    'NodeAffinity',
    'the label is removed',
    { nodeSelector: { disk: 'ssd' } },
    updated(labelled('ssd'), labelled('hdd')),
    false,
  ],
  ['NodeAffinity', 'a node without the label is added', { nodeSelector: { disk: 'ssd' } }, added(), false],
  ['NodeAffinity', 'a node with the label is added', { nodeSelector: { disk: 'ssd' } }, added(labelled('ssd')), true],
  ['NodePorts', 'a pod with the port is deleted', port(80), deleted(port(80)), true],
  ['NodePorts', 'a pod with another port is deleted', port(80), deleted(port(81)), false],
  ['NodePorts', 'a node is added', port(80), added(), true],
  ['NodeResourcesFit', 'a pod is deleted', requesting({ cpu: '2' }), deleted({}), true],
  ['NodeResourcesFit', 'a node is added', requesting({ cpu: '2' }), added(), true],
  ['NodeResourcesFit', 'a node that is too small is added', requesting({ cpu: '3' }), added(), false],
  ['NodeResourcesFit', 'a node grows', requesting({ cpu: '3' }), updated(sized('2'), sized('4')), true],
  ['NodeResourcesFit', 'a node grows too little', requesting({ cpu: '3' }), updated(sized('1'), sized('2')), false],
  [
    'NodeResourcesFit',
    'a node grows in another resource',
    requesting({ cpu: '1' }),
    updated(sized('2'), sized('2', '8Gi')),
    false,
  ],
  ['NodeResourcesFit', 'a node allows more pods', {}, updated(sized('2', '4Gi', '1'), sized('2', '4Gi', '2')), true],
  ['NodeResourcesFit', 'a node is labelled', {}, updated({}, labelled('ssd')), false],
  ['ImageLocality', 'a node is added', {}, added(), false],
  ['VolumeBinding', 'its claim changes', using('data'), [claimEvent('data', 'default')], true],
  ['VolumeBinding', 'a claim of another namespace changes', using('data'), [claimEvent('data', 'other')], false],
  ['VolumeBinding', 'another claim changes', using('data'), [claimEvent('more', 'default')], false],
  [
    'VolumeBinding',
    'a volume is added',
    using('data'),
    [{ type: 'PersistentVolumeAdd', volume: volumeOn('n', 'v') }],
    true,
  ],
  ['VolumeBinding', 'allowedTopologies change', using('data'), [classEvent(true)], true],
  ['VolumeBinding', 'a class changes otherwise', using('data'), [classEvent(false)], false],
  ['VolumeRestrictions', 'a pod with its claim goes', using('data'), deleted(using('data')), true],
  ['VolumeRestrictions', 'a pod with another claim goes', using('data'), deleted(using('more')), false],
  ['VolumeZone', 'a volume gets a zone', using('data'), [zoneEvent('topology.kubernetes.io/zone')], true],
  ['VolumeZone', 'a volume gets another label', using('data'), [zoneEvent('disk')], false],
];

for (const [name, what, spec, events, helps] of cases) {
  t.test(`${name}: ${what}: the pod is ${helps ? '' : 'not '}requeued`, async (t) => {
    const plugin = defaultPlugins.find((one) => one.name === name);
    const hints = plugin?.queueingHints ?? {};
    t.equal(
      events.some((event) => canHelp(hints, pending(spec), event)),
      helps,
    );
  });
}

t.test('a node update that is irrelevant for scheduling is no event', async (t) => {
  const images = [{ names: ['web:1'], sizeBytes: 1 }];
  const allocatable = { cpu: '2', memory: '4Gi', pods: '110' };
  t.same(updated({}, { status: { allocatable, images } }), []);
});

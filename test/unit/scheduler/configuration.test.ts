/** KubeSchedulerConfiguration: what a file means, and what is said of one that is wrong. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import t from 'tap';
import { loadSchedulerSettings } from '../../../control-plane/scheduler/configuration/load.ts';
import { profileFrom } from '../../../control-plane/scheduler/configuration/profiles.ts';
import {
  defaultSchedulerSettings,
  readSchedulerConfiguration,
} from '../../../control-plane/scheduler/configuration/settings.ts';
import { decide } from '../../../control-plane/scheduler/decide.ts';
import { NodeSampling } from '../../../control-plane/scheduler/framework/node-sampling.ts';
import { profileOf, type Profile } from '../../../control-plane/scheduler/framework/profile.ts';
import { defaultPlugins } from '../../../control-plane/scheduler/plugins/index.ts';
import { clusterOf, nodeOf, pending, podOf, requesting } from './objects.ts';

const HEADER = 'apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n';
const read = (yaml: string) => readSchedulerConfiguration(HEADER + yaml);
/** The profile that the only one of the file becomes. */
const profile = (yaml: string): Profile => {
  const [only] = read(yaml).profiles;
  if (!only) throw new Error('there is no profile');
  return profileFrom(only);
};
const names = (plugins: readonly { readonly name: string }[]): string => plugins.map(({ name }) => name).join(' ');
const scores = ({ score }: Profile): string => score.map(({ plugin, weight }) => `${plugin.name}=${weight}`).join(' ');

t.test('an empty configuration is the default one', async (t) => {
  const settings = read('');
  t.same(settings, defaultSchedulerSettings());
  t.match(settings, { podInitialBackoffSeconds: 1, podMaxBackoffSeconds: 10, extenders: [], withoutEffect: [] });
  const [made, expected] = [profile(''), profileOf(defaultPlugins)];
  t.equal(made.schedulerName, 'default-scheduler');
  for (const point of ['preEnqueue', 'preFilter', 'filter', 'postFilter', 'reserve', 'permit', 'preBind'] as const)
    t.same(names(made[point]).split(' ').sort(), names(expected[point]).split(' ').sort(), point);
  t.equal(
    scores(made),
    'TaintToleration=3 NodeAffinity=2 NodeResourcesFit=1 VolumeBinding=1 PodTopologySpread=2 InterPodAffinity=2 ' +
      'DynamicResources=2 NodeResourcesBalancedAllocation=1 ImageLocality=1',
  );
});

const ESSENTIAL = 'multiPoint: { disabled: [{ name: "*" }], enabled: [{ name: PrioritySort }, { name: DefaultBinder }';
const sets: [what: string, plugins: string, scores: string][] = [
  [
    'one with another weight comes first',
    'score: { enabled: [{ name: ImageLocality, weight: 7 }] }',
    'ImageLocality=7 TaintToleration=3 NodeAffinity=2 NodeResourcesFit=1 VolumeBinding=1 PodTopologySpread=2 InterPodAffinity=2 DynamicResources=2 NodeResourcesBalancedAllocation=1',
  ],
  [
    'multiPoint changes a weight in its place',
    'multiPoint: { enabled: [{ name: NodeAffinity, weight: 9 }] }',
    'TaintToleration=3 NodeAffinity=9 NodeResourcesFit=1 VolumeBinding=1 PodTopologySpread=2 InterPodAffinity=2 DynamicResources=2 NodeResourcesBalancedAllocation=1 ImageLocality=1',
  ],
  [
    'one is disabled',
    'score: { disabled: [{ name: NodeResourcesFit }, { name: PodTopologySpread }] }',
    'TaintToleration=3 NodeAffinity=2 VolumeBinding=1 InterPodAffinity=2 DynamicResources=2 NodeResourcesBalancedAllocation=1 ImageLocality=1',
  ],
  [
    'all are disabled at one point, but for those that are enabled there',
    'score: { disabled: [{ name: "*" }], enabled: [{ name: NodeResourcesFit, weight: 4 }, { name: TaintToleration }] }',
    'NodeResourcesFit=4 TaintToleration=1',
  ],
  ['multiPoint starts anew', `${ESSENTIAL}, { name: NodeResourcesFit, weight: 2 }] }`, 'NodeResourcesFit=2'],
  [
    'what a point disables, multiPoint cannot enable',
    `${ESSENTIAL}, { name: NodeAffinity }, { name: TaintToleration }] }, score: { disabled: [{ name: NodeAffinity }] }`,
    'TaintToleration=1',
  ],
];

for (const [what, plugins, expected] of sets)
  t.test(what, async (t) => t.equal(scores(profile(`profiles: [{ plugins: { ${plugins} } }]`)), expected));

t.test('a plugin that is disabled everywhere takes no part', async (t) => {
  const made = profile('profiles: [{ plugins: { multiPoint: { disabled: [{ name: NodePorts }] } } }]');
  t.notMatch(names(made.filter), 'NodePorts');
  t.notMatch(names(made.preFilter), 'NodePorts');
});

t.test('profiles have what they say, or what is said for all', async (t) => {
  const { profiles } = read(`
percentageOfNodesToScore: 30
podInitialBackoffSeconds: 2
podMaxBackoffSeconds: 5
leaderElection: { leaderElect: false }
clientConnection: { kubeconfig: /etc/kubernetes/scheduler.conf, qps: 50.5 }
profiles:
- schedulerName: default-scheduler
- schedulerName: packing
  percentageOfNodesToScore: 70
  pluginConfig:
  - name: NodeResourcesFit
    args:
      apiVersion: kubescheduler.config.k8s.io/v1
      kind: NodeResourcesFitArgs
      scoringStrategy: { type: MostAllocated, resources: [{ name: cpu, weight: 3 }, { name: example.com/gpu }] }
`);
  t.match(profiles, [
    { schedulerName: 'default-scheduler', percentageOfNodesToScore: 30 },
    { schedulerName: 'packing', percentageOfNodesToScore: 70 },
  ]);
  t.same(profiles[1]?.plugins.NodeResourcesFit.scoringStrategy, {
    type: 'MostAllocated',
    resources: [
      { name: 'cpu', weight: 3 },
      { name: 'example.com/gpu', weight: 1 },
    ],
  });
});

t.test('the same nodes are chosen differently by different profiles', async (t) => {
  const strategy = (text: string) =>
    profile(`profiles: [{ pluginConfig: [{ name: NodeResourcesFit, args: { scoringStrategy: ${text} } }],
      plugins: { score: { disabled: [{ name: NodeResourcesBalancedAllocation }] } } }]`);
  const half = '[{ utilization: 0, score: 0 }, { utilization: 50, score: 10 }, { utilization: 100, score: 0 }]';
  const shape = `{ type: RequestedToCapacityRatio, requestedToCapacityRatio: { shape: ${half} }, resources: [{ name: cpu }] }`;
  const using = (cpu: string) => [podOf(`uses-${cpu}`, requesting({ cpu, memory: '1Gi' }))];
  const nodes = [nodeOf('empty'), nodeOf('half', {}, using('800m')), nodeOf('full', {}, using('1700m'))];
  const chosen = (profile: Profile) =>
    decide(pending(requesting({ cpu: '200m' })), clusterOf(nodes), profile, new NodeSampling(), () => 0).node;
  t.equal(chosen(strategy('{ type: LeastAllocated }')), 'empty');
  t.equal(chosen(strategy('{ type: MostAllocated }')), 'full');
  t.equal(chosen(strategy(shape)), 'half');
});

const args = (plugin: string, text: string) => `profiles: [{ pluginConfig: [{ name: ${plugin}, args: ${text} }] }]`;
const plugins = (text: string) => `profiles: [{ plugins: { ${text} } }]`;
const AT = 'profiles[0].pluginConfig[0].args';
const wrong: [yaml: string, message: string][] = [
  ['parallelism: 0', 'parallelism: Invalid value: 0: should be an integer value greater than zero'],
  ['percentageOfNodesToScore: 101', 'percentageOfNodesToScore: Invalid value: 101: not in valid range [0-100]'],
  ['podInitialBackoffSeconds: 0', 'podInitialBackoffSeconds: Invalid value: 0: must be greater than 0'],
  [
    'podMaxBackoffSeconds: 3\npodInitialBackoffSeconds: 4',
    'podMaxBackoffSeconds: Invalid value: 3: must be greater than or equal to podInitialBackoffSeconds',
  ],
  [
    'leaderElection: { resourceLock: endpoints }',
    'leaderElection.resourceLock: Invalid value: "endpoints": resourceLock value must be "leases"',
  ],
  ['profile: []', 'unknown field "profile"'],
  ['profiles: [{ plugins: { scores: {} } }]', 'unknown field "profiles[0].plugins.scores"'],
  [
    'profiles: 3',
    'json: cannot unmarshal number into Go struct field KubeSchedulerConfiguration.profiles of type []v1.KubeSchedulerProfile',
  ],
  ['profiles: [{}, { schedulerName: b }]', 'profiles[0].schedulerName: Required value'],
  ['profiles: [{ schedulerName: a }, { schedulerName: a }]', 'profiles[1].schedulerName: Duplicate value: "a"'],
  [
    plugins('score: { enabled: [{ name: NodePorts }] }'),
    'profiles[0].plugins.score.enabled[0].name: Invalid value: "NodePorts": does not run at score, but at preFilter, filter',
  ],
  [
    plugins('filter: { enabled: [{ name: NodePorts }, { name: NodePorts }] }'),
    'profiles[0].plugins.filter.enabled[1].name: Invalid value: "NodePorts": is enabled twice',
  ],
  [
    plugins('multiPoint: { disabled: [{ name: "*" }] }'),
    'profiles[0].plugins.queueSort: Invalid value: []: exactly one plugin has to sort the queue: PrioritySort; ' +
      'profiles[0].plugins.bind: Invalid value: []: at least one plugin has to bind: DefaultBinder',
  ],
  [
    plugins('preFilter: { disabled: [{ name: VolumeBinding }] }'),
    'profiles[0].plugins.preFilter: Invalid value: "VolumeBinding": cannot be disabled for a plugin that filters: disable filter, too',
  ],
  [args('NodePorts', '{}'), 'profiles[0].pluginConfig[0].name: Invalid value: "NodePorts": has no arguments'],
  [args('VolumeBinding', '{ bindTimeout: 3 }'), `unknown field "${AT}.bindTimeout"`],
  [
    args(
      'VolumeBinding',
      '{ bindTimeoutSeconds: -1, shape: [{ utilization: 5, score: 11 }, { utilization: 5, score: 1 }] }',
    ),
    `${AT}.bindTimeoutSeconds: Invalid value: -1: not in valid range [0, inf); ${AT}.shape[0].score: Invalid value: 11: not in valid range [0, 10]; ` +
      `${AT}.shape[1].utilization: Invalid value: 5: values must be sorted in increasing order`,
  ],
  [
    args('NodeResourcesFit', '{ kind: Args, scoringStrategy: { type: Best } }'),
    `${AT}.kind: Unsupported value: "Args": supported values: "NodeResourcesFitArgs"; ` +
      `${AT}.scoringStrategy.type: Unsupported value: "Best": supported values: "LeastAllocated", "MostAllocated", "RequestedToCapacityRatio"`,
  ],
  [
    args('NodeResourcesFit', '{ scoringStrategy: { type: RequestedToCapacityRatio } }'),
    `${AT}.scoringStrategy.requestedToCapacityRatio: Required value: must be specified when type is RequestedToCapacityRatio`,
  ],
  [
    args('NodeResourcesFit', '{ ignoredResourceGroups: [example.com/gpu] }'),
    `${AT}.ignoredResourceGroups[0]: Invalid value: "example.com/gpu": resource group name can't contain '/'`,
  ],
  [
    args('NodeResourcesBalancedAllocation', '{ resources: [{ name: cpu, weight: 2 }] }'),
    `${AT}.resources[0].weight: Invalid value: 2: must be 1`,
  ],
  [
    args('InterPodAffinity', '{ hardPodAffinityWeight: 101 }'),
    `${AT}.hardPodAffinityWeight: Invalid value: 101: not in valid range [0, 100]`,
  ],
  [
    args(
      'PodTopologySpread',
      '{ defaultConstraints: [{ maxSkew: 1, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway }] }',
    ),
    `${AT}.defaultingType: Invalid value: "System": must be List when there are defaultConstraints`,
  ],
  [
    args(
      'PodTopologySpread',
      '{ defaultingType: List, defaultConstraints: [{ maxSkew: 1, topologyKey: zone, whenUnsatisfiable: Never, labelSelector: {} }] }',
    ),
    `${AT}.defaultConstraints[0].whenUnsatisfiable: Unsupported value: "Never": supported values: "DoNotSchedule", "ScheduleAnyway"; ` +
      `${AT}.defaultConstraints[0].labelSelector: Forbidden: must not be set: it follows from the Services and the controller of a pod`,
  ],
  [
    args('DefaultPreemption', '{ minCandidateNodesPercentage: 0, minCandidateNodesAbsolute: 0 }'),
    `${AT}.minCandidateNodesPercentage: Invalid value: 0: cannot be zero at the same time as minCandidateNodesAbsolute`,
  ],
  [
    args(
      'NodeAffinity',
      '{ addedAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [] } } }',
    ),
    `${AT}.addedAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Required value: must have at least one node selector term`,
  ],
  [
    'extenders: [{ urlPrefix: "ftp://a", filterVerb: f }, { urlPrefix: "http://a", prioritizeVerb: p, managedResources: [{ name: cpu }] }]',
    'extenders[0].urlPrefix: Invalid value: "ftp://a": must be a URL that begins with http:// or https://; ' +
      'extenders[1].weight: Invalid value: 0: must have a positive weight applied to it; ' +
      'extenders[1].managedResources[0].name: Invalid value: "cpu": is an invalid extended resource name',
  ],
  [
    'extenders: [{ urlPrefix: "http://a", bindVerb: b }, { urlPrefix: "http://b", bindVerb: b }]',
    'extenders: Invalid value: "found 2 extenders implementing bind": only one extender can implement bind',
  ],
];

for (const [yaml, message] of wrong) t.test(message, async (t) => t.throws(() => read(yaml), { message }));

t.test('plugins that are not there can be disabled, but not enabled, nor can misspelled ones', async (t) => {
  t.doesNotThrow(() => read(plugins('multiPoint: { disabled: [{ name: GangScheduling }] }')));
  for (const [set, name] of [
    ['enabled', 'GangScheduling'],
    ['disabled', 'NodePort'],
  ] as const)
    t.throws(() => read(plugins(`multiPoint: { ${set}: [{ name: ${name} }] }`)), {
      message: new RegExp(
        `multiPoint.${set}\\[0\\].name: Unsupported value: "${name}": supported values: "SchedulingGates"`,
      ),
    });
});

t.test('another kind of file is refused', async (t) => {
  const expected = 'it must have apiVersion kubescheduler.config.k8s.io/v1 and kind KubeSchedulerConfiguration, not ';
  t.throws(() => readSchedulerConfiguration('apiVersion: v1\nkind: Pod'), { message: `${expected}"v1" and "Pod"` });
  t.throws(() => readSchedulerConfiguration('[]'), { message: 'it holds no KubeSchedulerConfiguration' });
  t.throws(() => readSchedulerConfiguration('{'), { message: /yaml/i });
});

t.test('errors name the file, and files that it names', async (t) => {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'kedge-scheduler-config-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const file = path.join(folder, 'scheduler.yaml');
  const missing = path.join(folder, 'ca.pem');
  await t.rejects(loadSchedulerSettings(file), { message: new RegExp(`^scheduler configuration ${file}: ENOENT`) });
  await writeFile(
    file,
    `${HEADER}extenders: [{ urlPrefix: "https://a", filterVerb: f, tlsConfig: { caFile: ${missing} } }]`,
  );
  await t.rejects(loadSchedulerSettings(file), {
    message: new RegExp(`^scheduler configuration ${file}: extenders\\[0\\].tlsConfig.caFile: ENOENT`),
  });
  await writeFile(missing, 'PEM');
  t.match(await loadSchedulerSettings(file), { extenders: [{ tlsConfig: { caData: btoa('PEM') } }] });
});

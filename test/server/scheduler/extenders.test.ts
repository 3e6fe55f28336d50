/** Extenders: real HTTPS servers, asked by a scheduler. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import t, { type Test } from 'tap';
import { nodes } from '../../../api/kinds/core/node.ts';
import { pods } from '../../../api/kinds/core/pod.ts';
import type { Node, Pod, PodSpec } from '../../../api/types/core/v1.gen.ts';
import type { Extender } from '../../../api/types/kubescheduler/v1.gen.ts';
import { ApiClient } from '../../../client/api-client.ts';
import { events } from '../../../client/resources.gen.ts';
import { decideWithExtenders } from '../../../control-plane/scheduler/decide-with-extenders.ts';
import { Extenders } from '../../../control-plane/scheduler/extenders/extenders.ts';
import { HttpExtender } from '../../../control-plane/scheduler/extenders/http-extender.ts';
import { NodeSampling } from '../../../control-plane/scheduler/framework/node-sampling.ts';
import { profileOf } from '../../../control-plane/scheduler/framework/profile.ts';
import { defaultPlugins } from '../../../control-plane/scheduler/plugins/index.ts';
import { Scheduler } from '../../../control-plane/scheduler/scheduler.ts';
import { startServer } from '../../support/https-server.ts';
import { eventually } from '../../support/wait.ts';
import { clusterOf, nodeOf, pending, podOf, requesting } from '../../unit/scheduler/objects.ts';
import { readJson, sendJson } from '../apiserver/https-peer.ts';
import { silent, TestServer } from '../apiserver/server.ts';

t.setTimeout(120_000);

type Args = Record<string, unknown> & { NodeNames?: string[]; Nodes?: { items: Node[] }; Pod?: Pod };
type Answers = Readonly<Record<string, (args: Args, response: ServerResponse) => unknown>>;

/** A server that answers each verb; undefined: it leaves the response to the function. */
async function serve(t: Test, answers: Answers) {
  const asked: { verb: string; args: Args }[] = [];
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const args = (await readJson(request)) as Args;
    const verb = (request.url ?? '').replace('/scheduler/', '');
    asked.push({ verb, args });
    const given = answers[verb]?.(args, response);
    if (given !== undefined) sendJson(response, given);
  };
  const server = await startServer((request, response) => {
    // Of a request whose client has given up, the body ends early.
    answer(request, response).catch(() => response.destroy());
  });
  t.teardown(() => server[Symbol.asyncDispose]());
  const open = (config: Partial<Extender>): HttpExtender => {
    const caData = Buffer.from(server.ca.cert).toString('base64');
    const extender = new HttpExtender({
      urlPrefix: `${server.url}/scheduler/`,
      tlsConfig: { caData },
      nodeCacheCapable: true,
      ...config,
    });
    t.teardown(() => extender[Symbol.asyncDispose]());
    return extender;
  };
  return { open, asked };
}

const never = new AbortController().signal;
const wholeNode = (name: string): Node => ({ metadata: { name, labels: { whole: 'yes' } } });
const extendersOf = (...extenders: HttpExtender[]): Extenders =>
  new Extenders(extenders, { pod: async ({ name }) => podOf(name), node: wholeNode }, silent);
const decideAmong = (
  extenders: Extenders,
  names: readonly string[],
  spec: Partial<PodSpec> = {},
  on: readonly Pod[] = [],
) => {
  const cluster = clusterOf(names.map((name, index) => nodeOf(name, {}, index === 0 ? on : [])));
  const deciding = { cluster, profile: profileOf(defaultPlugins), sampling: new NodeSampling(), tieBreak: () => 0 };
  return decideWithExtenders(pending(spec), deciding, extenders, never);
};

t.test('an extender filters and scores nodes by their names', async (t) => {
  const { open, asked } = await serve(t, {
    filter: ({ NodeNames = [] }) => ({
      NodeNames: NodeNames.filter((name) => name !== 'a'),
      FailedNodes: { a: 'it is bad' },
    }),
    prioritize: ({ NodeNames = [] }) => NodeNames.map((Host) => ({ Host, Score: Host === 'c' ? 9 : 1 })),
  });
  const extenders = extendersOf(open({ filterVerb: 'filter', prioritizeVerb: 'prioritize', weight: 2 }));
  t.match(await decideAmong(extenders, ['a', 'b', 'c']), { node: 'c' });
  t.match(asked, [
    { verb: 'filter', args: { Pod: { metadata: { name: 'p' } }, Nodes: null, NodeNames: ['a', 'b', 'c'] } },
    { verb: 'prioritize', args: { NodeNames: ['b', 'c'] } },
  ]);
});

t.test('one without a cache of its own gets the nodes whole, and may answer in any case of letters', async (t) => {
  const { open, asked } = await serve(t, { filter: ({ Nodes }) => ({ nodes: { items: Nodes?.items.slice(1) } }) });
  const decision = await decideAmong(extendersOf(open({ filterVerb: 'filter', nodeCacheCapable: false })), ['a', 'b']);
  t.equal(decision.node, 'b');
  t.match(asked[0]?.args, { NodeNames: null, Nodes: { items: [{ metadata: { labels: { whole: 'yes' } } }, {}] } });
});

t.test('a pod that extenders leave no node waits, and says why', async (t) => {
  const { open } = await serve(t, {
    filter: () => ({
      NodeNames: [],
      FailedNodes: { a: 'it is bad' },
      FailedAndUnresolvableNodes: { b: 'it stays bad' },
    }),
  });
  const decision = await decideAmong(extendersOf(open({ filterVerb: 'filter' })), ['a', 'b']);
  t.match(decision, {
    message: /^0\/2 nodes are available: 1 it is bad, 1 it stays bad\. preemption: /,
    rejectedBy: new Set(['Extender']),
  });
});

t.test('only those are asked that manage a resource of the pod', async (t) => {
  const { open, asked } = await serve(t, { filter: () => ({ NodeNames: ['b'] }) });
  const managedResources = [{ name: 'example.com/gpu' }];
  const extenders = extendersOf(open({ filterVerb: 'filter', managedResources }));
  t.equal(extenders.isInterested(pending()), false);
  t.equal(extenders.isInterested(pending(requesting({ 'example.com/gpu': '1' }))), true);
  t.same(asked, []);
});

t.test('an extender chooses other victims, or forbids preemption', async (t) => {
  const victims = [podOf('one', requesting({ cpu: '1' })), podOf('two', requesting({ cpu: '1' }))];
  for (const [uid, expected] of [
    ['uid-two', { nominatedNodeName: 'a', victims: [{ name: 'two' }] }],
    [undefined, { nominatedNodeName: '', message: /no candidate node for preemption/ }],
  ] as const) {
    const answer = uid ? { a: { Pods: [{ UID: uid }], NumPDBViolations: 0 } } : {};
    const { open, asked } = await serve(t, { preempt: () => ({ NodeNameToMetaVictims: answer }) });
    const spec = { priority: 5, ...requesting({ cpu: '1' }) };
    t.match(await decideAmong(extendersOf(open({ preemptVerb: 'preempt' })), ['a'], spec, victims), expected);
    t.match(asked[0]?.args, { NodeNameToMetaVictims: { a: { Pods: [{ UID: String }] } }, NodeNameToVictims: null });
  }
});

const endless = (_args: Args, response: ServerResponse): undefined => {
  const chunk = 'x'.repeat(1024 * 1024);
  const more = (): void => {
    while (!response.destroyed && response.write(chunk));
    if (!response.destroyed) response.once('drain', more);
  };
  more();
};
const failures: [what: string, answer: Answers[string], message: RegExp][] = [
  ['has an error', () => ({ Error: 'no idea' }), /no idea/],
  [
    'names another node',
    () => ({ NodeNames: ['z'] }),
    /claims a filtered node "z" which is not found in the input node list/,
  ],
  ['answers something else', () => ({ NodeNames: [3] }), /not a list of strings/],
  ['answers no JSON', (_, response) => void response.end('<html>'), /the answer is not JSON/],
  [
    'answers with another status',
    (_, response) => void response.writeHead(500).end(),
    /failed filter with extender at URL .*, code 500/,
  ],
  ['does not answer', () => undefined, /filter of extender .* timed out after 300 ms/],
  ['never ends its answer', endless, /longer than 67108864 bytes/],
];

for (const [what, answer, message] of failures)
  t.test(`an extender that ${what} fails the attempt unless it may be ignored`, async (t) => {
    const { open } = await serve(t, { filter: answer });
    const httpTimeout = what === 'does not answer' ? '300ms' : '20s';
    const failing = (ignorable: boolean) => extendersOf(open({ filterVerb: 'filter', httpTimeout, ignorable }));
    await t.rejects(decideAmong(failing(false), ['a']), { name: 'ExtenderError', message });
    t.equal((await decideAmong(failing(true), ['a'])).node, 'a');
  });

t.test('its certificate is verified, but for one without a CA that is told to be trusted', async (t) => {
  const { open } = await serve(t, { filter: () => ({ NodeNames: ['a'] }) });
  const extender = (config: Partial<Extender>) => extendersOf(open({ filterVerb: 'filter', ...config }));
  await t.rejects(decideAmong(extender({ tlsConfig: {} }), ['a']), /certificate/);
  t.equal((await decideAmong(extender({ tlsConfig: { insecure: true } }), ['a'])).node, 'a');
  t.equal((await decideAmong(extender({ tlsConfig: {}, enableHTTPS: true }), ['a'])).node, 'a');
});

t.test('a scheduler with two profiles and an extender that binds', async (t) => {
  await using server = await TestServer.start();
  await using client = new ApiClient({ server: server.url(''), ca: server.ca, token: 'admin/system:masters' });
  const stopping = new AbortController();
  const { open, asked } = await serve(t, {
    filter: ({ Nodes }) => ({ Nodes: { items: Nodes?.items.filter(({ metadata }) => metadata?.name === 'n2') } }),
    bind: ({ PodName, PodNamespace, PodUID, Node: name }, response) => {
      const binding = {
        metadata: { name: String(PodName), uid: String(PodUID) },
        target: { kind: 'Node', name: String(name) },
      };
      client
        .createSubresource(pods, String(PodNamespace), String(PodName), 'binding', {
          apiVersion: 'v1',
          kind: 'Binding',
          ...binding,
        })
        .then(
          () => sendJson(response, {}),
          (error: Error) => sendJson(response, { Error: error.message }),
        );
      return undefined;
    },
  });
  const managedResources = [{ name: 'example.com/gpu', ignoredByScheduler: true }];
  const extenders = [open({ filterVerb: 'filter', bindVerb: 'bind', nodeCacheCapable: false, managedResources })];
  const fitting = defaultPlugins.filter(({ name }) => name !== 'NodeResourcesFit');
  const profiles = [profileOf(fitting), profileOf(fitting, 'second')];
  const scheduler = new Scheduler({ client, logger: silent, profiles, extenders });
  const running = scheduler.run(stopping.signal);
  for (const name of ['n1', 'n2']) await client.create(nodes, { metadata: { name } });
  const add = (name: string, schedulerName: string, resource: string) => {
    const containers = [{ name: 'c', image: 'web:1', resources: { limits: { [resource]: '1' } } }];
    return client.create(pods, { metadata: { namespace: 'default', name }, spec: { schedulerName, containers } });
  };
  await add('plain', 'default-scheduler', 'cpu');
  await add('other', 'second', 'cpu');
  await add('gpu', 'second', 'example.com/gpu');
  await add('foreign', 'third', 'cpu');
  for (const name of ['plain', 'other', 'gpu'])
    await eventually(`${name} to be bound`, async () => (await client.get(pods, 'default', name)).spec?.nodeName);
  t.equal((await client.get(pods, 'default', 'gpu')).spec?.nodeName, 'n2');
  t.equal((await client.get(pods, 'default', 'foreign')).spec?.nodeName, undefined);
  t.match(
    asked.map(({ verb, args }) => `${verb} ${String(args.Pod?.metadata?.name ?? args['PodName'])}`),
    ['filter gpu', 'bind gpu'],
  );
  await eventually('the metrics to say so', async () =>
    scheduler.metrics().includes('scheduler_schedule_attempts_total{result="scheduled",profile="second"} 2'),
  );
  const metrics = scheduler.metrics();
  for (const line of [
    'scheduler_pending_pods{queue="active"} 0',
    'scheduler_cache_size{type="nodes"} 2',
    'scheduler_pod_scheduling_sli_duration_seconds_count{attempts="1"} 3',
    'scheduler_queue_incoming_pods_total{queue="active",event="UnscheduledPodAdd"} 3',
    'scheduler_framework_extension_point_duration_seconds_count{extension_point="Filter",status="Success",profile="default-scheduler"} 1',
  ])
    t.match(metrics, line);
  await eventually('the events to be written', async () => {
    const { items } = await client.list(events, { namespace: 'default' });
    return items.filter(({ reason }) => reason === 'Scheduled').length === 3;
  });
  stopping.abort();
  await running;
});

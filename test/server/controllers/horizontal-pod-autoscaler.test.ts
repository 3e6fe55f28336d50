/** The controller of HorizontalPodAutoscalers against a real api-server, with metrics of the test. */
import t from 'tap';
import { nodeMetrics } from '../../../api/kinds/metrics/node-metrics.ts';
import { podMetrics } from '../../../api/kinds/metrics/pod-metrics.ts';
import { namespaces } from '../../../api/kinds/core/namespace.ts';
import { notFound } from '../../../api/machinery/status-error.ts';
import { timeOf } from '../../../api/machinery/time.ts';
import type { HorizontalPodAutoscalerSpec, MetricSpec } from '../../../api/types/autoscaling/v2.gen.ts';
import { ApiClient } from '../../../client/api-client.ts';
import {
  customResourceDefinitions,
  deployments,
  events,
  horizontalPodAutoscalersAutoscalingV2 as autoscalers,
  pods as podResource,
} from '../../../client/resources.gen.ts';
import { pods } from '../../../api/kinds/core/pod.ts';
import { createAggregation } from '../../../control-plane/apiserver/aggregation/main.ts';
import type { ComputedObjects } from '../../../control-plane/apiserver/verbs/computed-objects.ts';
import { horizontalPodAutoscalerController } from '../../../control-plane/controllers/autoscaling/horizontal-pod-autoscaler/horizontal-pod-autoscaler.ts';
import { runDescriptors } from '../../../control-plane/controllers/framework/runner.ts';
import { eventually } from '../../support/wait.ts';
import { sendJson, startHttpsServer } from '../apiserver/https-peer.ts';
import { silent, TestServer } from '../apiserver/server.ts';

const namespace = 'apps';
const SYNC_MS = 50;

/** What each container of an app uses, in thousandths of a core; none of an app that is not there. */
const usage = new Map<string, number>();
/** Values of custom and external metrics, by the path behind the group version. */
const adapter = new Map<string, object[]>();
const asked: string[] = [];

const peer = await startHttpsServer(
  (request, response) => {
    const { pathname, search } = new URL(request.url ?? '/', 'https://x');
    const [, , group = '', version, ...rest] = pathname.split('/');
    if (version === undefined) {
      const versions = [{ groupVersion: `${group}/v1beta1`, version: 'v1beta1' }];
      return sendJson(response, { kind: 'APIGroup', apiVersion: 'v1', name: group, versions });
    }
    if (rest.length === 0)
      return sendJson(response, { kind: 'APIResourceList', groupVersion: `${group}/${version}`, resources: [] });
    asked.push(rest.join('/') + decodeURIComponent(search));
    const items = adapter.get(rest.join('/'));
    if (!items) response.statusCode = 404;
    sendJson(
      response,
      items ? { kind: 'List', items } : notFound({ group, plural: 'metrics' }, rest.at(-1) ?? '').status,
    );
  },
  { names: ['adapter.default.svc'] },
);

const server = await TestServer.start({
  computed: ({ api }): ComputedObjects[] => [
    { kind: nodeMetrics, get: (_, name) => Promise.reject(notFound(nodeMetrics, name)), list: () => [] },
    {
      kind: podMetrics,
      get: (_, name) => Promise.reject(notFound(podMetrics, name)),
      list: (within) =>
        api.list(pods, within).flatMap(({ metadata, spec }) => {
          const used = usage.get(metadata?.labels?.['app'] ?? '');
          if (used === undefined || spec?.nodeName === undefined) return [];
          return {
            metadata: { name: metadata?.name, namespace: metadata?.namespace, labels: metadata?.labels },
            ...{ timestamp: timeOf(Date.now()), window: '15s' },
            containers: spec.containers.map(({ name }) => ({ name, usage: { cpu: `${used}m`, memory: '1Mi' } })),
          };
        }),
    },
  ],
  aggregated: ({ api, registry }, pki, signal) =>
    createAggregation({
      ...{ api, kinds: registry.kinds, logger: silent, signal },
      resolve: () => ({ host: '127.0.0.1', port: peer.port }),
      identity: () => pki.frontProxyClient,
    }),
});
const client = new ApiClient({ server: server.url(''), ca: server.ca, token: 'admin/system:masters' });
await client.create(namespaces, { metadata: { name: namespace } });
const stop = new AbortController();
const running = runDescriptors([horizontalPodAutoscalerController(SYNC_MS)], {
  client,
  logger: silent,
  signal: stop.signal,
});
t.teardown(async () => {
  stop.abort(new Error('the test is over'));
  await running;
  await client[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  await peer[Symbol.asyncDispose]();
});

const HOUR_MS = 3_600_000;

/** A Deployment and its pods, which nobody else makes here: each requests 100m of a core, and has been ready for long. */
async function deployed(app: string, replicas: number): Promise<void> {
  const labels = { app };
  const container = { name: 'c', image: 'i', resources: { requests: { cpu: '100m' } } };
  const template = { metadata: { labels }, spec: { containers: [container] } };
  const made = await client.create(deployments, {
    ...{ metadata: { namespace, name: app }, spec: { replicas, selector: { matchLabels: labels }, template } },
  });
  await client.updateStatus(deployments, { ...made, status: { replicas } });
  for (let index = 0; index < replicas; index++) {
    const pod = await client.create(podResource, {
      metadata: { namespace, name: `${app}-${index}`, labels },
      spec: { nodeName: 'n1', containers: [container] },
    });
    const startTime = timeOf(Date.now() - HOUR_MS);
    const conditions = [{ type: 'Ready' as const, status: 'True', lastTransitionTime: startTime }];
    await client.updateStatus(podResource, { ...pod, status: { phase: 'Running', startTime, conditions } });
  }
}

const cpu = (percent: number): MetricSpec => ({
  ...{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: percent } } },
});
const autoscaled = (name: string, spec: Partial<HorizontalPodAutoscalerSpec> = {}) =>
  client.create(autoscalers, {
    metadata: { namespace, name },
    spec: {
      ...{ scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name }, maxReplicas: 10, metrics: [cpu(50)] },
      ...spec,
    },
  });
const replicasOf = async (name: string) => (await client.get(deployments, namespace, name)).spec?.replicas;
const statusOf = async (name: string) => (await client.get(autoscalers, namespace, name)).status;
const conditionOf = async (name: string, type: string) =>
  (await statusOf(name))?.conditions?.find((condition) => condition.type === type);
const eventsOf = async (name: string) =>
  (await client.listAll(events, { namespace }))
    .filter(({ involvedObject }) => involvedObject.kind === 'HorizontalPodAutoscaler' && involvedObject.name === name)
    .map(({ type, reason, message }) => `${type} ${reason}: ${message}`);

t.test('a Deployment is scaled up by its CPU, and down again after its window', async (t) => {
  await deployed('web', 2);
  usage.set('web', 100);
  const behavior = { scaleDown: { stabilizationWindowSeconds: 0 } };
  await autoscaled('web', { behavior });
  await eventually('four replicas', async () => (await replicasOf('web')) === 4);
  await eventually('the status', async () => (await statusOf('web'))?.desiredReplicas === 4);
  t.match(await statusOf('web'), {
    currentMetrics: [
      { type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 100, averageValue: '100m' } } },
    ],
    lastScaleTime: String,
  });
  t.match(await conditionOf('web', 'ScalingActive'), { status: 'True', reason: 'ValidMetricFound' });
  await eventually('the event', async () =>
    (await eventsOf('web')).includes(
      'Normal SuccessfulRescale: New size: 4; reason: cpu resource utilization (percentage of request) above target',
    ),
  );
  usage.set('web', 1);
  await eventually('one replica', async () => (await replicasOf('web')) === 1);
  await eventually('the reason', async () =>
    (await eventsOf('web')).includes('Normal SuccessfulRescale: New size: 1; reason: All metrics below target'),
  );
});

t.test('what prevents scaling is said in conditions and events', async (t) => {
  await deployed('quiet', 1);
  await autoscaled('quiet');
  await eventually('the failure', async () => (await conditionOf('quiet', 'ScalingActive'))?.status === 'False');
  const problem =
    'failed to get cpu utilization: unable to get metrics for resource cpu: no metrics returned from resource metrics API';
  t.match(await conditionOf('quiet', 'ScalingActive'), {
    reason: 'FailedGetResourceMetric',
    message: `the HPA was unable to compute the replica count: ${problem}`,
  });
  await eventually('both events', async () => {
    const said = await eventsOf('quiet');
    return (
      said.includes(`Warning FailedGetResourceMetric: ${problem}`) &&
      said.includes(
        `Warning FailedComputeMetricsReplicas: invalid metrics (1 invalid out of 1), first error is: failed to get cpu resource metric value: ${problem}`,
      )
    );
  });
  await autoscaled('nobody');
  await eventually('no target', async () => (await conditionOf('nobody', 'AbleToScale'))?.status === 'False');
  t.match(await conditionOf('nobody', 'AbleToScale'), {
    reason: 'FailedGetScale',
    message: `the HPA controller was unable to get the target's current scale: deployments.apps "nobody" not found`,
  });
  await autoscaled('odd', { scaleTargetRef: { apiVersion: 'apps/v9', kind: 'Unknown', name: 'x' } });
  await eventually('no kind', async () =>
    (await conditionOf('odd', 'AbleToScale'))?.message?.endsWith('no matches for kind "Unknown" in group "apps"'),
  );
  await deployed('off', 0);
  await autoscaled('off');
  await eventually(
    'it to be off',
    async () => (await conditionOf('off', 'ScalingActive'))?.reason === 'ScalingDisabled',
  );
  t.equal(await replicasOf('off'), 0);
});

t.test('two autoscalers of the same pods do nothing', async (t) => {
  await deployed('shared', 1);
  await autoscaled('shared');
  const target = { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'shared' } };
  await autoscaled('shared-too', target);
  for (const name of ['shared', 'shared-too'])
    await eventually(
      'the ambiguity',
      async () => (await conditionOf(name, 'ScalingActive'))?.reason === 'AmbiguousSelector',
    );
  t.equal(
    (await conditionOf('shared', 'ScalingActive'))?.message,
    'pods by selector app=shared are controlled by multiple HPAs: [apps/shared apps/shared-too]',
  );
  await client.delete(autoscalers, namespace, 'shared-too');
  // One that goes while it is looked at is forgotten as well.
  const more = Array.from({ length: 40 }, (_, index) => `shared-${index}`);
  await Promise.all(more.map((name) => autoscaled(name, target)));
  await Promise.all(more.map((name) => client.delete(autoscalers, namespace, name)));
  usage.set('shared', 100);
  await eventually('the other to go on', async () => (await replicasOf('shared')) === 2);
});

const adapterService = (name: string, group: string) =>
  server.call('POST', '/apis/apiregistration.k8s.io/v1/apiservices', {
    body: {
      metadata: { name },
      spec: {
        ...{ group, version: 'v1beta1', groupPriorityMinimum: 100, versionPriority: 100, caBundle: peer.caBundle },
        service: { namespace: 'default', name: 'adapter' },
      },
    },
  });

t.test('custom and external metrics come from other API servers', async (t) => {
  await server.call('POST', '/api/v1/namespaces', { body: { metadata: { name: 'default' } } });
  const service = {
    metadata: { name: 'adapter' },
    spec: { type: 'ExternalName', externalName: 'adapter.example.com', ports: [{ port: 443 }] },
  };
  t.equal((await server.call('POST', '/api/v1/namespaces/default/services', { body: service })).status, 201);
  await adapterService('v1beta1.custom.metrics.k8s.io', 'custom.metrics.k8s.io');
  await adapterService('v1beta1.external.metrics.k8s.io', 'external.metrics.k8s.io');
  const at = { timestamp: timeOf(Date.now()) };
  const values = (...each: string[]) => each.map((value) => ({ ...at, value }));
  adapter.set('namespaces/apps/pods/*/requests', [
    { ...at, describedObject: { kind: 'Pod', name: 'custom-0' }, value: '30' },
    { ...at, describedObject: { kind: 'Pod', name: 'custom-1' }, value: '10' },
  ]);
  adapter.set('namespaces/apps/ingresses.networking.k8s.io/main/hits', values('60'));
  adapter.set('namespaces/apps/metrics/load', values('45'));
  adapter.set('namespaces/apps/queue', values('40', '30'));
  const metric = (name: string) => ({ name });
  const ingress = { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', name: 'main' };
  const rows: readonly (readonly [name: string, metric: MetricSpec, replicas: number, current: object])[] = [
    [
      'custom',
      { type: 'Pods', pods: { metric: metric('requests'), target: { type: 'AverageValue', averageValue: '10' } } },
      4,
      { pods: { current: { averageValue: '20' } } },
    ],
    [
      'object',
      {
        type: 'Object',
        object: { describedObject: ingress, metric: metric('hits'), target: { type: 'Value', value: '20' } },
      },
      6,
      { object: { current: { value: '60' } } },
    ],
    [
      'of-namespace',
      {
        type: 'Object',
        object: {
          describedObject: { kind: 'Namespace', name: 'other', apiVersion: 'v1' },
          metric: metric('load'),
          target: { type: 'AverageValue', averageValue: '15' },
        },
      },
      3,
      { object: { current: { averageValue: String } } },
    ],
    [
      'external',
      {
        type: 'External',
        external: {
          metric: { name: 'queue', selector: { matchLabels: { q: 'a' } } },
          target: { type: 'AverageValue', averageValue: '20' },
        },
      },
      4,
      { external: { current: { averageValue: String } } },
    ],
  ];
  for (const [name, spec, replicas, current] of rows) {
    await deployed(name, 2);
    await autoscaled(name, { metrics: [spec] });
    await eventually(`${replicas} replicas of ${name}`, async () => (await replicasOf(name)) === replicas, 20).catch(
      async (error: unknown) => t.fail(`${String(error)}: ${JSON.stringify(await statusOf(name))}`),
    );
    await eventually('the status', async () => (await statusOf(name))?.currentMetrics?.length === 1);
    t.match((await statusOf(name))?.currentMetrics?.[0], current, name);
  }
  t.ok(asked.includes('namespaces/apps/queue?labelSelector=q=a'), 'selectors are passed on');
  t.ok(asked.some((path) => path.startsWith('namespaces/apps/pods/*/requests?labelSelector=app=custom')));
});

t.test('custom resources with a scale subresource are scaled', async (t) => {
  await client.create(customResourceDefinitions, {
    metadata: { name: 'farms.example.com' },
    spec: {
      ...{ group: 'example.com', scope: 'Namespaced' },
      names: { plural: 'farms', singular: 'farm', kind: 'Farm', listKind: 'FarmList' },
      versions: [
        {
          ...{ name: 'v1', served: true, storage: true },
          schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
          subresources: {
            scale: {
              specReplicasPath: '.spec.replicas',
              statusReplicasPath: '.status.replicas',
              labelSelectorPath: '.status.selector',
            },
          },
        },
      ],
    },
  });
  const farms = '/apis/example.com/v1/namespaces/apps/farms';
  const body = {
    ...{ apiVersion: 'example.com/v1', kind: 'Farm', metadata: { name: 'farm' } },
    ...{ spec: { replicas: 2 }, status: { replicas: 2, selector: 'app=farm' } },
  };
  await eventually('the kind to be served', async () => (await server.call('POST', farms, { body })).status === 201);
  await deployed('farm', 2);
  usage.set('farm', 150);
  await autoscaled('farm', { scaleTargetRef: { apiVersion: 'example.com/v1', kind: 'Farm', name: 'farm' } });
  await eventually('six replicas', async () => {
    const { body: farm } = await server.call('GET', `${farms}/farm`);
    return (farm['spec'] as { replicas: number }).replicas === 4;
  });
  t.equal(await replicasOf('farm'), 2, 'the Deployment of the same pods is not its target');
});

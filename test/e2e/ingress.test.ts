/** Ingresses out of the box: applied with kubectl, asked through port 80 of a node. */
import t from 'tap';
import type { DaemonSet } from '../../api/types/apps/v1.gen.ts';
import type {
  BackendTLSPolicy,
  Condition,
  Gateway,
  HTTPRoute,
  TLSRoute,
} from '../../addons/ingress/gateway/objects.ts';
import type { Ingress } from '../../api/types/networking/v1.gen.ts';
import { Cluster } from '../support/cluster.ts';
import { HELLO_IMAGE } from '../support/pods.ts';
import { eventually } from '../support/wait.ts';

t.setTimeout(6 * 60_000);
const cluster = await Cluster.start({ name: 'e2e-ing', ingress: true });
cluster.endWith(t);
const node = cluster.host;

/** Status and body of a request to the node, as curl has them. */
async function ask(host: string, path: string, ...args: string[]): Promise<{ status: number; body: string }> {
  const { stdout } = await node.run('curl', [
    ...['--silent', '--show-error', '--max-time', '10', '--write-out', '\n%{http_code}', '--header', `Host: ${host}`],
    ...[...args, `http://${node.ip}${path}`],
  ]);
  const [, body = '', status = ''] = /^([\s\S]*)\n(\d+)$/.exec(stdout) ?? [];
  return { status: Number(status), body };
}

const ingress = (name: string, host: string, path: object, annotations: object = {}) => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'Ingress',
  metadata: { name, annotations },
  spec: { rules: [{ host, http: { paths: [path] } }] },
});
const backend = (name: string) => ({ service: { name, port: { name: 'http' } } });

t.test('a Deployment, a Service and an Ingress are answered at port 80 of the node', async (t) => {
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'List',
    items: [
      {
        ...{ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'hello' } },
        spec: {
          replicas: 2,
          selector: { matchLabels: { app: 'hello' } },
          template: {
            metadata: { labels: { app: 'hello' } },
            spec: { terminationGracePeriodSeconds: 1, containers: [{ name: 'hello', image: HELLO_IMAGE }] },
          },
        },
      },
      {
        ...{ apiVersion: 'v1', kind: 'Service', metadata: { name: 'hello' } },
        spec: { selector: { app: 'hello' }, ports: [{ name: 'http', port: 80, targetPort: 8080 }] },
      },
      ingress('hello', 'hello.example', { path: '/', pathType: 'Prefix', backend: backend('hello') }),
      ingress(
        'rewritten',
        'rewritten.example',
        { path: '/nginx(/|$)(.*)', pathType: 'ImplementationSpecific', backend: backend('hello') },
        { 'nginx.ingress.kubernetes.io/rewrite-target': '/$2' },
      ),
    ],
  });
  await cluster.kubectl('rollout', 'status', 'deployment/hello', '--timeout=120s');
  await eventually('an answer', async () => (await ask('hello.example', '/')).body === 'Hello from Kedge\n', 120);
  t.equal((await ask('rewritten.example', '/nginx')).body, 'Hello from Kedge\n');
  t.equal((await ask('rewritten.example', '/nginx/index.html')).body, 'Hello from Kedge\n');
  t.strictSame(await ask('other.example', '/'), { status: 404, body: '404 page not found\n' });
});

t.test('requests are counted and logged by Ingress', async (t) => {
  const { stdout } = await node.run('curl', ['--silent', '--max-time', '10', `http://${node.ip}:10254/metrics`]);
  t.match(stdout, /^kedge_ingress_requests_total\{namespace="default",ingress="hello",status="2xx"\} [1-9]/m);
  const line = await eventually('the line of a request', async () =>
    (await cluster.kubectl('logs', '-n', 'kedge-ingress', 'daemonset/kedge-ingress')).stdout
      .split('\n')
      .find((each) => each.includes('index.html')),
  );
  t.match(JSON.parse(line), {
    path: '/nginx/index.html',
    host: 'rewritten.example',
    status: 200,
    namespace: 'default',
    ingress: 'rewritten',
  });
});

t.test('the status of an Ingress has the address of the node, and its class is the default one', async (t) => {
  const found = await eventually('the address', async () => {
    const { spec, status } = await cluster.get<Ingress>('ingress', 'hello');
    return status?.loadBalancer?.ingress?.[0] && { spec, status };
  });
  t.equal(found.spec?.ingressClassName, 'kedge');
  t.strictSame(found.status.loadBalancer?.ingress, [{ ip: node.ip }]);
});

t.test('kubectl describe says what is wrong', async (t) => {
  await cluster.apply(
    ingress('broken', 'broken.example', { path: '/', pathType: 'Prefix', backend: backend('nobody') }),
  );
  t.equal(await eventually('the page', async () => (await ask('broken.example', '/')).status === 503 && 503), 503);
  await eventually('the event', async () =>
    /ServiceNotFound.*default\/nobody does not exist/.test(
      (await cluster.kubectl('describe', 'ingress', 'broken')).stdout,
    ),
  );
});

const gatewayApi = (kind: string, name: string, spec: object) => ({
  ...{ apiVersion: 'gateway.networking.k8s.io/v1', kind, metadata: { name } },
  spec,
});
const conditionsOf = (conditions: readonly Condition[] | undefined): string[] =>
  (conditions ?? []).map(({ type, status, observedGeneration }) => `${type}=${status} ${observedGeneration}`);

t.test('a Gateway and an HTTPRoute are answered there, too, and their status says so', async (t) => {
  await cluster.kubectl('wait', '--for=condition=Accepted', 'gatewayclass/kedge', '--timeout=60s');
  const rule = (value: string, ...filters: object[]) => ({
    ...{ matches: [{ path: { type: 'PathPrefix', value } }], filters },
    ...(filters.some((each) => 'requestRedirect' in each) ? {} : { backendRefs: [{ name: 'hello', port: 80 }] }),
  });
  const prefixTo = (replacePrefixMatch: string) => ({ path: { type: 'ReplacePrefixMatch', replacePrefixMatch } });
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'List',
    items: [
      gatewayApi('Gateway', 'web', {
        gatewayClassName: 'kedge',
        listeners: [{ name: 'http', port: 80, protocol: 'HTTP', hostname: '*.gateway.example' }],
      }),
      gatewayApi('HTTPRoute', 'web', {
        parentRefs: [{ name: 'web' }],
        hostnames: ['shop.gateway.example'],
        rules: [
          rule('/shop', { type: 'URLRewrite', urlRewrite: prefixTo('/') }),
          rule('/old', { type: 'RequestRedirect', requestRedirect: { ...prefixTo('/shop'), statusCode: 301 } }),
          {
            matches: [{ headers: [{ name: 'x-missing', value: 'yes' }] }],
            backendRefs: [{ name: 'nobody', port: 80 }],
          },
        ],
      }),
    ],
  });
  await cluster.kubectl('wait', '--for=condition=Programmed', 'gateway/web', '--timeout=60s');
  await eventually(
    'an answer',
    async () => (await ask('shop.gateway.example', '/shop/')).body === 'Hello from Kedge\n',
  );
  t.equal((await ask('shop.gateway.example', '/old/x')).status, 301);
  t.equal((await ask('shop.gateway.example', '/', '--header', 'X-Missing: yes')).status, 500);
  t.equal((await ask('shop.gateway.example', '/')).status, 404);
  const gateway = await eventually('the attached route', async () => {
    const found = await cluster.get<Gateway>('gateway', 'web');
    return found.status?.listeners?.[0]?.attachedRoutes === 1 && found;
  });
  t.strictSame(gateway.status?.addresses, [{ type: 'IPAddress', value: node.ip }]);
  t.strictSame(conditionsOf(gateway.status?.conditions), ['Accepted=True 1', 'Programmed=True 1']);
  const route = await cluster.get<HTTPRoute>('httproute', 'web');
  t.strictSame(conditionsOf(route.status?.parents?.[0]?.conditions), ['Accepted=True 1', 'ResolvedRefs=False 1']);
});

t.test('ListenerSets, TLSRoutes and policies get their status, too', async (t) => {
  const CA = { group: '', kind: 'ConfigMap', name: 'nowhere' };
  await cluster.kubectl(
    ...['patch', 'gateway', 'web', '--type=merge', '--patch'],
    JSON.stringify({ spec: { allowedListeners: { namespaces: { from: 'Same' } } } }),
  );
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'List',
    items: [
      gatewayApi('ListenerSet', 'more', {
        parentRef: { name: 'web' },
        listeners: [
          { name: 'http', port: 80, protocol: 'HTTP', hostname: 'set.example' },
          { name: 'tls', port: 443, protocol: 'TLS', hostname: 'tls.example', tls: { mode: 'Passthrough' } },
        ],
      }),
      gatewayApi('TLSRoute', 'more', {
        parentRefs: [{ kind: 'ListenerSet', name: 'more' }],
        hostnames: ['tls.example'],
        rules: [{ backendRefs: [{ name: 'nobody', port: 443 }] }],
      }),
      gatewayApi('HTTPRoute', 'more', {
        parentRefs: [{ kind: 'ListenerSet', name: 'more', sectionName: 'http' }],
        rules: [{ backendRefs: [{ name: 'hello', port: 80 }] }],
      }),
    ],
  });
  await cluster.kubectl('wait', '--for=condition=Programmed', 'listenerset/more', '--timeout=60s');
  await eventually('an answer', async () => (await ask('set.example', '/')).body === 'Hello from Kedge\n');
  await cluster.apply(
    gatewayApi('BackendTLSPolicy', 'more', {
      targetRefs: [{ group: '', kind: 'Service', name: 'hello' }],
      validation: { hostname: 'hello.example', caCertificateRefs: [CA] },
    }),
  );
  await eventually('the status of the policy', async () => {
    const { status } = await cluster.get<BackendTLSPolicy>('backendtlspolicy', 'more');
    return conditionsOf(status?.ancestors?.[0]?.conditions).join() === 'Accepted=False 1,ResolvedRefs=False 1';
  });
  t.equal((await ask('set.example', '/')).status, 500, 'never without TLS');
  const { status } = await cluster.get<TLSRoute>('tlsroute', 'more');
  t.strictSame(conditionsOf(status?.parents?.[0]?.conditions), ['Accepted=True 1', 'ResolvedRefs=False 1']);
  await cluster.kubectl('delete', 'backendtlspolicy/more', 'listenerset/more', 'tlsroute/more', 'httproute/more');
});

t.test('a route that is changed is reported anew, and one that leaves its Gateway not at all', async (t) => {
  await cluster.kubectl(
    'patch',
    'httproute',
    'web',
    '--type=json',
    '--patch',
    '[{"op":"remove","path":"/spec/rules/2"}]',
  );
  await eventually('the new generation', async () => {
    const { status } = await cluster.get<HTTPRoute>('httproute', 'web');
    return conditionsOf(status?.parents?.[0]?.conditions).join() === 'Accepted=True 2,ResolvedRefs=True 2';
  });
  await cluster.kubectl('delete', 'gateway', 'web');
  await eventually(
    'no parents',
    async () => (await cluster.get<HTTPRoute>('httproute', 'web')).status?.parents?.length === 0,
  );
  t.equal((await ask('shop.gateway.example', '/shop/')).status, 404);
});

t.test('an edited DaemonSet stays edited, and the controller has no more rights than it needs', async (t) => {
  const { spec } = await cluster.get<DaemonSet>('daemonset', 'kedge-ingress', '-n', 'kedge-ingress');
  t.match(spec?.template.spec?.containers[0]?.securityContext, {
    capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE'] },
    readOnlyRootFilesystem: true,
  });
  const can = async (...args: string[]): Promise<string> =>
    (
      await cluster
        .kubectl('auth', 'can-i', ...args, '--as=system:serviceaccount:kedge-ingress:kedge-ingress')
        .catch((error: unknown) => ({ stdout: String(error).includes('exit code 1') ? 'no' : String(error) }))
    ).stdout.trim();
  t.equal(await can('get', 'secrets'), 'yes');
  t.equal(await can('list', 'secrets'), 'no');
  t.equal(await can('update', 'ingresses'), 'no');
});

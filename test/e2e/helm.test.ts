/** Helm 4, which applies on the server by default, and Helm 3: the chart that `helm create` writes, and one that brings a kind of its own. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import t from 'tap';
import { Cluster } from '../support/cluster.ts';
import { stockHelms } from '../support/stock-clients.ts';
import type { Deployment } from '../../api/types/apps/v1.gen.ts';
import type { Service } from '../../api/types/core/v1.gen.ts';

const LIMIT_MS = 120_000;
t.setTimeout(5 * 60_000);
const cluster = await Cluster.start({ name: 'e2e-helm' });
cluster.endWith(t);

/** Runs Helm, with settings and caches of the test's own; resolves with what it prints. */
type Helm = (...args: string[]) => Promise<string>;

/** The chart of `helm create`, with the hello image in place of nginx and busybox. */
async function helloChart(helm: Helm, folder: string): Promise<string> {
  const chart = path.join(folder, 'hello');
  await helm('create', chart);
  const test = path.join(chart, 'templates/tests/test-connection.yaml');
  // No name server runs in the cluster: the address is the one of the environment.
  const pointed = (await readFile(test, 'utf8'))
    .replace('image: busybox', 'image: kedge.local/hello:1.0')
    .replace(/args: .*/, "args: ['-qO-', 'http://$(HELLO_SERVICE_HOST):$(HELLO_SERVICE_PORT)']");
  await writeFile(test, pointed);
  return chart;
}

const HELLO = ['image.repository=kedge.local/hello', 'image.tag=1.0', 'service.port=8080'].flatMap((set) => [
  '--set',
  set,
]);
const manager = async (kind: string, name: string): Promise<string | undefined> => {
  const { metadata } = await cluster.get<Deployment>(kind, name, '--show-managed-fields');
  return metadata?.managedFields?.find(({ operation }) => operation === 'Apply')?.manager;
};

const DEFINITION = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget, shortNames: [wd]}
  versions:
    - name: v1
      served: true
      storage: true
      additionalPrinterColumns: [{name: Colour, type: string, jsonPath: .spec.colour}]
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec:
              type: object
              required: [colour]
              properties:
                colour: {type: string, enum: [red, green]}
                size: {type: integer, default: 3}
`;
const WIDGET =
  'apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: {{ .Release.Name }}}\nspec: {colour: {{ .Values.colour }}}\n';

for (const { major, program } of await stockHelms()) {
  const folder = path.join(cluster.directory, `helm-${major}`);
  await mkdir(folder);
  const env = { ...process.env, HOME: folder, KUBECONFIG: cluster.kubeconfig };
  const helm: Helm = async (...args) => (await cluster.host.run(program, args, { env, timeoutMs: LIMIT_MS })).stdout;
  /** Who owns what the chart states; Helm 3 updates. */
  const applier = major === 4 ? 'helm' : undefined;

  t.test(`Helm ${major} installs, upgrades, rolls back, tests and uninstalls the chart of helm create`, async (t) => {
    const chart = await helloChart(helm, folder);
    const replicas = async () => (await cluster.get<Deployment>('deployment', 'hello')).status?.readyReplicas;

    t.match(await helm('lint', chart), '0 chart(s) failed');
    t.match(await helm('install', 'hello', chart, ...HELLO, '--dry-run=server'), 'kind: Deployment');
    t.match(
      await helm('install', 'hello', chart, ...HELLO, '--wait', '--timeout=60s'),
      /STATUS: deployed\nREVISION: 1/,
    );
    t.equal(await replicas(), 1, 'Helm has waited for the pods');
    t.equal(await manager('deployment', 'hello'), applier);
    const { spec } = await cluster.get<Service>('service', 'hello');
    t.equal(await cluster.host.curl(`http://${spec?.clusterIP}:8080/`), 'Hello from Kedge\n');
    t.match(await helm('test', 'hello', '--logs', '--timeout=60s'), /Phase: +Succeeded[^]*Hello from Kedge/);

    const more = ['--set', 'replicaCount=2', '--set', 'podAnnotations.colour=red'];
    t.match(
      await helm('upgrade', 'hello', chart, ...HELLO, ...more, '--wait', '--timeout=60s'),
      /STATUS: deployed\nREVISION: 2/,
    );
    t.equal(await replicas(), 2);
    t.match(
      await helm(
        'upgrade',
        'hello',
        chart,
        '--reuse-values',
        '--set',
        'autoscaling.enabled=true',
        '--wait',
        '--timeout=60s',
      ),
      'REVISION: 3',
    );
    t.match(await helm('get', 'manifest', 'hello'), 'kind: HorizontalPodAutoscaler');
    t.match((await cluster.kubectl('get', 'hpa', 'hello')).stdout, 'Deployment/hello');
    await t.rejects(
      helm('upgrade', 'hello', chart, '--reuse-values', '--set', 'service.type=Nonsense'),
      /spec\.type: Unsupported value: "Nonsense"/,
    );

    t.match(await helm('rollback', 'hello', '1', '--wait', '--timeout=60s'), 'Rollback was a success');
    t.equal(await replicas(), 1);
    await t.rejects(cluster.kubectl('get', 'hpa', 'hello'), /not found/, 'what the revision does not have is removed');
    const revisions = JSON.parse(await helm('history', 'hello', '-o', 'json')) as { status: string }[];
    t.strictSame(
      revisions.map(({ status }) => status),
      ['superseded', 'superseded', 'superseded', 'failed', 'deployed'],
    );
    t.match(await helm('status', 'hello'), /STATUS: deployed\nREVISION: 5/);
    t.match(await helm('list', '--all-namespaces'), /^NAME[^]*\nhello\s+default\s+5\s/);
    t.match(await helm('uninstall', 'hello', '--wait', '--timeout=60s'), 'release "hello" uninstalled');
    const left = ['deployment,service,serviceaccount', '-l', 'app.kubernetes.io/instance=hello', '-o', 'name'];
    t.equal((await cluster.kubectl('get', ...left)).stdout, '');
  });

  t.test(`Helm ${major} installs a chart with a definition and an object of its kind`, async (t) => {
    const chart = path.join(folder, 'widgets');
    for (const folder of ['crds', 'templates']) await mkdir(path.join(chart, folder), { recursive: true });
    await writeFile(path.join(chart, 'Chart.yaml'), 'apiVersion: v2\nname: widgets\nversion: 0.1.0\n');
    await writeFile(path.join(chart, 'values.yaml'), 'colour: red\n');
    await writeFile(path.join(chart, 'crds/widgets.yaml'), DEFINITION);
    await writeFile(path.join(chart, 'templates/widget.yaml'), WIDGET);
    const widgets = async () => (await cluster.kubectl('get', 'wd', '--no-headers')).stdout;

    t.match(await helm('install', 'first', chart, '--wait', '--timeout=60s'), 'STATUS: deployed');
    t.match(await widgets(), /^first +red\n$/);
    const { spec } = await cluster.get<{ spec: { size: number } }>('widget', 'first');
    t.equal(spec.size, 3, 'the default of the schema');
    t.equal(await manager('widget', 'first'), applier);
    t.match(await helm('upgrade', 'first', chart, '--set', 'colour=green'), 'REVISION: 2');
    t.match(await widgets(), /^first +green\n$/);
    await t.rejects(helm('upgrade', 'first', chart, '--set', 'colour=blue'), /spec\.colour: Unsupported value: "blue"/);
    t.match(await helm('rollback', 'first', '1'), 'Rollback was a success');
    t.match(await widgets(), /^first +red\n$/);
    t.match(await helm('uninstall', 'first'), 'uninstalled');
    t.match((await cluster.kubectl('get', 'widgets')).stderr, 'No resources found');
    await cluster.kubectl('delete', 'crd', 'widgets.example.com', '--timeout=60s');
  });
}

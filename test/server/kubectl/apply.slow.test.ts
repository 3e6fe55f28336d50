/** `kubectl apply`, `diff` and `delete` of the same manifests, on either side. */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import t from 'tap';
import { checkRows, type Place, type Row } from './rows.ts';

const service =
  'kind: Service\nmetadata: {name: web, labels: {app: web}}\nspec: {selector: {app: web}, ports: [{port: 80}]}';
const deployment = (replicas: number) =>
  `kind: Deployment\nmetadata: {name: web, labels: {app: web}}\nspec:\n  replicas: ${replicas}\n` +
  '  selector: {matchLabels: {app: web}}\n' +
  '  template:\n    metadata: {labels: {app: web}}\n    spec: {containers: [{name: c, image: example.com/web:1}]}';
const settings = (colour: string) =>
  `kind: ConfigMap\nmetadata: {name: settings, labels: {app: web}}\ndata: {colour: ${colour}}`;
const all = (replicas: number, colour: string) =>
  [
    `apiVersion: apps/v1\n${deployment(replicas)}`,
    ...[service, settings(colour)].map((text) => `apiVersion: v1\n${text}`),
  ].join('\n---\n');
const withoutSettings = `apiVersion: apps/v1\n${deployment(3)}\n---\napiVersion: v1\n${service}\n`;

async function kustomization(folder: string): Promise<string> {
  const base = path.join(folder, 'kustomization');
  await mkdir(base);
  await writeFile(path.join(base, 'web.yaml'), all(1, 'red'));
  await writeFile(
    path.join(base, 'kustomization.yaml'),
    'resources: [web.yaml]\nnamePrefix: my-\nconfigMapGenerator: [{name: generated, literals: [a=b]}]\n',
  );
  return base;
}

/** Pruning by an ApplySet, whose parent is a Secret or another kind. */
const applySet = (namespace: string, parent: string, ...flags: string[]): Row[] => {
  const run = ['apply', ...flags, '-f', '-', '--prune', `--applyset=${parent}`, '--namespace', namespace];
  const env = { KUBECTL_APPLYSET: 'true' };
  return [
    { from: 32, run, env, input: all(3, 'blue'), prints: 'configmap/settings' },
    { from: 32, run, env, input: withoutSettings, prints: 'configmap/settings pruned' },
  ];
};

const folder = t.testdir({});
const base = await kustomization(folder);

await checkRows('apply', ({ minor, namespace }: Place) => {
  const allowlist = minor === 20 ? 'prune-whitelist' : 'prune-allowlist';
  return [
    {
      run: 'apply -f -',
      input: all(1, 'red'),
      prints: /deployment.apps\/web created\nservice\/web created\nconfigmap\/settings created/,
    },
    { run: 'apply -f -', input: all(1, 'red'), prints: /deployment.apps\/web unchanged\nservice\/web unchanged/ },
    { run: 'diff -f -', input: all(1, 'red'), hides: 'replicas' },
    { run: 'diff -f -', input: all(3, 'blue'), fails: /exit (?:code|status) 1/ },
    {
      run: 'apply -f -',
      input: all(3, 'blue'),
      prints: /web configured\nservice\/web unchanged\nconfigmap\/settings configured/,
    },
    {
      run: 'get configmap settings -o yaml',
      prints: /kubectl.kubernetes.io\/last-applied-configuration: [^]*"colour":"blue"/,
    },
    { run: 'apply view-last-applied configmap/settings', prints: 'colour: blue' },
    { run: 'apply set-last-applied -f -', input: `apiVersion: v1\n${settings('red')}`, prints: 'configured' },
    {
      run: `apply -f - --prune -l app=web --${allowlist}=core/v1/ConfigMap`,
      input: withoutSettings,
      prints: 'configmap/settings pruned',
    },

    { run: 'apply --dry-run=server -f -', input: all(3, 'red'), prints: 'configmap/settings created (server dry run)' },
    { run: 'get configmap settings', fails: 'configmaps "settings" not found' },
    {
      run: 'apply --server-side -f -',
      input: all(3, 'red'),
      prints: /deployment.apps\/web serverside-applied[^]*settings serverside-applied/,
    },
    { run: 'diff --server-side -f -', input: all(3, 'red'), hides: /^[-+] /m },
    {
      run: 'apply --server-side --field-manager=other -f -',
      input: all(5, 'green'),
      fails: /conflicts? with "kubectl"[^]*\.spec\.replicas[^]*--force-conflicts/,
    },
    {
      run: 'apply --server-side --field-manager=other --force-conflicts -f -',
      input: all(5, 'green'),
      prints: 'web serverside-applied',
    },
    { run: 'get deployment web -o jsonpath={.spec.replicas}', prints: /^5$/ },
    {
      run: 'get configmap settings -o yaml --show-managed-fields',
      from: 32,
      prints: /f:colour: \{\}\n[^]*manager: other\n\s+operation: Apply/,
    },
    { run: 'get configmap settings -o yaml', from: 32, hides: 'managedFields' },
    { run: 'delete configmap settings', prints: 'configmap "settings" deleted' },

    ...applySet(namespace, 'one', '--server-side', '--force-conflicts'),
    ...applySet(namespace, 'configmaps/two'),

    { run: ['apply', '-k', base], prints: /configmap\/my-generated-\w+ created[^]*deployment.apps\/my-web created/ },
    { run: ['diff', '-k', base], hides: /^[-+] /m },
    { run: ['get', '-k', base], prints: /configmap\/my-generated-\w+ +1 / },
    { run: ['delete', '-k', base], prints: /deployment.apps "my-web" deleted/ },
    { run: 'delete -f -', input: withoutSettings, prints: /deployment.apps "web" deleted[^]*service "web" deleted/ },
  ];
});

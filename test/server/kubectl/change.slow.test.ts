/** How kubectl changes what there is: patches, edits, what it sets, scales and exposes, rollouts of each workload. */
import { chmod, writeFile } from 'node:fs/promises';
import path from 'node:path';
import t from 'tap';
import { checkRows, type Row } from './rows.ts';

const workload = (kind: string, node: string, more: string): string => `apiVersion: apps/v1
kind: ${kind}
metadata: {name: web}
spec:
  ${more}
  selector: {matchLabels: {kind: ${kind}}}
  template:
    metadata: {labels: {kind: ${kind}}}
    spec: {nodeName: ${node}, terminationGracePeriodSeconds: 0, containers: [{name: c, image: "example.com/web:1"}]}
`;

const patch = (type: string, text: object | string): Row['run'] => [
  ...['patch', 'deployment', 'web', '--type', type, '-p'],
  typeof text === 'string' ? text : JSON.stringify(text),
];

const restarts = (workload: string): Row[] => [
  { run: `rollout status ${workload} --timeout=30s`, prints: /successfully rolled out|roll out complete/ },
  { run: `rollout restart ${workload}`, prints: 'restarted' },
  {
    run: `get ${workload} -o jsonpath={.metadata.generation}{.spec.template.metadata.annotations}`,
    prints: /^2.*kubectl.kubernetes.io\/restartedAt/,
  },
  { run: `rollout status ${workload} --timeout=30s`, prints: /successfully rolled out|roll out complete/ },
  { run: `rollout history ${workload}`, prints: /REVISION +CHANGE-CAUSE\n1 .*\n2 / },
  { run: `rollout history ${workload} --revision=1`, prints: 'example.com/web:1' },
  { run: `rollout history ${workload} --revision=7`, fails: /unable to find the specified revision/ },
  { run: `set image ${workload} c=example.com/web:2`, prints: 'image updated' },
  { run: `rollout undo ${workload} --to-revision=1`, prints: 'rolled back' },
  { run: `rollout status ${workload} --timeout=30s`, prints: /successfully rolled out|roll out complete/ },
  {
    run: `get ${workload} -o jsonpath={.spec.template.spec.containers[0].image}{.spec.template.metadata.annotations}`,
    prints: /^example.com\/web:1$/,
  },
  { run: `rollout history ${workload}`, prints: /REVISION +CHANGE-CAUSE\n2 .*\n3 .*\n4 / },
  // kubectl compares the bytes of the revision with those that it would write.
  { run: `rollout undo ${workload} --to-revision=4`, from: 35, prints: 'skipped rollback' },
];

const folder = t.testdir({});
/** They change the specification alone: the status follows it in its own time. */
const editor = path.join(folder, 'editor');
await writeFile(editor, `#!/bin/sh\nsed -i '/^spec:/,/^status:/s/^  replicas: .*/  replicas: 3/' "$1"\n`);
await chmod(editor, 0o755);
const spoiler = path.join(folder, 'spoiler');
await writeFile(spoiler, `#!/bin/sh\nsed -i '/^spec:/,/^status:/s/^  replicas: .*/  replicas: -1/' "$1"\n`);
await chmod(spoiler, 0o755);

await checkRows('change', ({ node }) => [
  { run: 'create -f -', input: workload('Deployment', node, 'replicas: 1') },
  {
    run: patch('strategic', { spec: { template: { spec: { containers: [{ name: 'c', args: ['x'] }] } } } }),
    prints: 'web patched',
  },
  { run: 'get deployment web -o jsonpath={.spec.template.spec.containers[0].image}', prints: /^example.com\/web:1$/ },
  { run: patch('merge', { spec: { replicas: 2 } }), prints: 'web patched' },
  { run: patch('json', [{ op: 'replace', path: '/spec/replicas', value: 1 }]), prints: 'web patched' },
  { run: patch('json', [{ op: 'test', path: '/spec/replicas', value: 7 }]), fails: 'The request is invalid' },
  {
    run: patch('merge', { spec: { replicas: -1 } }),
    fails: /spec\.replicas: Invalid value: -1: must be greater than or equal to 0/,
  },
  // An object that no controller writes to meanwhile.
  { run: 'patch configmap kube-root-ca.crt --type=merge -p {"data":{}}', prints: 'patched (no change)' },
  { run: patch('merge', '{"spec":'), fails: /unable to parse|json/i },
  { run: [...patch('merge', { spec: { replicas: 2 } }), '--subresource=scale'], from: 32, prints: 'web patched' },
  {
    run: [...patch('merge', { status: { observedGeneration: 1 } }), '--subresource=status'],
    from: 32,
    prints: 'web patched',
  },

  { run: 'edit deployment web', env: { EDITOR: editor }, prints: 'deployment.apps/web edited' },
  { run: 'get deployment web -o jsonpath={.spec.replicas}', prints: /^3$/ },
  { run: 'edit deployment web', env: { EDITOR: editor }, prints: 'Edit cancelled, no changes made' },
  {
    run: 'edit deployment web',
    env: { EDITOR: spoiler },
    fails: /spec\.replicas: Invalid value: -1|A copy of your changes has been stored/,
  },

  { run: 'set image deployment/web c=example.com/web:2', prints: 'image updated' },
  { run: 'set env deployment/web COLOUR=red', prints: 'env updated' },
  { run: 'set env deployment/web --list', prints: 'COLOUR=red' },
  { run: 'set resources deployment/web --limits=cpu=100m --requests=cpu=50m', prints: 'resource requirements updated' },
  { run: 'set serviceaccount deployment/web default', prints: 'serviceaccount updated' },
  { run: 'get deployment web -o jsonpath={.spec.template.spec.containers[0].resources.limits.cpu}', prints: /^100m$/ },
  { run: 'label deployment web colour=red', prints: 'web labeled' },
  { run: 'label deployment web colour=blue', fails: `'colour' already has a value (red), and --overwrite is false` },
  { run: 'label deployment web colour=blue --overwrite', prints: 'web labeled' },
  { run: 'label deployment web colour-', prints: /web (?:un)?labeled/ },
  { run: 'label deployment web colour=-', fails: /must be|valid label/ },
  { run: 'annotate deployment web note=seen', prints: 'web annotated' },
  { run: 'annotate deployment web note-', prints: 'web annotated' },

  { run: 'scale deployment web --replicas=2', prints: 'web scaled' },
  { run: 'scale deployment web --replicas=1 --current-replicas=7', fails: 'xpected replicas to be 7, was 2' },
  {
    run: 'autoscale deployment web --min=1 --max=5 --cpu-percent=70',
    prints: 'horizontalpodautoscaler.autoscaling/web autoscaled',
  },
  { run: 'get hpa web', prints: /web +Deployment\/web +cpu: <unknown>\/70% +1 +5 / },
  { run: 'describe hpa web', prints: 'Deployment/web' },
  { run: 'expose deployment web --port=80 --target-port=8080', prints: 'service/web exposed' },
  { run: 'get service web -o jsonpath={.spec.selector.kind}:{.spec.ports[0].targetPort}', prints: /^Deployment:8080$/ },
  { run: 'set selector service/web kind=other', prints: 'selector updated' },
  { run: 'run one --image=example.com/one:1 --labels=app=one --port=80 --env=A=b', prints: 'pod/one created' },
  {
    run: 'get pod one -o jsonpath={.spec.containers[0].ports[0].containerPort}{.spec.containers[0].env[0].value}',
    prints: /^80b$/,
  },
  { run: 'run two --image=example.com/two:1 --dry-run=client -o yaml', prints: /^apiVersion: v1\nkind: Pod\n/ },
  { run: 'expose pod one --port=80 --dry-run=server', prints: 'service/one exposed (server dry run)' },

  { run: 'rollout pause deployment/web', prints: 'web paused' },
  { run: 'rollout undo deployment/web', fails: 'you cannot rollback a paused deployment' },
  { run: 'rollout resume deployment/web', prints: 'web resumed' },
  { run: 'rollout status deployment/web --timeout=30s', prints: 'successfully rolled out' },
  { run: 'rollout history deployment/web', prints: /REVISION +CHANGE-CAUSE\n1 / },
  { run: 'rollout undo deployment/web', prints: 'web rolled back' },
  { run: 'rollout restart deployment/web', prints: 'web restarted' },
  { run: 'rollout status deployment/web --timeout=30s', prints: 'successfully rolled out' },
  { run: 'delete deployment,hpa,service web', prints: 'deployment.apps "web" deleted' },

  { run: 'create -f -', input: workload('StatefulSet', node, 'serviceName: web\n  replicas: 2') },
  ...restarts('statefulset/web'),
  { run: 'scale statefulset web --replicas=1', prints: 'web scaled' },
  { run: 'delete statefulset web', prints: 'statefulset.apps "web" deleted' },
  { run: 'create -f -', input: workload('DaemonSet', node, 'minReadySeconds: 0') },
  ...restarts('daemonset/web'),
  { run: 'delete daemonset web', prints: 'daemonset.apps "web" deleted' },
]);

/** What kubectl reads: every output of `get`, watches, `describe`, `wait`, events. */
import { checkRows } from './rows.ts';

const web = (node: string) => `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {nodeName: ${node}, containers: [{name: c, image: "example.com/web:1"}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: waiting, labels: {app: other}}
spec: {containers: [{name: c, image: "example.com/other:1"}]}
`;

await checkRows('get', ({ node }) => [
  { run: 'create -f -', input: web(node), prints: 'deployment.apps/web created' },
  { run: 'rollout status deployment/web --timeout=30s', prints: 'successfully rolled out' },

  {
    run: 'get all',
    prints: /pod\/waiting +0\/1 +Pending[^]*service\/web[^]*deployment.apps\/web +2\/2[^]*replicaset.apps\/web/,
  },
  { run: 'get pods -o wide', prints: new RegExp(`^NAME .* NOMINATED NODE +READINESS GATES\n[^]*${node} `) },
  {
    run: 'get deployment,service -o json',
    prints: /"items": \[[^]*"kind": "Deployment"[^]*"kind": "Service"[^]*"kind": "List"/,
  },
  { run: 'get deployment web -o yaml', prints: /^apiVersion: apps\/v1\nkind: Deployment\n/ },
  { run: 'get deployment,service -o name', prints: /^deployment.apps\/web\nservice\/web\n$/ },
  {
    run: 'get pods -o custom-columns=NAME:.metadata.name,NODE:.spec.nodeName',
    prints: /^NAME +NODE\nwaiting +<none>\nweb-\S+ +node-/,
  },
  { run: 'get deployment web -o jsonpath={.spec.replicas}', prints: /^2$/ },
  {
    run: ['get', 'pods', '-o', 'jsonpath={range .items[?(@.spec.nodeName)]}{.spec.containers[*].image}{"\\n"}{end}'],
    prints: /^(?:example.com\/web:1\n){2}$/,
  },
  { run: 'get service web -o jsonpath-as-json={.spec.ports[*].port}', prints: /^\[\n +80\n\]/ },
  {
    run: ['get', 'pods', '-o', 'go-template={{range .items}}{{.kind}}/{{.metadata.name}} {{end}}'],
    prints: /^Pod\/waiting Pod\/web-\S+ Pod\/web-\S+ $/,
  },
  { run: 'get pods --sort-by=.metadata.name --no-headers', prints: /^waiting [^]*\nweb-[^]*\nweb-/ },
  { run: 'get pods --sort-by=.spec.nodeName -o name', prints: /^pod\/waiting\n/ },
  {
    run: 'get pods --field-selector=status.phase=Running --no-headers',
    prints: /^web-\S+ +1\/1 +Running +0 .*\nweb-.*\n$/,
  },
  { run: 'get pods --field-selector=spec.nodeName= -o name', prints: /^pod\/waiting\n$/ },
  { run: 'get pods --field-selector=spec.colour=red', fails: 'field label not supported: spec.colour' },
  {
    run: ['get', 'pods', '-l', 'app in (other,none)', '--show-labels', '-L', 'app'],
    prints: /APP +LABELS\nwaiting .* other +app=other\n$/,
  },
  { run: 'get pods --chunk-size=1 -o name', prints: /^pod\/waiting\npod\/web-\S+\npod\/web-\S+\n$/ },
  { run: 'get pods --server-print=false', prints: /^NAME +AGE\nwaiting / },
  { run: 'get pods --all-namespaces', prints: /^NAMESPACE +NAME +READY/ },
  { run: 'get deployment web --subresource=status', from: 32, prints: /^NAME +READY .*\nweb +2\/2 / },
  { run: 'get deployment web --subresource=scale -o yaml', from: 32, prints: /kind: Scale\n[^]*selector: app=web/ },
  {
    run: 'get deployment web -o yaml --show-managed-fields',
    from: 32,
    prints: /manager: kubectl-create\n\s+operation: Update/,
  },
  { run: 'get deployment nothing --ignore-not-found', prints: /^$/ },
  { run: 'get deployment nothing', fails: 'Error from server (NotFound): deployments.apps "nothing" not found' },
  { run: 'get nothing', fails: `the server doesn't have a resource type "nothing"` },
  { run: ['get', '--raw', '/api/v1/nodes?limit=1'], prints: /^\{"kind":"NodeList","apiVersion":"v1",/ },
  // A watch ends with the timeout that the server is asked for.
  { run: 'get pods --watch --request-timeout=2s', prints: /^NAME .*\nwaiting +0\/1 +Pending/ },
  { run: 'get pods --watch --output-watch-events --request-timeout=2s', prints: /^EVENT +NAME .*\nADDED +waiting / },
  { run: 'get pods --watch-only --request-timeout=2s -o name', prints: /^$/ },

  {
    run: 'describe deployment web',
    prints:
      /Replicas: +2 desired \| 2 updated \| 2 total \| 2 available[^]*NewReplicaSet: +web-\S+ \(2\/2 replicas created\)/,
  },
  { run: 'describe service web', prints: /Endpoints: +10\.42\.0\.\d+:80,10\.42\.0\.\d+:80/ },
  { run: 'describe pod waiting', prints: /Status: +Pending[^]*kube-api-access-\w+:\n +Type: +Projected/ },
  { run: `describe node ${node}`, prints: /Non-terminated Pods: +\(2 in total\)/ },
  { run: 'describe namespace kube-system', prints: 'kubernetes.io/metadata.name=kube-system' },

  { run: 'wait --for=condition=Available deployment/web --timeout=20s', prints: 'deployment.apps/web condition met' },
  {
    run: 'wait --for=jsonpath={.status.readyReplicas}=2 deployment/web --timeout=20s',
    from: 32,
    prints: 'condition met',
  },
  { run: 'wait --for=create pod/waiting --timeout=20s', from: 32, prints: 'condition met' },
  { run: 'wait --for=condition=Nonsense deployment/web --timeout=1s', fails: 'timed out waiting for the condition' },
  { run: 'delete pod waiting --wait=false', prints: 'pod "waiting"' },
  { run: 'wait --for=delete pod/waiting --timeout=20s', from: 32 },

  {
    run: 'get events --field-selector=involvedObject.kind=Deployment',
    prints: /Normal +ScalingReplicaSet +deployment\/web +Scaled up/,
  },
  { run: 'get events.v1.events.k8s.io --no-headers', prints: 'SuccessfulCreate' },
  { run: 'events --for=deployment/web', from: 32, prints: /ScalingReplicaSet +Deployment\/web/ },
  { run: 'events --types=Warning', from: 32, prints: /^No events found/ },
  { run: 'logs web', fails: 'pods "web" not found' },
  { run: 'top nodes', fails: 'metrics not available yet' },
  { run: 'top pods', fails: 'metrics not available yet' },
]);

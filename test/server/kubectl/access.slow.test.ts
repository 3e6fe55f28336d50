/** Who may do what, certificates and tokens; what is done to nodes: taints, cordons, drains. */
import { opensslRequest } from '../../support/openssl-request.ts';
import { checkRows, type Row } from './rows.ts';

const request = await opensslRequest('-subj', '/CN=jane/O=devs');
const csr = (name: string): string => `apiVersion: certificates.k8s.io/v1
kind: CertificateSigningRequest
metadata: {name: ${name}}
spec: {signerName: kubernetes.io/kube-apiserver-client, usages: [client auth], request: ${request}}
`;
const role = (namespace: string, resources: string): string => `apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: ${namespace}}
rules: [{apiGroups: [""], resources: [${resources}], verbs: [get]}]
`;
const web = (node: string): string => `apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {nodeName: ${node}, containers: [{name: c, image: a}]}
`;
const budget = `apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}
`;
/** As the disruption controller writes it. Of a budget that it has not seen, the server asks clients to wait for ten seconds. */
const exhausted = JSON.stringify({
  status: { observedGeneration: 1, currentHealthy: 1, desiredHealthy: 1, expectedPods: 1, disruptionsAllowed: 0 },
});

const signed = (name: string): Row[] => [
  { run: 'create -f -', input: csr(`${name}-good`), prints: 'created' },
  { run: `get csr ${name}-good`, prints: /kubernetes.io\/kube-apiserver-client +kubernetes-admin .*Pending/ },
  { run: `certificate approve ${name}-good`, prints: 'approved' },
  { run: `wait --for=condition=Approved csr/${name}-good --timeout=10s`, prints: 'condition met' },
  { run: 'create -f -', input: csr(`${name}-bad`), prints: 'created' },
  { run: `certificate deny ${name}-bad`, prints: 'denied' },
  { run: `certificate approve ${name}-bad`, fails: 'is already Denied' },
  { run: `get csr ${name}-bad`, prints: /Denied\n$/ },
  { run: `delete csr ${name}-good ${name}-bad`, prints: /deleted[^]*deleted/ },
];

await checkRows('access', ({ minor, node, namespace }) => [
  { run: 'auth can-i create pods', prints: /^yes/ },
  { run: 'auth can-i create pods --as=nobody', fails: 'exit code 1' },
  { run: 'auth can-i get /version --as=nobody --as-group=system:authenticated', prints: /^yes/ },
  { run: 'auth can-i get pods/log --as=nobody --as-group=system:masters', prints: /^yes/ },
  { run: 'auth can-i --list', prints: /^Resources +Non-Resource URLs +Resource Names +Verbs\n\*\.\* .*\[\*\]/m },
  {
    run: `auth can-i --list --as=system:serviceaccount:${namespace}:default`,
    prints: /selfsubjectreviews.authentication.k8s.io .*\[create\]/,
  },
  {
    run: 'auth whoami',
    from: 32,
    prints: /Username +kubernetes-admin\nGroups +\[system:masters system:authenticated\]/,
  },
  {
    run: 'auth whoami -o yaml --as=jane',
    from: 32,
    prints: /kind: SelfSubjectReview\nmetadata:\n +creationTimestamp: "2[^]*username: jane/,
  },
  {
    run: 'auth reconcile -f -',
    input: role(namespace, 'pods'),
    prints: /reader reconciled\n\treconciliation required create/,
  },
  {
    run: 'auth reconcile -f -',
    input: role(namespace, 'secrets'),
    prints: /missing rules added:[^]*Resources:\[secrets\]/,
  },
  {
    run: 'auth reconcile -f -',
    input: role(namespace, 'secrets'),
    prints: /^role.rbac.authorization.k8s.io\/reader reconciled\n$/,
  },

  ...signed(`jane-${minor}`),

  { run: 'create serviceaccount robot', prints: 'created' },
  { run: 'create token robot', from: 32, prints: /^\w+\.\w+\.[\w-]+\n?$/ },
  {
    run: 'create token robot --duration=1h --audience=elsewhere -o jsonpath={.spec.audiences[0]}',
    from: 32,
    prints: /^elsewhere$/,
  },
  { run: 'create token robot --duration=1s', from: 32, fails: 'may not specify a duration less than 10 minutes' },
  {
    run: 'create token robot --bound-object-kind=Secret --bound-object-name=none',
    from: 32,
    fails: 'secrets "none" not found',
  },
  { run: 'create token nobody', from: 32, fails: 'serviceaccounts "nobody" not found' },

  { run: `taint node ${node} dedicated=web:NoSchedule`, prints: 'tainted' },
  { run: `taint node ${node} dedicated=web:NoSchedule`, fails: 'already has dedicated taint' },
  { run: `taint node ${node} dedicated-`, prints: 'untainted' },
  { run: `taint node ${node} dedicated=web:Sometimes`, fails: /invalid taint effect|effect/ },
  { run: `cordon ${node}`, prints: 'cordoned' },
  { run: `get node ${node}`, prints: 'Ready,SchedulingDisabled' },
  { run: `uncordon ${node}`, prints: 'uncordoned' },

  { run: 'create -f -', input: web(node), prints: 'replicaset.apps/web created' },
  { run: 'create -f -', from: 32, input: budget, prints: 'poddisruptionbudget.policy/web created' },
  {
    run: ['patch', 'pdb', 'web', '--subresource=status', '--type=merge', '-p', exhausted],
    from: 32,
    prints: 'patched',
  },
  {
    run: 'wait --for=jsonpath={.status.readyReplicas}=1 replicaset/web --timeout=20s',
    from: 32,
    prints: 'condition met',
  },
  { run: `drain ${node} --timeout=2s`, from: 32, fails: /global timeout reached|violate the pod's disruption budget/ },
  { run: 'delete pdb web', from: 32, prints: 'deleted' },
  {
    run: `drain ${node} --timeout=60s`,
    prints: new RegExp(`evicting pod ${namespace}/web-[^]*node/${node} (?:evicted|drained)`),
  },
]);

/** What `kubectl create` generates of each kind, its validation, and how `kubectl delete` deletes. */
import t from 'tap';
import { openTestPki } from '../../support/test-pki.ts';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { checkRows, type Row } from './rows.ts';

const folder = t.testdir({});
const { serving } = await openTestPki(path.join(folder, 'pki'));
await writeFile(path.join(folder, 'tls.crt'), serving.certificate);
await writeFile(path.join(folder, 'tls.key'), serving.key);

const misspelt = `apiVersion: v1
kind: Pod
metadata: {name: misspelt, colour: red}
spec: {containers: [{name: c, image: a, comand: [x]}]}
`;
const notAPod = 'apiVersion: v1\nkind: Pod\nmetadata: {name: bad}\nspec: {containers: [{name: c, image: [a]}]}\n';
const strictly = 'strict decoding error: unknown field "metadata.colour", unknown field "spec.containers[0].comand"';

/** The Deployment is gone; whether its ReplicaSet is depends on the cascade. */
const cascades = (cascade: string, replicaSet: Partial<Row>): Row[] => [
  { run: `create deployment ${cascade} --image=a`, prints: `deployment.apps/${cascade} created` },
  { run: `wait --for=condition=Progressing deployment/${cascade} --timeout=20s`, prints: 'condition met' },
  { run: `delete deployment ${cascade} --cascade=${cascade}`, prints: `deployment.apps "${cascade}" deleted` },
  { run: `get deployment ${cascade}`, fails: 'not found' },
  { run: `get replicaset -l app=${cascade} -o name`, ...replicaSet },
];

await checkRows('create', ({ minor }) => [
  { run: 'create deployment web --image=a --replicas=0 --port=80', prints: 'deployment.apps/web created' },
  { run: 'create job once --image=a -- echo hi', prints: 'job.batch/once created' },
  {
    run: ['create', 'cronjob', 'often', '--image=a', '--schedule=*/5 * * * *', '--', 'echo'],
    from: 32,
    prints: 'cronjob.batch/often created',
  },
  { run: 'create job now --from=cronjob/often', from: 32, prints: 'job.batch/now created' },
  {
    run: 'create quota few --hard=pods=50 --scopes=NotTerminating',
    prints: 'resourcequota/few created',
  },
  {
    run: 'create role reader --verb=get,list --resource=pods,deployments.apps',
    prints: 'role.rbac.authorization.k8s.io/reader created',
  },
  {
    run: 'create rolebinding readers --role=reader --user=jane',
    prints: 'rolebinding.rbac.authorization.k8s.io/readers created',
  },
  { run: `create clusterrole logs-${minor} --verb=get --non-resource-url=/logs`, prints: 'created' },
  { run: `create clusterrolebinding viewers-${minor} --clusterrole=view --group=viewers`, prints: 'created' },
  { run: 'create serviceaccount robot', prints: 'serviceaccount/robot created' },
  { run: 'create secret generic plain --from-literal=a=b', prints: 'secret/plain created' },
  {
    run: 'create secret docker-registry login --docker-server=x --docker-username=y --docker-password=z',
    prints: 'secret/login created',
  },
  { run: `create secret tls pair --cert=${folder}/tls.crt --key=${folder}/tls.key`, prints: 'secret/pair created' },
  {
    run: 'create ingress shop --rule=example.com/bar=web:8080,tls=pair --class=x',
    prints: 'ingress.networking.k8s.io/shop created',
  },
  {
    run: 'create poddisruptionbudget one --selector=app=web --min-available=1',
    from: 32,
    prints: 'poddisruptionbudget.policy/one created',
  },
  { run: `create priorityclass high-${minor} --value=10 --description=important`, prints: 'created' },
  { run: 'create service clusterip inside --tcp=80:8080', prints: 'service/inside created' },
  { run: 'create service nodeport outside --tcp=80', prints: 'service/outside created' },
  { run: 'create service loadbalancer balanced --tcp=80', prints: 'service/balanced created' },
  { run: 'create service externalname elsewhere --external-name=example.com', prints: 'service/elsewhere created' },
  { run: `create configmap files --from-file=${folder}/tls.crt`, prints: 'configmap/files created' },
  {
    run: 'create configmap files',
    fails:
      /\(AlreadyExists\): .*configmaps "files" already exists|failed to create configmap: configmaps "files" already exists/,
  },
  { run: 'create configmap Files', fails: 'a lowercase RFC 1123 subdomain' },
  {
    run: 'get secret login plain pair -o jsonpath={.items[*].type}',
    prints: /^kubernetes.io\/dockerconfigjson Opaque kubernetes.io\/tls$/,
  },

  { run: 'create --validate=strict -f -', from: 32, input: misspelt, fails: strictly },
  {
    run: 'create --validate=warn --dry-run=server -f -',
    from: 32,
    input: misspelt,
    prints:
      /misspelt created[^]*Warning: unknown field "metadata.colour"\nWarning: unknown field "spec.containers\[0\].comand"\n/,
  },
  {
    run: 'create --validate=ignore --dry-run=server -f -',
    from: 32,
    input: misspelt,
    prints: /^pod\/misspelt created \(server dry run\)\n$/,
  },
  {
    run: 'create --validate=true -f -',
    to: 20,
    input: misspelt,
    fails: /unknown field "colour" in io.k8s.apimachinery.*unknown field "comand" in io.k8s.api.core.v1.Container/,
  },
  {
    run: 'create -f -',
    input: notAPod,
    fails:
      /got "array", expected "string"|json: cannot unmarshal array into Go struct field Container.spec.containers.image of type string/,
  },
  {
    run: 'create -f -',
    input: 'apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: a}\n',
    fails: 'no matches for kind "Widget" in version "example.com/v1"',
  },
  {
    run: 'replace -f -',
    input: 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: files}\ndata: {a: b}\n',
    prints: 'configmap/files replaced',
  },
  {
    run: 'replace -f -',
    input: 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: none}\n',
    fails: 'configmaps "none" not found',
  },
  {
    run: 'replace --force -f -',
    input: 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: files}\ndata: {a: c}\n',
    prints: /"files" deleted[^]*configmap\/files replaced/,
  },

  ...cascades('background', {}),
  ...cascades('orphan', { prints: 'replicaset.apps/orphan-' }),
  ...cascades('foreground', { prints: /^$/ }),
  { run: 'delete replicasets --all --wait=false', prints: 'replicaset.apps "orphan-' },
  { run: 'run gone --image=a', prints: 'pod/gone created' },
  {
    run: 'delete pod gone --grace-period=0 --force',
    prints: /^pod "gone" force deleted[^]*\n[wW]arning: Immediate deletion/,
  },
  { run: 'delete configmap none', fails: 'configmaps "none" not found' },
  { run: 'delete configmap none --ignore-not-found', prints: /^$/ },
  { run: 'delete configmap files --dry-run=server', prints: /configmap "files" deleted.*\(server dry run\)/ },
  { run: 'delete secret,serviceaccount -l none=such', prints: 'No resources found' },
  { run: 'delete services --all', prints: /service "balanced" deleted[^]*service "outside" deleted/ },
  {
    run: `delete clusterrole/logs-${minor} clusterrolebinding/viewers-${minor} priorityclass/high-${minor}`,
    prints: /(?:.* deleted\n){3}/,
  },
  { run: `create namespace whole-${minor}`, prints: 'created' },
  { run: `delete namespace whole-${minor} --timeout=60s`, prints: `namespace "whole-${minor}" deleted` },
]);

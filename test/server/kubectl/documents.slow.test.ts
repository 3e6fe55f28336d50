/** What kubectl makes of discovery and OpenAPI, and what needs little more: completion, versions, a dump of the cluster. */
import { kinds } from '../../../api/registry.ts';
import { apiVersionOf } from '../../../api/machinery/define-kind.ts';
import { checkRows, type Place, type Row } from './rows.ts';

/** kubectl 1.20 looks for the metrics' resources, `nodes` and `pods`, as kinds of the core group. */
const explained = (): Row[] =>
  kinds.map((kind) => ({
    run: `explain ${kind.plural} --recursive --api-version=${apiVersionOf(kind)}`,
    ...(kind.group === 'metrics.k8s.io' && { from: 32 }),
    prints: new RegExp(`KIND: +${kind.kind}\\nVERSION: [^]*FIELDS:\\n[^]*metadata\\t<`),
  }));

const listed = (): Row => ({
  run: 'api-resources --no-headers',
  prints: new RegExp(
    kinds
      .filter(({ verbs }) => verbs.length)
      .map(({ plural }) => `(?=[^]*^${plural} )`)
      .join(''),
    'm',
  ),
});

await checkRows('documents', ({ folder, minor }: Place) => [
  listed(),
  {
    run: 'api-resources --namespaced=false --api-group=rbac.authorization.k8s.io -o name',
    prints: /^clusterrolebindings\.rbac[^]*\nclusterroles\.rbac/,
  },
  {
    run: 'api-resources --verbs=list,watch -o wide',
    prints: /deployments +deploy +apps\/v1 +true +Deployment/,
    hides: 'subjectaccessreviews',
  },
  { run: 'api-resources --categories=all -o name', from: 32, prints: /^pods\n[^]*deployments.apps\n/ },
  { run: 'api-versions', prints: /^admissionregistration.k8s.io\/v1\n[^]*\nv1\n$/ },
  ...explained(),
  {
    run: 'explain pods.spec.containers.livenessProbe.httpGet',
    prints: /(?:RESOURCE|FIELD): httpGet <(?:Object|HTTPGetAction)>/,
  },
  { run: 'explain pods.spec.nothing', fails: 'field "nothing" does not exist' },
  { run: 'explain deployments --output=plaintext-openapiv2', from: 32, prints: /KIND: +Deployment/ },

  { run: 'version', prints: /Server Version: .*v1\.36\./ },
  { run: 'cluster-info', prints: /control plane.* is running at .*https:\/\/127\.0\.0\.1:/ },
  { run: 'cluster-info dump', prints: /"kind": "NodeList"[^]*"kind": "EventList"/ },
  {
    run: `cluster-info dump --all-namespaces --output-directory=${folder}/dump-${minor}`,
    prints: 'Cluster info dumped to',
  },
  { run: 'config view --minify -o jsonpath={.clusters[0].cluster.server}', prints: /^https:\/\/127\.0\.0\.1:\d+$/ },
  { run: 'completion bash', prints: '__start_kubectl' },
  { run: 'completion zsh', prints: /^#compdef kubectl/ },
  { run: 'completion fish', from: 32, prints: 'complete -c kubectl' },
  { run: 'completion powershell', from: 32, prints: 'Register-ArgumentCompleter' },
  // What the shells ask for.
  { run: '__complete get deploy', from: 32, prints: /^deployments.apps/ },
  { run: '__complete -n default get configmap kube-root', from: 32, prints: /^kube-root-ca.crt\n/ },
]);

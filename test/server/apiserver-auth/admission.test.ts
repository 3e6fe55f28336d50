import { test } from 'tap';
import { namespaces } from '../../../api/kinds/core/namespace.ts';
import { nodes } from '../../../api/kinds/core/node.ts';
import { pods } from '../../../api/kinds/core/pod.ts';
import { configMaps } from '../../../api/kinds/core/config-map.ts';
import { serviceAccounts } from '../../../api/kinds/core/service-account.ts';
import { certificateSigningRequests } from '../../../api/kinds/certificates/certificate-signing-request.ts';
import { clusterRoleBindings } from '../../../api/kinds/rbac/cluster-role-binding.ts';
import { clusterRoles } from '../../../api/kinds/rbac/cluster-role.ts';
import { roleBindings } from '../../../api/kinds/rbac/role-binding.ts';
import { roles } from '../../../api/kinds/rbac/role.ts';
import { priorityClasses } from '../../../api/kinds/scheduling/priority-class.ts';
import { createAll, refusal, startServer, type ServedFixture } from './fixture.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

const RBAC = 'rbac.authorization.k8s.io';

async function withAccount(fixture: ServedFixture, namespace: string, account: object = {}): Promise<void> {
  await createAll(fixture.core, namespaces, { metadata: { name: namespace } });
  await createAll(fixture.core, serviceAccounts, { metadata: { namespace, name: 'default' }, ...account });
}

const pod = (name: string, spec: Partial<Pod['spec']> = {}, namespace = 'apps'): Pod => ({
  metadata: { namespace, name },
  spec: { containers: [{ name: 'c', image: 'c' }], ...spec },
});

test('a pod gets its ServiceAccount, API token, tolerations and priority', async (t) => {
  const fixture = await startServer(t);
  const admin = fixture.client({ token: 'admin-token' });
  await withAccount(fixture, 'apps', { imagePullSecrets: [{ name: 'registry' }] });

  const { spec } = await admin.create<Pod>(pods, pod('plain', { initContainers: [{ name: 'i', image: 'i' }] }));
  const volume = spec?.volumes?.[0];
  t.match(volume?.name, /^kube-api-access-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
  t.same(volume?.projected, {
    defaultMode: 420,
    sources: [
      { serviceAccountToken: { expirationSeconds: 3607, path: 'token' } },
      { configMap: { items: [{ key: 'ca.crt', path: 'ca.crt' }], name: 'kube-root-ca.crt' } },
      {
        downwardAPI: {
          items: [{ fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' }, path: 'namespace' }],
        },
      },
    ],
  });
  const mount = { mountPath: '/var/run/secrets/kubernetes.io/serviceaccount', name: volume?.name, readOnly: true };
  t.same(
    [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])].map((c) => c.volumeMounts),
    [[mount], [mount]],
  );
  t.equal(spec?.serviceAccountName, 'default');
  t.equal(spec?.serviceAccount, 'default');
  t.same(spec?.imagePullSecrets, [{ name: 'registry' }]);
  const toleration = { effect: 'NoExecute', operator: 'Exists', tolerationSeconds: 300 };
  t.same(
    spec?.tolerations,
    ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'].map((key) => ({ ...toleration, key })),
  );
  t.equal(spec?.priority, 0);
  t.equal(spec?.preemptionPolicy, 'PreemptLowerPriority');

  const bare = await admin.create<Pod>(
    pods,
    pod('bare', {
      automountServiceAccountToken: false,
      imagePullSecrets: [{ name: 'own' }],
      tolerations: [{ operator: 'Exists' }],
      priorityClassName: 'system-node-critical',
    }),
  );
  t.equal(bare.spec?.volumes?.length ?? 0, 0);
  t.same(bare.spec?.imagePullSecrets, [{ name: 'own' }]);
  t.same(bare.spec?.tolerations, [{ operator: 'Exists' }]);
  t.equal(bare.spec?.priority, 2_000_001_000);

  const mounted = { name: 'v', mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' };
  const own = await admin.create<Pod>(
    pods,
    pod('own', {
      containers: [{ name: 'c', image: 'c', volumeMounts: [mounted] }],
      volumes: [{ name: 'v', emptyDir: {} }],
    }),
  );
  t.same(
    own.spec?.volumes?.map(({ name }) => name),
    ['v'],
    'existing mounts are kept',
  );
});

test('an account can hold its pods to the secrets that it lists', async (t) => {
  const fixture = await startServer(t);
  const admin = fixture.client({ token: 'admin-token' });
  await withAccount(fixture, 'apps', {
    metadata: { namespace: 'apps', name: 'default', annotations: { 'kubernetes.io/enforce-mountable-secrets': '1' } },
    secrets: [{ name: 'listed' }],
    imagePullSecrets: [{ name: 'registry' }],
  });
  const env = (name: string) => [{ name: 'E', valueFrom: { secretKeyRef: { name, key: 'k' } } }];
  const container = (name: string) => ({ name: 'c', image: 'c', env: env(name) });
  const suffix = 'is not allowed because service account default does not reference that secret';
  const rows: [spec: Partial<Pod['spec']>, problem: string][] = [
    [{ volumes: [{ name: 'v', secret: { secretName: 'other' } }] }, `volume with secret.secretName="other" ${suffix}`],
    [{ containers: [container('other')] }, `container c with envVar E referencing secret.secretName="other" ${suffix}`],
    [
      { imagePullSecrets: [{ name: 'registry' }, { name: 'other' }] },
      'imagePullSecrets[1].name="other" is not allowed because service account default does not reference that imagePullSecret',
    ],
  ];
  for (const [spec, problem] of rows) {
    const refused = await refusal(admin.create(pods, pod('p', spec)));
    t.same(refused, { code: 403, message: `pods "p" is forbidden: ${problem}` });
  }
  await admin.create(pods, pod('p', { containers: [container('listed')] }));
  const debug = (name: string) => {
    const ephemeralContainers = [{ ...container(name), name: 'debug' }];
    return admin.patch(pods, 'apps', 'p', { spec: { ephemeralContainers } }, { subresource: 'ephemeralcontainers' });
  };
  t.same(await refusal(debug('other')), {
    code: 500,
    message: `ephemeral container debug with envVar E referencing secret.secretName="other" ${suffix}`,
  });
  t.equal((await refusal(debug('listed'))).message, 'the call succeeded');
});

test('an unknown ServiceAccount or PriorityClass is rejected; a new default ServiceAccount is waited for', async (t) => {
  const fixture = await startServer(t);
  const admin = fixture.client({ token: 'admin-token' });
  await withAccount(fixture, 'apps');
  t.same(await refusal(admin.create(pods, pod('p', { serviceAccountName: 'gone' }))), {
    code: 403,
    message: 'pods "p" is forbidden: error looking up service account apps/gone: serviceaccount "gone" not found',
  });
  t.match(await refusal(admin.create(pods, { metadata: { namespace: 'apps', name: 'p' }, spec: { containers: [] } })), {
    code: 422,
    message: 'Pod "p" is invalid: spec.containers: Required value',
  });
  const bare = { metadata: { namespace: 'apps', name: 'p' }, spec: {} } as Pod;
  t.match(await refusal(admin.create(pods, bare)), { code: 422 }, 'absent lists stay absent');
  t.same(await refusal(admin.create(pods, pod('p', { priorityClassName: 'gone' }))), {
    code: 403,
    message: 'pods "p" is forbidden: no PriorityClass with name gone was found',
  });
  t.match(await refusal(admin.create(pods, pod('p', { priority: 7 }))), {
    code: 403,
    message: /the integer value of priority \(7\) must not be provided in pod spec/,
  });
  const globalDefault = {
    metadata: { name: 'usual' },
    value: 77,
    globalDefault: true,
    preemptionPolicy: 'Never' as const,
  };
  await admin.create(priorityClasses, globalDefault);
  const { spec } = await admin.create<Pod>(pods, pod('p'));
  t.match(spec, { priority: 77, priorityClassName: 'usual', preemptionPolicy: 'Never' });
  t.match(await refusal(admin.create(priorityClasses, { ...globalDefault, metadata: { name: 'second' } })), {
    code: 403,
    message: /PriorityClass usual is already marked as default. Only one default can exist/,
  });

  await createAll(fixture.core, namespaces, { metadata: { name: 'new' } });
  const waiting = admin.create<Pod>(pods, pod('early', {}, 'new'));
  await createAll(fixture.core, serviceAccounts, { metadata: { namespace: 'new', name: 'default' } });
  t.equal((await waiting).spec?.serviceAccountName, 'default');
});

test('creates in absent or terminating namespaces are rejected, and system namespaces cannot be deleted', async (t) => {
  const fixture = await startServer(t);
  const admin = fixture.client({ token: 'admin-token' });
  await withAccount(fixture, 'going');
  const make = (namespace: string) => admin.create(configMaps, { metadata: { namespace, name: 'x' } });
  t.same(await refusal(make('nowhere')), { code: 404, message: 'namespaces "nowhere" not found' });
  await admin.delete(namespaces, '', 'going');
  t.same(await refusal(make('going')), {
    code: 403,
    message:
      'configmaps "x" is forbidden: unable to create new content in namespace going because it is being terminated',
  });
  for (const name of ['default', 'kube-system', 'kube-public']) {
    t.same(await refusal(admin.delete(namespaces, '', name)), {
      code: 403,
      message: `namespaces "${name}" is forbidden: this namespace may not be deleted`,
    });
  }
});

test('granting permissions requires holding them, or escalate or bind', async (t) => {
  const fixture = await startServer(t);
  const { core } = fixture;
  await withAccount(fixture, 'apps');
  const alice = fixture.client({ token: 'alice-token' });
  const readPods = { verbs: ['get', 'list'], apiGroups: [''], resources: ['pods'] };
  const manage = { verbs: ['*'], apiGroups: [RBAC], resources: ['roles', 'rolebindings', 'clusterroles'] };
  const subjects = [{ apiGroup: RBAC, kind: 'Group', name: 'developers' }];
  await createAll(core, clusterRoles, { metadata: { name: 'power' }, rules: [{ ...readPods, resources: ['*'] }] });
  await createAll(
    core,
    roles,
    // `*` would include escalate and bind.
    {
      metadata: { namespace: 'apps', name: 'dev' },
      rules: [readPods, { ...manage, verbs: ['create', 'update', 'get', 'patch'] }],
    },
  );
  const bindDev = { apiGroup: RBAC, kind: 'Role', name: 'dev' };
  await createAll(core, roleBindings, { metadata: { namespace: 'apps', name: 'dev' }, roleRef: bindDev, subjects });

  const role = (name: string, ...rules: (typeof readPods)[]) => ({ metadata: { namespace: 'apps', name }, rules });
  t.ok(await alice.create(roles, role('same', readPods)));
  t.same(await refusal(alice.create(roles, role('more', readPods, { ...readPods, resources: ['secrets'] }))), {
    code: 403,
    message:
      'roles.rbac.authorization.k8s.io "more" is forbidden: user "alice" (groups=["developers" "testers" "system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n' +
      '{APIGroups:[""], Resources:["secrets"], Verbs:["get" "list"]}',
  });
  const wider = { rules: [readPods, { ...readPods, verbs: ['delete'] }] };
  t.equal((await refusal(alice.patch(roles, 'apps', 'same', wider))).code, 403);
  t.ok(await alice.patch(roles, 'apps', 'same', { metadata: { labels: { a: 'b' } } }), 'unchanged rules');

  const binding = (name: string, kind: string, roleName: string) => ({
    ...{ metadata: { namespace: 'apps', name }, roleRef: { apiGroup: RBAC, kind, name: roleName } },
    ...{ subjects: [{ apiGroup: RBAC, kind: 'User', name: 'bob' }] },
  });
  t.ok(await alice.create(roleBindings, binding('fine', 'Role', 'same')));
  t.match(await refusal(alice.create(roleBindings, binding('power', 'ClusterRole', 'power'))), {
    code: 403,
    message: /attempting to grant RBAC permissions not currently held:\n\{APIGroups:\[""\], Resources:\["\*"\]/,
  });
  t.same(await refusal(alice.create(roleBindings, binding('gone', 'Role', 'gone'))), {
    code: 404,
    message: 'roles.rbac.authorization.k8s.io "gone" not found',
  });

  const rights = {
    verbs: ['bind', 'escalate'],
    ...{ apiGroups: [RBAC], resources: ['clusterroles', 'roles'], resourceNames: ['power', 'trusted'] },
  };
  await createAll(core, roles, role('granter', rights));
  const grant = { ...binding('granter', 'Role', 'granter'), subjects };
  await createAll(core, roleBindings, grant);
  t.ok(await alice.create(roleBindings, binding('power', 'ClusterRole', 'power')), 'with bind');
  t.ok(await alice.patch(roles, 'apps', 'same', { metadata: { labels: { a: 'c' } } }));
  t.equal((await refusal(alice.create(roles, role('other', { ...readPods, verbs: ['delete'] })))).code, 403);
  t.ok(await alice.create(roles, role('trusted', { ...readPods, verbs: ['delete'] })), 'with escalate');

  const wide = { metadata: { name: 'agg' }, rules: [{ ...manage, verbs: ['create'], resources: ['clusterroles'] }] };
  await createAll(core, clusterRoles, wide);
  const aggregator = { apiGroup: RBAC, kind: 'ClusterRole', name: 'agg' };
  await createAll(core, clusterRoleBindings, { metadata: { name: 'agg' }, roleRef: aggregator, subjects });
  const aggregationRule = { clusterRoleSelectors: [{ matchLabels: { a: 'b' } }] };
  t.match(await refusal(alice.create(clusterRoles, { metadata: { name: 'all' }, aggregationRule })), {
    code: 403,
    message: /must have cluster-admin privileges to use the aggregationRule/,
  });
});

test('certificate approval requires approve on the signer, and requests for system:masters are rejected', async (t) => {
  const fixture = await startServer(t);
  const { core } = fixture;
  const alice = fixture.client({ token: 'alice-token' });
  const admin = fixture.client({ token: 'admin-token' });
  const subjects = [{ apiGroup: RBAC, kind: 'User', name: 'alice' }];
  const csr = {
    apiGroups: ['certificates.k8s.io'],
    resources: ['certificatesigningrequests', 'certificatesigningrequests/approval'],
  };
  await createAll(core, clusterRoles, {
    metadata: { name: 'csr' },
    rules: [{ verbs: ['create', 'get', 'update'], ...csr }],
  });
  const bind = (name: string) => ({
    ...{ metadata: { name }, roleRef: { apiGroup: RBAC, kind: 'ClusterRole', name }, subjects },
  });
  await createAll(core, clusterRoleBindings, bind('csr'));
  const { generateKeyPairSync } = await import('node:crypto');
  const { certificateRequest } = await import('../../../agent/join/certificate-request.ts');
  const request = (name: string, organization: string) => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const pem = certificateRequest({ commonName: 'carol', organization }, publicKey, privateKey);
    const signerName = 'kubernetes.io/kube-apiserver-client';
    const spec = { request: Buffer.from(pem).toString('base64'), signerName, usages: ['client auth' as const] };
    return alice.create(certificateSigningRequests, { metadata: { name }, spec });
  };
  t.match(await refusal(request('root', 'system:masters')), {
    code: 403,
    message: /use of kubernetes.io\/kube-apiserver-client signer with system:masters group is not allowed/,
  });
  const made = await request('carol', 'dev');
  const approved = { type: 'Approved', status: 'True', reason: 'Test', message: 'fine' };
  const approval = { ...made, status: { conditions: [approved] } };
  const approve = () => alice.updateSubresource(certificateSigningRequests, 'approval', approval);
  t.match(await refusal(approve()), {
    code: 403,
    message: /user not permitted to approve requests with signerName "kubernetes.io\/kube-apiserver-client"/,
  });
  const signers = { apiGroups: ['certificates.k8s.io'], resources: ['signers'], resourceNames: ['kubernetes.io/*'] };
  await createAll(core, clusterRoles, { metadata: { name: 'approve' }, rules: [{ verbs: ['approve'], ...signers }] });
  await createAll(core, clusterRoleBindings, bind('approve'));
  t.ok(await approve());
  t.ok(await admin.create(nodes, { metadata: { name: 'by-admin' } }));
});

test("plugins run in upstream's order", async (t) => {
  const { security } = await startServer(t);
  t.strictSame(
    security.admission.map(({ name }) => name),
    [
      'TerminatingDefinition',
      'NamespaceLifecycle',
      'LimitRanger',
      'ServiceAccount',
      'NodeRestriction',
      'TaintNodesByCondition',
      'PodSecurity',
      'Priority',
      'DefaultTolerationSeconds',
      'DefaultStorageClass',
      'StorageObjectInUseProtection',
      'PersistentVolumeClaimResize',
      'RuntimeClass',
      'CertificateApproval',
      'CertificateSigning',
      'CertificateSubjectRestriction',
      'DefaultIngressClass',
      'PodTopologyLabels',
      'PodResizeValidator',
      'RBACEscalation',
      'DeviceAdminAccess',
      'DeviceStatusPermission',
      'PolicyParamAccess',
      'MutatingAdmissionPolicy',
      'MutatingAdmissionWebhook',
      'ValidatingAdmissionPolicy',
      'ValidatingAdmissionWebhook',
      'ResourceQuota',
    ],
  );
});

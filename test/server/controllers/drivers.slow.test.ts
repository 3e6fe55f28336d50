import { isDeepStrictEqual } from 'node:util';
import t from 'tap';
import { deployments } from '../../../api/kinds/apps/deployment.ts';
import { replicaSets } from '../../../api/kinds/apps/replica-set.ts';
import { selfSubjectReviews } from '../../../api/kinds/authentication/self-subject-review.ts';
import { certificateSigningRequests } from '../../../api/kinds/certificates/certificate-signing-request.ts';
import { configMaps } from '../../../api/kinds/core/config-map.ts';
import { endpoints } from '../../../api/kinds/core/endpoints.ts';
import { namespaces } from '../../../api/kinds/core/namespace.ts';
import { nodes } from '../../../api/kinds/core/node.ts';
import { pods } from '../../../api/kinds/core/pod.ts';
import { secrets } from '../../../api/kinds/core/secret.ts';
import { serviceAccounts } from '../../../api/kinds/core/service-account.ts';
import { services } from '../../../api/kinds/core/service.ts';
import { endpointSlices } from '../../../api/kinds/discovery/endpoint-slice.ts';
import type { KubeObject } from '../../../api/machinery/kind.ts';
import { isNotFound } from '../../../api/machinery/status-error.ts';
import { ApiClient } from '../../../client/api-client.ts';
import { loadKubeconfig } from '../../../client/kubeconfig.ts';
import type { Resource } from '../../../client/resource.ts';
import { eventually } from '../../support/wait.ts';
import { ControlPlane, PretendedNode } from './control-plane.ts';
import { opensslRequest } from '../../support/openssl-request.ts';
import type { Deployment } from '../../../api/types/apps/v1.gen.ts';
import type { Pod, Secret } from '../../../api/types/core/v1.gen.ts';

const deployment = (namespace: string, replicas: number, image = 'v1', node = 'n1'): Deployment => ({
  metadata: { namespace, name: 'web' },
  spec: {
    replicas,
    selector: { matchLabels: { app: 'web' } },
    template: {
      metadata: { labels: { app: 'web' } },
      spec: {
        // Bound by the tests: no scheduler runs.
        nodeName: node,
        terminationGracePeriodSeconds: 0,
        containers: [{ name: 'c', image, ports: [{ name: 'http', containerPort: 8080 }] }],
      },
    },
  },
});

async function find<T extends KubeObject>(client: ApiClient, resource: Resource<T>, namespace: string, name: string) {
  try {
    return await client.get(resource, namespace, name);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

const newNamespace = async (client: ApiClient, name: string): Promise<void> => {
  await client.create(namespaces, { metadata: { name } });
  await eventually(
    `the ServiceAccount of ${name}`,
    async () => (await find(client, serviceAccounts, name, 'default')) !== undefined,
  );
  await eventually(
    `the CA in ${name}`,
    async () => (await find(client, configMaps, name, 'kube-root-ca.crt')) !== undefined,
  );
};

async function rolledOut(
  client: ApiClient,
  namespace: string,
  replicas: number,
  revision: number,
): Promise<Deployment> {
  let last: Deployment | undefined;
  await eventually(`revision ${revision} with ${replicas} pods`, async () => {
    last = await client.get(deployments, namespace, 'web');
    const { metadata, status } = last;
    return (
      status?.observedGeneration === metadata?.generation &&
      metadata?.annotations?.['deployment.kubernetes.io/revision'] === String(revision) &&
      (status?.updatedReplicas ?? 0) === replicas &&
      (status?.replicas ?? 0) === replicas &&
      (status?.availableReplicas ?? 0) === replicas
    );
  });
  return last!;
}

const gone = (client: ApiClient, resource: Resource, namespace: string) =>
  eventually(
    `no ${resource.plural} in ${namespace}`,
    async () => (await client.listAll(resource, { namespace })).length === 0,
  );

t.test('controllers against a real api-server', async (t) => {
  const plane = await ControlPlane.start(2);
  const { client } = plane;
  const node = await PretendedNode.join(client, 'n1');
  t.teardown(async () => {
    await node[Symbol.asyncDispose]();
    await plane[Symbol.asyncDispose]();
  });

  await t.test(
    'each namespace gets the default ServiceAccount and the CA bundle, which are recreated when deleted',
    async (t) => {
      await newNamespace(client, 'accounts');
      const bundle = await client.get(configMaps, 'accounts', 'kube-root-ca.crt');
      t.match(bundle.data?.['ca.crt'], /^-----BEGIN CERTIFICATE-----/);
      await client.delete(serviceAccounts, 'accounts', 'default');
      await client.patch(configMaps, 'accounts', 'kube-root-ca.crt', { data: { 'ca.crt': 'forged' } });
      await eventually('the bundle to be restored', async () => {
        const healed = await client.get(configMaps, 'accounts', 'kube-root-ca.crt');
        return healed.data?.['ca.crt'] === bundle.data?.['ca.crt'];
      });
      await eventually(
        'the account',
        async () => (await find(client, serviceAccounts, 'accounts', 'default')) !== undefined,
      );
    },
  );

  await t.test(
    'a ServiceAccount token Secret is populated and repaired, and deleted with its ServiceAccount',
    async (t) => {
      await newNamespace(client, 'tokens');
      const metadata = { namespace: 'tokens', name: 'builder' };
      const account = await client.create(serviceAccounts, { metadata });
      const annotations = { 'kubernetes.io/service-account.name': 'builder' };
      const type = 'kubernetes.io/service-account-token';
      await client.create(secrets, { metadata: { ...metadata, annotations }, type, data: { more: 'eA==' } });
      const filled = async () => {
        let secret: Secret | undefined;
        await eventually('the Secret to be populated', async () => {
          secret = await client.get(secrets, 'tokens', 'builder');
          return Object.keys(secret.data ?? {}).length === 4;
        });
        return secret?.data ?? {};
      };
      const first = await filled();
      const bundle = await client.get(configMaps, 'tokens', 'kube-root-ca.crt');
      t.equal(atob(first['ca.crt'] ?? ''), bundle.data?.['ca.crt']);
      t.equal(atob(first['namespace'] ?? ''), 'tokens');
      t.match(await client.get(secrets, 'tokens', 'builder'), {
        metadata: { annotations: { 'kubernetes.io/service-account.uid': account.metadata?.uid } },
      });
      await using itself = new ApiClient({
        ...(await loadKubeconfig(plane.kubeconfig)),
        ...{ cert: undefined, key: undefined, token: atob(first['token'] ?? '') },
      });
      t.match(await itself.create(selfSubjectReviews, {}), {
        status: { userInfo: { username: 'system:serviceaccount:tokens:builder' } },
      });

      await client.patch(secrets, 'tokens', 'builder', { data: { namespace: null, 'ca.crt': 'eA==' } });
      await eventually('the Secret to be repaired', async () => isDeepStrictEqual(await filled(), first));

      await client.delete(serviceAccounts, 'tokens', 'builder');
      await eventually(
        'the Secret to be deleted',
        async () => (await find(client, secrets, 'tokens', 'builder')) === undefined,
      );
      await client.create(serviceAccounts, { metadata });
      const stale = { ...annotations, 'kubernetes.io/service-account.uid': account.metadata?.uid ?? '' };
      await client.create(secrets, { metadata: { ...metadata, annotations: stale }, type });
      await eventually(
        'the Secret of the deleted ServiceAccount to be deleted',
        async () => (await find(client, secrets, 'tokens', 'builder')) === undefined,
      );
    },
  );

  await t.test('a Deployment rolls out, updates, rolls back and scales, and its Service follows', async (t) => {
    await newNamespace(client, 'rollout');
    await client.create(services, {
      metadata: { namespace: 'rollout', name: 'web' },
      spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 'http' }] },
    });
    await client.create(deployments, deployment('rollout', 3));
    const first = await rolledOut(client, 'rollout', 3, 1);
    t.match(first.status?.conditions?.map(({ type, reason }) => `${type} ${reason}`).sort(), [
      'Available MinimumReplicasAvailable',
      'Progressing NewReplicaSetAvailable',
    ]);
    const addressesOf = async () => {
      const [slice] = await client.listAll(endpointSlices, { namespace: 'rollout' });
      const ready = (slice?.endpoints ?? []).filter(({ conditions }) => conditions?.ready);
      return ready.flatMap((endpoint) => endpoint.addresses).sort();
    };
    const podAddresses = async () => {
      const running = await client.listAll(pods, { namespace: 'rollout' });
      return running.flatMap(({ status }) => status?.podIP ?? []).sort();
    };
    const followed = async () => {
      const [slice, pod] = [await addressesOf(), await podAddresses()];
      const [subset] = (await client.get(endpoints, 'rollout', 'web')).subsets ?? [];
      const older = (subset?.addresses ?? []).map(({ ip }) => ip).sort();
      return slice.length > 0 && slice.join() === pod.join() && slice.join() === older.join();
    };
    await eventually('the endpoints', followed);

    await client.patch(deployments, 'rollout', 'web', { spec: deployment('rollout', 3, 'v2').spec });
    await rolledOut(client, 'rollout', 3, 2);
    await client.patch(deployments, 'rollout', 'web', { spec: deployment('rollout', 3, 'v1').spec });
    await rolledOut(client, 'rollout', 3, 3);
    await client.patch(deployments, 'rollout', 'web', { spec: { replicas: 40 } });
    await rolledOut(client, 'rollout', 40, 3);
    t.equal((await client.listAll(pods, { namespace: 'rollout' })).length, 40, 'no surplus pods');
    t.equal((await client.listAll(replicaSets, { namespace: 'rollout' })).length, 2);
    await client.patch(deployments, 'rollout', 'web', { spec: { replicas: 1 } });
    await rolledOut(client, 'rollout', 1, 3);
    await eventually('the endpoints after the last change', followed);
  });

  await t.test('a ReplicaSet replaces deleted pods, adopts matching pods and releases others', async (t) => {
    await newNamespace(client, 'adoption');
    const { spec } = deployment('adoption', 2);
    const orphan: Pod = {
      metadata: { namespace: 'adoption', name: 'orphan', labels: { app: 'web' } },
      spec: spec!.template.spec,
    };
    await client.create(pods, orphan);
    await client.create(replicaSets, { metadata: { namespace: 'adoption', name: 'web' }, spec });
    const ready = async (count: number) =>
      eventually(
        `${count} ready`,
        async () => (await client.get(replicaSets, 'adoption', 'web')).status?.readyReplicas === count,
      );
    await ready(2);
    const adopted = await client.get(pods, 'adoption', 'orphan');
    t.match(adopted.metadata?.ownerReferences, [{ kind: 'ReplicaSet', name: 'web', controller: true }]);
    t.equal((await client.listAll(pods, { namespace: 'adoption' })).length, 2);

    await client.patch(pods, 'adoption', 'orphan', { metadata: { labels: { app: 'other' } } });
    await eventually('a replacement', async () => (await client.listAll(pods, { namespace: 'adoption' })).length === 3);
    await ready(2);
    t.notOk((await client.get(pods, 'adoption', 'orphan')).metadata?.ownerReferences?.length);
    const [victim] = await client.listAll(pods, { namespace: 'adoption', labelSelector: 'app=web' });
    await client.delete(pods, 'adoption', victim?.metadata?.name ?? '');
    await eventually('a replacement pod', async () => {
      const there = await client.listAll(pods, { namespace: 'adoption', labelSelector: 'app=web' });
      return there.length === 2 && there.every(({ metadata }) => metadata?.uid !== victim?.metadata?.uid);
    });
  });

  await t.test('dependents are deleted in the background or foreground, or orphaned', async (t) => {
    await newNamespace(client, 'garbage');
    const create = async (propagationPolicy: 'Background' | 'Foreground' | 'Orphan') => {
      await client.create(deployments, deployment('garbage', 2));
      await rolledOut(client, 'garbage', 2, 1);
      await client.delete(deployments, 'garbage', 'web', { propagationPolicy });
    };
    await create('Background');
    await gone(client, pods, 'garbage');
    await gone(client, replicaSets, 'garbage');
    await create('Foreground');
    await gone(client, deployments, 'garbage');
    t.equal((await client.listAll(replicaSets, { namespace: 'garbage' })).length, 0, 'the owner is deleted last');
    await create('Orphan');
    await gone(client, deployments, 'garbage');
    const [left] = await client.listAll(replicaSets, { namespace: 'garbage' });
    t.notOk(left?.metadata?.ownerReferences?.length);
    t.equal((await client.listAll(pods, { namespace: 'garbage' })).length, 2);

    const owner = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      name: 'never-was',
      uid: '00000000-0000-4000-8000-000000000000',
    };
    await client.create(configMaps, { metadata: { namespace: 'garbage', name: 'lost', ownerReferences: [owner] } });
    await eventually('an absent owner', async () => (await find(client, configMaps, 'garbage', 'lost')) === undefined);
  });

  await t.test(
    'namespace deletion deletes pods first, then the rest, and finishes when the namespace is empty',
    async (t) => {
      await newNamespace(client, 'doomed');
      await client.create(deployments, deployment('doomed', 3));
      await rolledOut(client, 'doomed', 3, 1);
      const held = { namespace: 'doomed', name: 'held', finalizers: ['example.com/hold'] };
      await client.create(configMaps, { metadata: held });
      const [pod] = await client.listAll(pods, { namespace: 'doomed' });
      const holdPod = (finalizers: string[]) =>
        client.patch(pods, 'doomed', pod?.metadata?.name ?? '', { metadata: { finalizers } });
      await holdPod(['example.com/hold']);
      await client.delete(namespaces, '', 'doomed');
      const remain = (message: string) =>
        eventually(`only ${message} to remain`, async () => {
          const { status } = await client.get(namespaces, '', 'doomed');
          const remaining = status?.conditions?.find(({ type }) => type === 'NamespaceContentRemaining');
          return remaining?.message === `Some resources are remaining: ${message} has 1 resource instances`;
        });
      await remain('pods.');
      t.equal((await client.listAll(deployments, { namespace: 'doomed' })).length, 1);
      t.notOk((await client.get(configMaps, 'doomed', 'held')).metadata?.deletionTimestamp);
      await holdPod([]);
      await remain('configmaps.');
      t.equal((await client.listAll(deployments, { namespace: 'doomed' })).length, 0);
      await client.patch(configMaps, 'doomed', 'held', { metadata: { finalizers: [] } });
      await eventually(
        'the namespace to be deleted',
        async () => (await find(client, namespaces, '', 'doomed')) === undefined,
      );
      t.equal((await client.listAll(pods, { namespace: 'doomed' })).length, 0);
    },
  );

  await t.test(
    'nodes get pod CIDRs; an unreachable one is tainted, and its pods become not ready and are evicted',
    async (t) => {
      await newNamespace(client, 'lost');
      const doomed = await PretendedNode.join(client, 'n2');
      const cidrOf = async (name: string) => (await client.get(nodes, '', name)).spec?.podCIDR;
      await eventually('a pod CIDR', async () => (await cidrOf('n2')) !== undefined);
      t.not(await cidrOf('n2'), await cidrOf('n1'));
      const { spec } = deployment('lost', 1, 'v1', 'n2').spec!.template;
      const toleration = (tolerationSeconds?: number) => ({
        key: 'node.kubernetes.io/unreachable',
        operator: 'Exists' as const,
        effect: 'NoExecute' as const,
        tolerationSeconds,
      });
      const create = (name: string, tolerationSeconds?: number) =>
        client.create(pods, {
          metadata: { namespace: 'lost', name },
          spec: { ...spec!, terminationGracePeriodSeconds: 30, tolerations: [toleration(tolerationSeconds)] },
        });
      await create('brief', 1);
      await create('faithful');
      const isReady = async (name: string) =>
        (await client.get(pods, 'lost', name)).status?.conditions?.some(
          ({ type, status }) => type === 'Ready' && status === 'True',
        );
      await eventually(
        'the pods to run',
        async () => ((await isReady('brief')) && (await isReady('faithful'))) ?? false,
      );

      await doomed[Symbol.asyncDispose]();
      await eventually(
        'the taints',
        async () => {
          const { spec: lost } = await client.get(nodes, '', 'n2');
          const effects = (lost?.taints ?? []).map(({ key, effect }) => `${key}:${effect}`);
          return effects.includes('node.kubernetes.io/unreachable:NoExecute') && effects.length === 2;
        },
        15,
      );
      const { status } = await client.get(nodes, '', 'n2');
      t.match(
        status?.conditions?.find(({ type }) => type === 'Ready'),
        { status: 'Unknown', reason: 'NodeStatusUnknown', message: 'Kubelet stopped posting node status.' },
      );
      await eventually('the pods not to be ready', async () => !(await isReady('faithful')));
      await eventually('the eviction', async () => {
        const evicted = await client.get(pods, 'lost', 'brief');
        return evicted.metadata?.deletionTimestamp !== undefined;
      });
      const evicted = await client.get(pods, 'lost', 'brief');
      t.match(
        evicted.status?.conditions?.find(({ type }) => type === 'DisruptionTarget'),
        { status: 'True', reason: 'DeletionByTaintManager' },
      );
      t.notOk((await client.get(pods, 'lost', 'faithful')).metadata?.deletionTimestamp);
      await client.delete(nodes, '', 'n2');
    },
  );

  await t.test('a joining node gets its certificate, and expired bootstrap tokens are deleted', async (t) => {
    const spec = {
      request: await opensslRequest('-subj', '/O=system:nodes/CN=system:node:n9'),
      signerName: 'kubernetes.io/kube-apiserver-client-kubelet',
      usages: ['digital signature' as const, 'client auth' as const],
    };
    await client.create(certificateSigningRequests, { metadata: { name: 'n9' }, spec });
    await eventually('the certificate', async () => {
      const { status } = await client.get(certificateSigningRequests, '', 'n9');
      return status?.certificate !== undefined;
    });
    const { status } = await client.get(certificateSigningRequests, '', 'n9');
    t.match(Buffer.from(status?.certificate ?? '', 'base64').toString(), /^-----BEGIN CERTIFICATE-----/);
    t.match(status?.conditions, [{ type: 'Approved', reason: 'AutoApproved' }]);

    const base64 = (text: string): string => Buffer.from(text).toString('base64');
    await client.create(secrets, {
      metadata: { namespace: 'kube-system', name: 'bootstrap-token-abcdef' },
      type: 'bootstrap.kubernetes.io/token',
      data: {
        'token-id': base64('abcdef'),
        'token-secret': base64('0123456789abcdef'),
        expiration: base64(new Date(Date.now() + 1000).toISOString()),
        'usage-bootstrap-authentication': base64('true'),
      },
    });
    const token = () => find(client, secrets, 'kube-system', 'bootstrap-token-abcdef');
    t.ok(await token());
    await eventually('the token to be deleted', async () => (await token()) === undefined);
  });

  await t.test('a serving certificate requested before the node has addresses is issued once it has', async (t) => {
    await using itself = await plane.clientOfNode('n7');
    const request = async (
      name: string,
      signerName: string,
      usage: 'server auth' | 'client auth',
      ...options: string[]
    ) => {
      const encoded = await opensslRequest('-subj', '/O=system:nodes/CN=system:node:n7', ...options);
      const spec = { request: encoded, signerName, usages: ['digital signature' as const, usage] };
      await itself.create(certificateSigningRequests, { metadata: { name }, spec });
    };
    const requestServing = (name: string, address: string) =>
      request(name, 'kubernetes.io/kubelet-serving', 'server auth', '-addext', `subjectAltName=IP:${address}`);
    const statusOf = async (name: string) => (await client.get(certificateSigningRequests, '', name)).status;
    const isSigned = (name: string) =>
      eventually(`the certificate of ${name}`, async () => (await statusOf(name))?.certificate !== undefined);

    await requestServing('n7-serving', '192.0.2.7');
    await requestServing('n7-moved', '192.0.2.77');
    // Requests are processed in order: once this one is signed, those before it have been skipped.
    await request('n7-client', 'kubernetes.io/kube-apiserver-client-kubelet', 'client auth');
    await isSigned('n7-client');
    t.notOk((await statusOf('n7-serving'))?.conditions);

    const at = (address: string) => ({ status: { addresses: [{ type: 'InternalIP' as const, address }] } });
    await client.create(nodes, { metadata: { name: 'n7' }, ...at('192.0.2.7') });
    await isSigned('n7-serving');
    t.notOk((await statusOf('n7-moved'))?.conditions, 'not an address of the node');

    await client.patch(nodes, '', 'n7', at('192.0.2.77'), { subresource: 'status' });
    await isSigned('n7-moved');

    // What it says of itself makes it no server.
    const [ofService, ofServer] = ['10.43.0.1', '192.0.2.200'];
    const metadata = { namespace: 'default', name: 'kubernetes' };
    await client.create(endpoints, { metadata, subsets: [{ addresses: [{ ip: ofServer }], ports: [{ port: 6443 }] }] });
    const addresses = [ofService, ofServer, '192.0.2.77'].map((address) => ({ type: 'InternalIP' as const, address }));
    await client.patch(nodes, '', 'n7', { status: { addresses } }, { subresource: 'status' });
    await requestServing('n7-of-service', ofService);
    await requestServing('n7-of-server', ofServer);
    await requestServing('n7-again', '192.0.2.77');
    await isSigned('n7-again');
    for (const name of ['n7-of-service', 'n7-of-server']) t.notOk((await statusOf(name))?.conditions, name);
    await client.patch(nodes, '', 'n7', { metadata: { labels: { 'node-role.kubernetes.io/control-plane': '' } } });
    await isSigned('n7-of-server');
    t.notOk((await statusOf('n7-of-service'))?.conditions, 'the address of the Service is no host');
    await client.delete(endpoints, 'default', 'kubernetes');
    await client.delete(nodes, '', 'n7');
  });

  t.strictSame(node.failures, []);
});

t.test('manual Endpoints are mirrored to EndpointSlices, which follow them and are deleted with them', async (t) => {
  await using plane = await ControlPlane.start();
  const { client } = plane;
  await newNamespace(client, 'by-hand');
  const mirrored = async () =>
    (await client.list(endpointSlices, { namespace: 'by-hand' })).items.map(
      ({ addressType, endpoints: all, ports }) => ({
        addressType,
        addresses: (all ?? []).map(({ addresses, conditions }) => `${addresses.join()} ${conditions?.ready}`),
        ports: (ports ?? []).map(({ port }) => port),
      }),
    );
  const becomes = (wanted: object[]) =>
    eventually(JSON.stringify(wanted), async () => JSON.stringify(await mirrored()) === JSON.stringify(wanted));
  const ports = [{ name: 'http', port: 80 }];
  const metadata = { namespace: 'by-hand', name: 'outside' };
  const made = await client.create(endpoints, {
    metadata,
    subsets: [{ addresses: [{ ip: '192.0.2.1' }], notReadyAddresses: [{ ip: '192.0.2.2' }], ports }],
  });
  await client.create(services, { metadata, spec: { ports } });
  await becomes([{ addressType: 'IPv4', addresses: ['192.0.2.1 true', '192.0.2.2 false'], ports: [80] }]);
  const [slice] = (await client.list(endpointSlices, { namespace: 'by-hand' })).items;
  t.match(slice?.metadata, {
    labels: {
      'kubernetes.io/service-name': 'outside',
      'endpointslice.kubernetes.io/managed-by': 'endpointslicemirroring-controller.k8s.io',
    },
    ownerReferences: [{ kind: 'Endpoints', name: 'outside', uid: made.metadata?.uid }],
  });

  const moved = [{ addresses: [{ ip: '192.0.2.9' }], ports: [{ name: 'http', port: 8080 }] }];
  await client.update(endpoints, { ...made, subsets: moved });
  await becomes([{ addressType: 'IPv4', addresses: ['192.0.2.9 true'], ports: [8080] }]);
  const [rewritten] = (await client.list(endpointSlices, { namespace: 'by-hand' })).items;
  t.equal(rewritten?.metadata?.uid, slice?.metadata?.uid, 'the slice is updated, not replaced');

  await client.delete(services, 'by-hand', 'outside');
  await becomes([]);
});

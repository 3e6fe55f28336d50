import pino from 'pino';
import { test } from 'tap';
import { configMaps } from '../../../api/kinds/core/config-map.ts';
import { roleBindings } from '../../../api/kinds/rbac/role-binding.ts';
import { bootstrapCluster } from '../../../control-plane/apiserver/bootstrap/system-objects.ts';
import { publishClientCa } from '../../../control-plane/apiserver/bootstrap/extension-authentication.ts';
import { createAll, refusal, startServer } from './fixture.ts';
import type { ConfigMap } from '../../../api/types/core/v1.gen.ts';

test('extension API servers can read the client CA with the reader role', async (t) => {
  const fixture = await startServer(t);
  const { core, pki } = fixture;
  const { certificate: ca } = pki.ca;
  const read = () => core.api.get(configMaps, 'kube-system', 'extension-apiserver-authentication');
  const end = new AbortController();
  t.teardown(() => end.abort());
  await bootstrapCluster({
    addresses: () => Promise.resolve(['192.0.2.1']),
    ...{
      api: core.api,
      clientCa: ca,
      frontProxyCa: ca,
      advertiseAddress: '192.0.2.1',
      port: 6443,
      serviceCIDR: '10.43.0.0/16',
      localPathClass: false,
      clusterDns: false,
      ingress: false,
      taintControlPlane: false,
    },
    logger: pino({ level: 'silent' }),
    signal: end.signal,
  });
  t.same(read()?.data, {
    'client-ca-file': ca,
    'requestheader-allowed-names': '["front-proxy-client"]',
    'requestheader-client-ca-file': ca,
    'requestheader-extra-headers-prefix': '["X-Remote-Extra-"]',
    'requestheader-group-headers': '["X-Remote-Group"]',
    'requestheader-uid-headers': '["X-Remote-Uid"]',
    'requestheader-username-headers': '["X-Remote-User"]',
  });
  const version = read()?.metadata?.resourceVersion;
  await publishClientCa(core.api, ca);
  t.equal(read()?.metadata?.resourceVersion, version, 'no write without a change');

  const alice = fixture.client({ token: 'alice-token' });
  const asAlice = () => alice.get<ConfigMap>(configMaps, 'kube-system', 'extension-apiserver-authentication');
  t.equal((await refusal(asAlice())).code, 403);
  await createAll(core, roleBindings, {
    metadata: { namespace: 'kube-system', name: 'extension' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'extension-apiserver-authentication-reader' },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'alice' }],
  });
  t.equal((await asAlice()).data?.['client-ca-file'], ca);
  t.equal((await refusal(alice.get(configMaps, 'kube-system', 'other'))).code, 403);

  await core.api.update(configMaps, { ...read(), data: { 'client-ca-file': 'of another server\n', other: 'kept' } });
  await publishClientCa(core.api, ca);
  t.same(read()?.data, { 'client-ca-file': `of another server\n${ca}`, other: 'kept' });
  await core.api.delete(configMaps, 'kube-system', 'extension-apiserver-authentication');
  await publishClientCa(core.api, ca);
  t.same(read()?.data, { 'client-ca-file': ca }, 'it is restored');
});

test('a client that accepts protobuf alone gets it', async (t) => {
  const fixture = await startServer(t);
  const admin = fixture.client({ token: 'admin-token' });
  const path = '/api/v1/namespaces/default';
  const protobuf = 'application/vnd.kubernetes.protobuf';
  t.equal((await admin.request('GET', path, { accept: protobuf })).headers['content-type'], protobuf);
  const stock = 'application/vnd.kubernetes.protobuf,application/json';
  t.equal((await admin.request('GET', path, { accept: stock })).headers['content-type'], protobuf);
});

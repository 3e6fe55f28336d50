import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type Test } from 'tap';
import { ClusterConfiguration } from '../../../agent/join/cluster-configuration.ts';
import { NodeCertificates } from '../../../agent/join/node-certificates.ts';
import { configMaps } from '../../../api/kinds/core/config-map.ts';
import { ApiClient } from '../../../client/api-client.ts';
import { publishClusterConfiguration } from '../../../control-plane/apiserver/bootstrap/cluster-configuration.ts';
import { issueCertificate } from '../../../control-plane/pki/signing.ts';
import { refusal, startServer, type ServedFixture } from './fixture.ts';

const NETWORK = { podCidr: '10.9.0.0/16', serviceCidr: '10.8.0.0/16', dnsDomain: 'rack.example' };
const LEARNED = { clusterCidr: '10.9.0.0/16', serviceCidr: '10.8.0.0/16', clusterDomain: 'rack.example' };
const { signal } = new AbortController();

async function nodeClient(fixture: ServedFixture): Promise<ApiClient> {
  const { certificate: cert, key } = await issueCertificate(fixture.pki.ca, {
    ...{ commonName: 'system:node:one', organizations: ['system:nodes'] },
    ...{ usages: ['client auth'], lifetimeMs: 3_600_000, now: Date.now() },
  });
  return fixture.client({ cert, key });
}

/** What a newly started agent learns with `directory`, and what it logs at info and above. */
async function agentIn(t: Test): Promise<{
  readonly directory: string;
  readonly start: (client: ApiClient) => { readonly configuration: ClusterConfiguration; readonly lines: string[] };
}> {
  const directory = await mkdtemp(join(tmpdir(), 'cluster-configuration-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  return {
    directory,
    start(client) {
      const lines: string[] = [];
      const write = (_fields: object, message: string) => void lines.push(message);
      const logger = { debug: () => undefined, info: write, warn: write, error: write };
      return { configuration: new ClusterConfiguration(client, directory, logger), lines };
    },
  };
}

/** An unreachable server. */
function nobody(t: Test): ApiClient {
  const client = new ApiClient({ server: 'https://127.0.0.1:1' });
  t.teardown(() => client[Symbol.asyncDispose]());
  return client;
}

test("nodes learn the cluster's network, and cache it for starts without the server", async (t) => {
  const fixture = await startServer(t);
  await publishClusterConfiguration(fixture.core.api, NETWORK);
  const node = await nodeClient(fixture);
  const { directory, start } = await agentIn(t);

  const first = start(node);
  t.strictSame(await first.configuration.learn(signal), LEARNED);
  await first.configuration.confirm(signal);
  t.same(first.lines, []);

  const offline = start(nobody(t));
  t.strictSame(await offline.configuration.learn(signal), LEARNED);
  t.same(offline.lines, ['failed to read cluster configuration, using the last known one']);

  const [file = ''] = await readdir(directory);
  for (const damaged of ['', 'networking: {podSubnet: 10.9.0', 'networking: {podSubnet: 7}', '[]']) {
    await writeFile(join(directory, file), damaged);
    t.match(await start(nobody(t)).configuration.learn(signal), {}, 'a corrupt copy is not fatal');
  }
  t.strictSame(await start(node).configuration.learn(signal), LEARNED, 'and is replaced');
  t.match(await readFile(join(directory, file), 'utf8'), /podSubnet: 10\.9\.0\.0\/16/);
});

test("an agent started without the server logs when the cluster's network differs from the copy", async (t) => {
  const fixture = await startServer(t);
  const { api } = fixture.core;
  await publishClusterConfiguration(api, NETWORK);
  const node = await nodeClient(fixture);
  const { start } = await agentIn(t);
  await start(node).configuration.learn(signal);
  await publishClusterConfiguration(api, { ...NETWORK, podCidr: '10.7.0.0/16' });

  let isDown = true;
  const down = nobody(t);
  const { configuration, lines } = start({
    get: (...request: Parameters<ApiClient['get']>) => (isDown ? down : node).get(...request),
  } as ApiClient);
  t.strictSame(await configuration.learn(signal), LEARNED);
  isDown = false;
  await configuration.confirm(signal);
  t.same(lines.slice(1), ['cluster configuration has changed, restart the agent to apply it']);
  t.match(await start(down).configuration.learn(signal), { clusterCidr: '10.7.0.0/16' });
});

test('a node keeps the copy when the cluster publishes nothing, until it joins another cluster', async (t) => {
  const fixture = await startServer(t);
  const { api } = fixture.core;
  const node = await nodeClient(fixture);
  const { directory, start } = await agentIn(t);
  t.same(await start(node).configuration.learn(signal), {}, 'nothing is published');
  await publishClusterConfiguration(api, NETWORK);
  const alice = fixture.client({ token: 'alice-token' });
  t.same(await start(alice).configuration.learn(signal), {}, 'nodes of this cluster may not read it');
  await start(node).configuration.learn(signal);
  await api.delete(configMaps, 'kube-system', 'kubeadm-config');
  const { configuration, lines } = start(node);
  t.strictSame(await configuration.learn(signal), LEARNED);
  await configuration.confirm(signal);
  t.same(lines, []);
  await new NodeCertificates(directory).clear();
  t.same(await start(node).configuration.learn(signal), {});
});

test('an invalid configuration neither stops agents nor replaces their copy', async (t) => {
  const fixture = await startServer(t);
  const { api } = fixture.core;
  await publishClusterConfiguration(api, NETWORK);
  const node = await nodeClient(fixture);
  const { start } = await agentIn(t);
  await start(node).configuration.learn(signal);
  for (const networking of [
    '{',
    '{serviceSubnet: 0.0.0.0/0, podSubnet: 10.9.0.0/16}',
    '{dnsDomain: "a\\nb"}',
    '[',
    '7: [',
  ]) {
    const present = api.get(configMaps, 'kube-system', 'kubeadm-config');
    await api.update(configMaps, { ...present, data: { ClusterConfiguration: `networking: ${networking}` } });
    const { configuration, lines } = start(node);
    t.strictSame(await configuration.learn(signal), LEARNED, networking);
    await configuration.confirm(signal);
    t.same(lines, ['ignoring invalid cluster configuration']);
    t.strictSame(await start(nobody(t)).configuration.learn(signal), LEARNED);
  }
});

test('an agent starts although its copy cannot be saved', async (t) => {
  const fixture = await startServer(t);
  await publishClusterConfiguration(fixture.core.api, NETWORK);
  const { directory, start } = await agentIn(t);
  await rm(directory, { recursive: true });
  const { configuration, lines } = start(await nodeClient(fixture));
  t.strictSame(await configuration.learn(signal), LEARNED);
  t.same(lines, ['failed to save cluster configuration']);
});

test('nodes may read the cluster configuration and no other ConfigMap, and no one else may', async (t) => {
  const fixture = await startServer(t);
  const { api } = fixture.core;
  await publishClusterConfiguration(api, NETWORK);
  const read = () => api.get(configMaps, 'kube-system', 'kubeadm-config');
  const version = read()?.metadata?.resourceVersion;
  await publishClusterConfiguration(api, NETWORK);
  t.equal(read()?.metadata?.resourceVersion, version, 'no write without a change');

  const node = await nodeClient(fixture);
  await node.get(configMaps, 'kube-system', 'kubeadm-config');
  const forbidden = async (call: Promise<unknown>): Promise<unknown> => t.equal((await refusal(call)).code, 403);
  await forbidden(node.get(configMaps, 'kube-system', 'other'));
  await forbidden(node.get(configMaps, 'default', 'kubeadm-config'));
  await forbidden(node.list(configMaps, { namespace: 'kube-system' }));
  await forbidden(node.update(configMaps, { ...read() }));
  await forbidden(fixture.client({ token: 'alice-token' }).get(configMaps, 'kube-system', 'kubeadm-config'));

  await api.update(configMaps, { ...read(), data: { ClusterConfiguration: 'nonsense', other: 'kept' } });
  await publishClusterConfiguration(api, NETWORK);
  t.match(read()?.data, { ClusterConfiguration: /dnsDomain: rack\.example\n/, other: 'kept' });
});

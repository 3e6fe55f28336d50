/** `kedge server` on etcd, as processes: two of one cluster, and some that must not start. */
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import t from 'tap';

import type { Lease } from '../../../api/types/coordination/v1.gen.ts';
import { ApiClient } from '../../../client/api-client.ts';
import { loadKubeconfig } from '../../../client/kubeconfig.ts';
import { configMaps, endpoints, leases } from '../../../client/resources.gen.ts';
import type { Daemon } from '../../support/daemon.ts';
import { Etcd } from '../../support/etcd.ts';
import { EtcdTls } from '../../support/etcd-tls.ts';
import { leads, serverProcess } from '../../support/server-process.ts';
import { eventually } from '../../support/wait.ts';

const folder = await mkdtemp(path.join(os.tmpdir(), 'kedge-etcd-servers-'));
t.teardown(() => rm(folder, { recursive: true, force: true }));
const tls = await EtcdTls.create();
t.teardown(() => tls[Symbol.asyncDispose]());
const etcd = await Etcd.start({ scheme: 'https', arguments: tls.arguments });
t.teardown(() => etcd[Symbol.asyncDispose]());

async function start(name: string, ...more: string[]): Promise<Daemon> {
  const at = path.join(folder, name);
  await mkdir(at, { recursive: true });
  return serverProcess(
    at,
    ...['--port=0', `--admin-kubeconfig=${path.join(at, 'admin')}`, '--store=etcd', `--etcd-servers=${etcd.url}`],
    ...[`--etcd-cafile=${tls.client.caFile}`, `--etcd-certfile=${tls.client.certFile}`],
    ...[`--etcd-keyfile=${tls.client.keyFile}`, ...more],
  );
}

async function clientOf(name: string, daemon: Daemon): Promise<ApiClient> {
  await eventually(`server ${name} to be ready`, async () => {
    const said = await daemon.output();
    if (!daemon.alive) throw new Error(said);
    return said.includes('api-server ready');
  });
  return new ApiClient({ ...(await loadKubeconfig(path.join(folder, name, 'admin'))) });
}

t.test('two servers are one cluster: objects, endpoints and leaders', { timeout: 180_000 }, async (t) => {
  await using first = await start('first');
  await using one = await clientOf('first', first);
  await cp(path.join(folder, 'first', 'pki'), path.join(folder, 'second', 'pki'), { recursive: true });
  await using second = await start('second', '--advertise-address=192.0.2.2');
  await using other = await clientOf('second', second);
  await one.create(configMaps, { metadata: { name: 'a', namespace: 'default' } });
  t.equal((await other.get(configMaps, 'default', 'a')).metadata?.name, 'a');
  const addresses = async (): Promise<string> => {
    const { subsets = [] } = await one.get(endpoints, 'default', 'kubernetes');
    return subsets.flatMap((subset) => subset.addresses?.map(({ ip }) => ip) ?? []).join();
  };
  t.match(
    (await one.bytes('/metrics')).toString(),
    /^apiserver_storage_size_bytes\{storage_cluster_id="etcd-0"\} [1-9]\d+$/m,
  );
  await eventually('both to be endpoints', async () => (await addresses()) === '192.0.2.1,192.0.2.2');
  const controllers = () => other.get<Lease>(leases, 'kube-system', 'kube-controller-manager');
  await eventually('a leader of the controllers', async () => (await controllers()).spec?.holderIdentity);
  await first.end('SIGKILL');
  const killedAt = Date.now();
  await eventually('the second to lead', async () => {
    const { spec } = await controllers();
    return (await leads(second)) && Date.parse(spec?.renewTime ?? '') > killedAt;
  });
});

t.test('a server with certificates of another cluster does not start', { timeout: 150_000 }, async (t) => {
  await using fresh = await start('fresh');
  await fresh.ended();
  t.equal(fresh.exitCode, 1);
  t.match(await fresh.output(), /ca\.crt and .*ca\.key are missing, but etcd at https:.* holds a cluster/);
  // Its own CA, made with an empty prefix.
  await using stranger = await start('stranger', '--etcd-prefix=/elsewhere');
  await using client = await clientOf('stranger', stranger);
  await client.create(configMaps, { metadata: { name: 'a', namespace: 'default' } });
  await stranger.end();
  await using refused = await start('stranger');
  await refused.ended();
  t.equal(refused.exitCode, 1);
  t.match(await refused.output(), /ca\.crt is not the CA of the cluster in etcd at https:/);
});

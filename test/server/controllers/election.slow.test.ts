import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t from 'tap';
import { ApiClient } from '../../../client/api-client.ts';
import { loadKubeconfig } from '../../../client/kubeconfig.ts';
import { runLeaderElection } from '../../../client/leader-election.ts';
import { leases, namespaces, serviceAccounts } from '../../../client/resources.gen.ts';
import { silent } from '../../support/https-server.ts';
import type { Daemon } from '../../support/daemon.ts';
import { leads, serverProcess as server } from '../../support/server-process.ts';
import { eventually } from '../../support/wait.ts';
import { ControlPlane } from './control-plane.ts';

t.test('one of two candidates leads, and the other takes over when it releases the Lease', async (t) => {
  await using plane = await ControlPlane.start();
  const { client } = plane;
  const leading = new Set<string>();
  const stand = (identity: string) => {
    const stop = new AbortController();
    const ended = runLeaderElection({
      client,
      namespace: 'kube-system',
      name: 'test-leader',
      identity,
      logger: silent,
      signal: stop.signal,
      lead: async (signal) => {
        leading.add(identity);
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
        leading.delete(identity);
      },
    });
    return { stop, ended };
  };
  const first = stand('first');
  await eventually('the first to lead', () => leading.has('first'));
  const second = stand('second');
  const holder = async () => (await client.get(leases, 'kube-system', 'test-leader')).spec?.holderIdentity;
  t.equal(await holder(), 'first');
  t.strictSame([...leading], ['first']);

  first.stop.abort();
  await first.ended;
  t.notOk(leading.has('first'));
  await eventually('the second to lead', () => leading.has('second'));
  t.equal(await holder(), 'second');
  t.equal((await client.get(leases, 'kube-system', 'test-leader')).spec?.leaseTransitions, 1);
  second.stop.abort();
  await second.ended;
  t.notOk(await holder(), 'the Lease is released');
});

t.test('losing the Lease stops the work, and is an error when the work does not stop', async (t) => {
  await using plane = await ControlPlane.start();
  const { client } = plane;
  for (const heeds of [true, false]) {
    const name = `lost-${heeds}`;
    const stop = new AbortController();
    const terms: AbortSignal[] = [];
    const ended = runLeaderElection({
      client,
      namespace: 'kube-system',
      name,
      identity: 'first',
      timing: { leaseSeconds: 1, renewMs: 20, deadlineMs: 300 },
      logger: silent,
      signal: stop.signal,
      lead: (signal) => {
        terms.push(signal);
        return new Promise((resolve) => signal.addEventListener('abort', () => heeds && resolve(), { once: true }));
      },
    });
    const outcome = ended.then(
      () => undefined,
      (error: unknown) => error,
    );
    await eventually('it to lead', () => terms.length > 0);
    await eventually('another candidate to take the Lease', async () => {
      const lease = await client.get(leases, 'kube-system', name);
      const taken = { ...lease, spec: { ...lease.spec, holderIdentity: 'other', leaseDurationSeconds: 60 } };
      return client.update(leases, taken).then(
        () => true,
        () => false,
      );
    });
    await eventually('its work to be aborted', () => terms[0]?.aborted === true);
    if (heeds) stop.abort();
    const error = await outcome;
    if (heeds) t.equal(error, undefined);
    else t.match(error, { name: 'DeadlineError' }, 'the caller terminates the thread');
    t.equal(
      (await client.get(leases, 'kube-system', name)).spec?.holderIdentity,
      'other',
      'the other candidate holds the Lease',
    );
    t.equal(terms.length, 1);
  }
});

t.test(
  'of two scheduler processes one is active, and the other takes over when it exits',
  { timeout: 120_000 },
  async (t) => {
    const folders = await Promise.all([1, 2].map(() => mkdtemp(path.join(tmpdir(), 'election-'))));
    t.teardown(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))));
    await using plane = await ControlPlane.start();
    const start = (folder = ''): Daemon => server(folder, '--roles=scheduler', `--kubeconfig=${plane.kubeconfig}`);
    await using first = start(folders[0]);
    await eventually('the first to lead', () => leads(first));
    const leaseOf = async () => (await plane.client.get(leases, 'kube-system', 'kube-scheduler')).spec;
    const holder = (await leaseOf())?.holderIdentity;
    await using second = start(folders[1]);
    await eventually('the second to wait', async () =>
      (await readFile(second.log, 'utf8')).includes('lease is held by another candidate'),
    );
    t.notOk(await leads(second));
    t.equal((await leaseOf())?.holderIdentity, holder);
    await first.end();
    await eventually('the second to lead', () => leads(second));
    t.not((await leaseOf())?.holderIdentity, holder);
  },
);

t.test('a killed server leads at once after its restart', { timeout: 120_000 }, async (t) => {
  const folder = await mkdtemp(path.join(tmpdir(), 'election-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const kubeconfig = path.join(folder, 'admin.kubeconfig');
  const start = (): Daemon => server(folder, '--port=0', `--admin-kubeconfig=${kubeconfig}`);
  const leaderships = async ({ log }: Daemon) => (await readFile(log, 'utf8')).split('became leader').length - 1;
  {
    await using killed = start();
    await eventually('both roles to be active', async () => (await leaderships(killed)) === 2);
    await killed.end('SIGKILL');
  }
  await using again = start();
  const startedAt = Date.now();
  await eventually('both roles to be active again', async () => (await leaderships(again)) === 4);
  t.ok(Date.now() - startedAt < 30_000, 'it does not wait until its own Lease expires');
  await using client = new ApiClient({ ...(await loadKubeconfig(kubeconfig)) });
  for (const name of ['kube-scheduler', 'kube-controller-manager'])
    t.equal((await client.get(leases, 'kube-system', name)).spec?.holderIdentity, 'kedge-server');
});

t.test('a server runs the controllers that are selected, and no others', { timeout: 120_000 }, async (t) => {
  const folder = await mkdtemp(path.join(tmpdir(), 'election-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const kubeconfig = path.join(folder, 'admin.kubeconfig');
  const selection = '--controllers=namespace-controller,serviceaccount-token-controller';
  const settings = ['--port=0', `--admin-kubeconfig=${kubeconfig}`, '--roles=apiserver,controllers', selection];
  await using running = server(folder, ...settings);
  await eventually('the controllers to be active', () => leads(running));
  await using client = new ApiClient({ ...(await loadKubeconfig(kubeconfig)) });
  await client.create(namespaces, { metadata: { name: 'short' } });
  await client.delete(namespaces, '', 'short');
  await eventually('the namespace to be gone', async () => (await client.listAll(namespaces)).length === 4);
  t.same(await client.listAll(serviceAccounts), [], 'nobody makes service accounts');
});

/** Three servers, each with a member of an etcd that Kedge runs, and an agent: one of them after the other is frozen, cut off and killed under load. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import t from 'tap';
import type { KnownServers } from '../../agent/servers/server-record.ts';
import type { Lease } from '../../api/types/coordination/v1.gen.ts';
import type { ConfigMap, Endpoints } from '../../api/types/core/v1.gen.ts';
import type { ProgramError } from '../../agent/host/run.ts';
import { ips, ThreeServers, urlOf, violations } from '../support/three-servers.ts';
import { eventually } from '../support/wait.ts';

t.setTimeout(15 * 60_000);
const trio = await ThreeServers.start('e2e-servers');
const { cluster, etcds, servers } = trio;
// Later ones end first: servers and etcd, then the cluster.
cluster.endWith(t);
t.teardown(() => trio[Symbol.asyncDispose]());
const node = cluster.host;

/** The servers that the agent knows, and which it has used last. */
const known = async (): Promise<KnownServers> =>
  JSON.parse(await readFile(path.join(node.directory, 'agent/pki/api-servers.json'), 'utf8')) as KnownServers;
interface Move {
  readonly at: number;
  readonly from: string;
  readonly server: string;
}

/** How the agent has gone from server to server, by its log. */
async function moves(): Promise<readonly Move[]> {
  const lines = (await node.agent.output()).split('\n').filter((line) => line.includes('using another api-server'));
  return lines.map((line) => {
    const { time, from, server } = JSON.parse(line) as { time: string; from: string; server: string };
    return { at: Date.parse(time), from, server };
  });
}

/** The index of the server that the agent uses. */
async function inUse(): Promise<number> {
  const server = (await moves()).at(-1)?.server ?? urlOf(0);
  return ips.findIndex((_, index) => urlOf(index) === server);
}

/** How long the agent takes to be at another server than one that has failed; in milliseconds. */
async function moved(from: number, failedAt: number): Promise<number> {
  const move = await eventually('the agent to use another server', async () =>
    (await moves()).find(({ at, from: left }) => at >= failedAt && left === urlOf(from)),
  );
  return move.at - failedAt;
}

/** Asks a server other than that of the administrator's kubeconfig, which is the first. */
async function ask<T>(index: number, ...args: string[]): Promise<T> {
  const { stdout } = await cluster.kubectl('get', '-o', 'json', '--server', urlOf(index), ...args);
  return JSON.parse(stdout) as T;
}
const lease = (index: number, name: string): Promise<Lease> => ask<Lease>(index, 'lease', '-n', 'kube-system', name);
const endpoints = async (index = 0): Promise<string> => {
  const { subsets = [] } = await ask<Endpoints>(index, 'endpoints', 'kubernetes');
  return subsets.flatMap(({ addresses = [] }) => addresses.map(({ ip }) => ip)).join();
};
/** The index of the server that is none any more in the end. */
let hasLeft = -1;
const MOVES_WITHIN_MS = 5_000;
const LEADS_WITHIN_MS = 15_000;

const voters = async (index = 0): Promise<string> => {
  const members = await trio.status(index);
  return members
    .filter(({ role }) => role === 'leader' || role === 'follower')
    .map(({ name }) => name)
    .toSorted()
    .join();
};

t.test('two hosts become servers and members of etcd with a token each, and the agent learns of them', async (t) => {
  await trio.join(1);
  // What is killed between two steps is gone on with when it is started again.
  await trio.getKeys(2);
  trio.startEtcd(2);
  await eventually('the third member to be added', async () => (await trio.status(0)).length === 3);
  await etcds[2]?.end('SIGKILL');
  trio.startEtcd(2);
  trio.startServer(2);
  await trio.ready(2);
  t.equal(await voters(), ips.toSorted().join(), 'each has a vote');
  await eventually('all to be endpoints', async () => (await endpoints()) === ips.toSorted().join());
  await eventually('the agent to know all', async () => (await known()).servers.length === 3);
});

/** Each fails a host's server, and perhaps its member of etcd; returns what ends that. */
const FAULTS = {
  frozen: async (index: number) => {
    const pid = servers[index]?.pid ?? 0;
    process.kill(pid, 'SIGSTOP');
    return async () => void process.kill(pid, 'SIGCONT');
  },
  'cut off': async (index: number) => {
    await trio.setLink(index, 'down');
    return () => trio.setLink(index, 'up');
  },
  killed: async (index: number) => {
    await servers[index]?.end('SIGKILL');
    await etcds[index]?.end('SIGKILL');
    return async () => {
      trio.startEtcd(index);
      trio.startServer(index);
    };
  },
} as const;
type Fault = keyof typeof FAULTS;

t.test('no acknowledged write is lost, and the agent is never without a server for long', async (t) => {
  using running = await trio.writeHistory('history');
  const written = async (): Promise<number> =>
    Number((await cluster.get<{ data: { value: string } }>('configmap', 'history-0')).data.value);
  await eventually('writes to be under way', async () => (await written()) > 20);

  const figures: Record<string, number> = {};
  const waiting = new Set(Object.keys(FAULTS) as Fault[]);
  while (waiting.size > 0) {
    const at = await inUse();
    // The agent is on the first host, which cannot be cut off from itself.
    const fault = [...waiting].find((one) => one !== 'cut off' || at !== 0) ?? 'frozen';
    waiting.delete(fault);
    const failedAt = Date.now();
    const end = await FAULTS[fault](at);
    figures[fault] = Math.max(figures[fault] ?? 0, await moved(at, failedAt));
    await end();
    // Its address is an endpoint until its key expires: what counts is that it answers.
    await trio.ready(at);
  }

  // As an upgrade: one server after the other ends and is started again.
  running.noFaults();
  for (const index of ips.keys()) {
    await servers[index]?.end();
    trio.startServer(index);
    await trio.ready(index);
  }

  const history = await running.end();
  t.comment(JSON.stringify({ ...figures, ...history, acknowledged: undefined, watched: undefined }));
  for (const [what, ms] of Object.entries(figures)) t.ok(ms < MOVES_WITHIN_MS, `${what}: ${ms} ms`);
  t.strictSame(violations(history, 20), []);
  for (const [name, value] of Object.entries(history.acknowledged)) {
    for (const index of ips.keys()) {
      const { stdout } = await cluster.kubectl('get', 'configmap', name, '-o', 'json', '--server', urlOf(index));
      t.equal(
        (JSON.parse(stdout) as { data: { value: string } }).data.value,
        String(value),
        `${name} at ${ips[index]}`,
      );
    }
  }
});

t.test('a server that has died for good is forgotten, and another one leads', async (t) => {
  const name = 'kube-controller-manager';
  const holder = (await lease(0, name)).spec?.holderIdentity ?? '';
  const logs = await Promise.all(servers.map((server) => server.output()));
  const leader = logs.findIndex((log) => log.includes(`"identity":"${holder}"`));
  t.ok(leader >= 0, `${holder} leads`);
  const alive = leader === 0 ? 1 : 0;
  await cluster.kubectl('create', 'configmap', 'before', '--from-literal=a=b', '--server', urlOf(alive));
  const diedAt = Date.now();
  await servers[leader]?.end('SIGKILL');
  await etcds[leader]?.end('SIGKILL');
  const { spec } = await eventually('another one to lead', async () => {
    const seen = await lease(alive, name);
    return seen.spec?.holderIdentity !== holder && seen;
  });
  const took = Date.parse(spec?.acquireTime ?? '') - diedAt;
  t.ok(took < LEADS_WITHIN_MS, `another one leads after ${took} ms`);
  const left = ips.filter((_, index) => index !== leader);
  await eventually('it to be no endpoint', async () => (await endpoints(alive)) === left.toSorted().join());
  await eventually('the agent to forget it', async () => (await known()).servers.length === 2);
  t.not(await inUse(), leader);

  const lost = ips[leader] ?? '';
  const third = [0, 1, 2].find((index) => index !== leader && index !== alive) ?? 0;
  const refused = await trio.kedge(alive, 'server', 'leave').then(
    () => '',
    ({ stderr }: ProgramError) => stderr,
  );
  t.match(refused, new RegExp(`of the 2 members that would be left, 2 have to be alive .*${lost} does not answer`));
  const wrong = ips[third] ?? '';
  const living = await trio.kedge(alive, 'server', 'leave', '--name', wrong).catch((error: ProgramError) => error);
  t.match(living.stderr, new RegExp(`${wrong} is alive: run kedge server leave on that host`));
  t.match((await trio.kedge(alive, 'server', 'leave', '--name', lost)).stdout, `${lost} is forgotten`);
  t.equal(await voters(alive), left.toSorted().join(), 'two members are left');

  // Its etcd has been told to go, and its data are of no use.
  trio.startEtcd(leader);
  await etcds[leader]?.ended();
  t.match((await trio.kedge(leader, 'server', 'leave')).stdout, 'is no server any more');
  await trio.join(leader, alive);
  t.equal(await voters(alive), ips.toSorted().join(), 'it is a member again');
  await eventually('it to be an endpoint', async () => (await endpoints(alive)) === ips.toSorted().join());
  await cluster.kubectl('get', 'configmap', 'before', '--server', urlOf(leader));

  // One that is alive leaves, perhaps as the leader of etcd.
  t.match((await trio.kedge(third, 'server', 'leave')).stdout, 'is no server any more');
  hasLeft = third;
  await Promise.all([servers[third]?.ended(), etcds[third]?.ended()]);
  t.equal(
    await voters(alive),
    ips
      .filter((_, index) => index !== third)
      .toSorted()
      .join(),
  );
  await cluster.kubectl('get', 'configmap', 'before', '--server', urlOf(alive));
});

t.test('of two servers one is lost, and the other one goes on alone', async (t) => {
  const left = [0, 1, 2].filter((index) => index !== hasLeft);
  const [alive = 0, lost = 0] = left;
  const snapshot = trio.file('etcd.snapshot');
  await trio.kedge(alive, 'etcd', 'snapshot', snapshot);
  await cluster.kubectl('create', 'configmap', 'after', '--server', urlOf(alive));
  for (const index of left) await servers[index]?.end();
  await etcds[lost]?.end('SIGKILL');
  const revision = async (): Promise<number> =>
    Number((await ask<ConfigMap>(alive, 'configmap', 'made')).metadata?.resourceVersion);
  const start = async () => {
    trio.startEtcd(alive);
    trio.startServer(alive);
    await trio.ready(alive);
    await cluster.kubectl('create', 'configmap', 'made', '--server', urlOf(alive));
  };
  await trio.kedge(alive, 'etcd', 'recover', '--yes');
  await etcds[alive]?.end();
  await start();
  t.equal(await voters(alive), ips[alive]);
  await cluster.kubectl('get', 'configmap', 'after', '--server', urlOf(alive));
  const first = await revision();

  await servers[alive]?.end();
  await etcds[alive]?.end();
  await trio.kedge(alive, 'etcd', 'recover', '--snapshot', snapshot, '--yes');
  await start();
  await t.rejects(
    cluster.kubectl('get', 'configmap', 'after', '--server', urlOf(alive)),
    'it is later than the snapshot',
  );
  await cluster.kubectl('get', 'configmap', 'before', '--server', urlOf(alive));
  t.ok((await revision()) > first, 'which knows nothing of revisions that clients do');
});

/** Three servers on three members of etcd, and an agent: one of them after the other is frozen, cut off and killed under load. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import t from 'tap';
import { run } from '../../agent/host/run.ts';
import type { KnownServers } from '../../agent/servers/server-record.ts';
import type { Lease } from '../../api/types/coordination/v1.gen.ts';
import type { Endpoints } from '../../api/types/core/v1.gen.ts';
import { loadKubeconfig } from '../../client/kubeconfig.ts';
import { Cluster } from '../support/cluster.ts';
import { Daemon } from '../support/daemon.ts';
import { eventually } from '../support/wait.ts';
import type { History } from './history-inside.ts';

t.setTimeout(5 * 60_000);
const NUMBERS = [1, 201, 202] as const;
const ips = NUMBERS.map((number) => `10.77.0.${number}`);
const urls = ips.map((ip) => `http://${ip}:2379`);

interface Host {
  readonly ip: string;
  readonly netns: string;
  /** On the bridge of the first host; '' for that one itself. */
  readonly port: string;
}
const hosts: Host[] = [];
const etcds: Daemon[] = [];
const servers: Daemon[] = [];

function startEtcd(directory: string, index: number, netns: string): Daemon {
  const client = urls[index] ?? '';
  const peers = ips.map((ip) => `http://${ip}:2380`);
  const peer = peers[index] ?? '';
  return new Daemon(
    'etcd',
    [
      ...['--name', `m${index}`, '--data-dir', path.join(directory, `etcd-${index}`), '--logger', 'zap'],
      ...['--listen-client-urls', client, '--advertise-client-urls', client],
      ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
      ...['--initial-cluster', peers.map((one, other) => `m${other}=${one}`).join(), '--log-level', 'error'],
    ],
    { netns, log: path.join(directory, `etcd-${index}.log`) },
  );
}

const cluster = await Cluster.start({
  name: 'e2e-servers',
  server: { store: 'etcd', 'etcd-servers': urls.join() },
  prepare: async (made) => {
    hosts.push({ ip: made.host.ip, netns: made.host.netns, port: '' });
    for (const number of NUMBERS.slice(1)) hosts.push(await made.addOutsider(number));
    for (const [index, { netns }] of hosts.entries()) etcds.push(startEtcd(made.directory, index, netns));
    await eventually('etcd to have a leader', async () => (await made.host.curl(`${urls[0]}/health`)).includes('true'));
  },
});
// Later ones end first: servers, the cluster with the first of them, etcd.
t.teardown(() => Promise.all(etcds.map((etcd) => etcd.end('SIGKILL'))));
cluster.endWith(t);
t.teardown(() => Promise.all(servers.slice(1).map((server) => server.end())));
servers.push(cluster.server);
const node = cluster.host;
const file = (name: string): string => path.join(cluster.directory, name);
const inside = (index: number, program: string, args: readonly string[]) =>
  run('nsenter', [`--net=/run/netns/${hosts[index]?.netns}`, program, ...args], { timeoutMs: 60_000 });

const configOf = (index: number): string => file(`server-${index}.yaml`);
const startServer = (index: number): Daemon =>
  new Daemon(cluster.kedge, ['server', '--config', configOf(index)], {
    ...{ netns: hosts[index]?.netns ?? '', log: file(`server-${index}.log`) },
  });

/** The servers that the agent knows, and which it has used last. */
const known = async (): Promise<KnownServers> =>
  JSON.parse(await readFile(path.join(node.directory, 'agent/pki/api-servers.json'), 'utf8')) as KnownServers;
const urlOf = (index: number): string => `https://${ips[index]}:6443`;
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
const MOVES_WITHIN_MS = 5_000;
const LEADS_WITHIN_MS = 15_000;

t.test('two hosts become servers with a token each, and the agent learns of them', async (t) => {
  for (const index of [1, 2]) {
    const { token, caHash } = await cluster.joinSettings('--server');
    await inside(index, cluster.kedge, [
      ...['server', 'join', '--server', urlOf(0), '--token', token, '--ca-hash', caHash, '--config', configOf(index)],
      ...['--data-dir', file(`server-${index}`), '--admin-kubeconfig', file(`admin-${index}`)],
      ...['--advertise-address', ips[index] ?? ''],
    ]);
    servers.push(startServer(index));
  }
  await eventually('all to be endpoints', async () => (await endpoints()) === ips.toSorted().join());
  await eventually('the agent to know all', async () => (await known()).servers.length === 3);
  t.equal(await inUse(), 0, 'it stays where it has begun');
});

t.test('no acknowledged write is lost, and the agent is never without a server for long', async (t) => {
  const { ca, cert, key } = await loadKubeconfig(cluster.kubeconfig);
  await writeFile(
    file('access.json'),
    JSON.stringify({
      servers: ips.map((_, index) => urlOf(index)),
      ca: String(ca),
      cert: String(cert),
      key: String(key),
    }),
    { mode: 0o600 },
  );
  const program = path.join(import.meta.dirname, 'history-inside.ts');
  const child = spawn('nsenter', [`--net=/run/netns/${node.netns}`, process.execPath, program, file('access.json')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill());
  const said = text(child.stdout);
  const written = async (): Promise<number> =>
    Number((await cluster.get<{ data: { value: string } }>('configmap', 'history-0')).data.value);
  await eventually('writes to be under way', async () => (await written()) > 20);

  const figures: Record<string, number> = {};
  let failedAt = Date.now();
  process.kill(servers[0]?.pid ?? 0, 'SIGSTOP');
  t.teardown(() => process.kill(servers[0]?.pid ?? 0, 'SIGCONT'));
  figures['frozen'] = await moved(0, failedAt);
  process.kill(servers[0]?.pid ?? 0, 'SIGCONT');

  const second = await inUse();
  const { port = '' } = hosts[second] ?? {};
  t.ok(port, 'it is at a server of another host');
  failedAt = Date.now();
  // The member of etcd there is cut off with it.
  await inside(0, 'ip', ['link', 'set', port, 'down']);
  figures['cut off'] = await moved(second, failedAt);
  await inside(0, 'ip', ['link', 'set', port, 'up']);

  const third = await inUse();
  failedAt = Date.now();
  await servers[third]?.end('SIGKILL');
  await etcds[third]?.end('SIGKILL');
  figures['killed'] = await moved(third, failedAt);
  const { netns = '' } = hosts[third] ?? {};
  etcds[third] = startEtcd(cluster.directory, third, netns);
  if (third === 0) await cluster.startServer();
  servers[third] = third === 0 ? cluster.server : startServer(third);
  // Its address is an endpoint until its key expires: what counts is that it answers.
  await eventually('the server to be back', () => cluster.kubectl('get', '--raw', '/readyz', '--server', urlOf(third)));

  child.stdin.write('end\n');
  await once(child, 'exit');
  const history = JSON.parse(await said) as History;
  t.comment(JSON.stringify({ ...figures, ...history, acknowledged: undefined, watched: undefined }));
  for (const [what, ms] of Object.entries(figures)) t.ok(ms < MOVES_WITHIN_MS, `${what}: ${ms} ms`);
  t.ok(history.isOrdered, 'events are in order');
  t.equal(history.staleReads, 0, 'no read is stale');
  for (const [name, value] of Object.entries(history.acknowledged)) {
    t.ok(value > 20, `${name}: ${value} acknowledged writes`);
    const all = Array.from({ length: value + 1 }, (_, index) => index);
    t.strictSame(history.watched[name], all, `the watch has shown every value of ${name} once`);
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
  const diedAt = Date.now();
  await servers[leader]?.end('SIGKILL');
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
});

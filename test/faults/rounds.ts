/**
 * Random faults in a cluster of three servers and three members of etcd, under load, with a checker of histories: each round, one of the six
 * processes is killed, or frozen for some seconds or a minute, the host of one is cut off from the others, or the disk of one is full, for some seconds. Then everything
 * is to be well again, no acknowledged write lost, no read stale, every event seen once and in order, and of what was scaled during the fault there
 * are as many pods as asked for, none of which one too many leaders had made.
 *
 * Usage: fault-rounds.ts [--rounds 10] [--seed N] [--seconds 12]
 *   --seed     of the first round; the next ones have the numbers after it, so that a round can be repeated alone
 *   --seconds  how long a fault lasts at most
 */
/* eslint-disable kedge/fixed-waits -- how long a fault lasts is the experiment. */
import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { run, type ProgramError } from '../../agent/host/run.ts';
import type { Daemon } from '../support/daemon.ts';
import { ips, ThreeServers, urlOf, violations } from '../support/three-servers.ts';
import { eventually } from '../support/wait.ts';
import { Random } from '../fuzz/random.ts';

const FAULTS = ['kill', 'freeze', 'freeze for long', 'cut off', 'fill'] as const;
type Fault = (typeof FAULTS)[number];
const PARTS = ['server', 'etcd'] as const;

/** Of each host, in megabytes: etcd's log takes 64 at once, twice. */
const DISK_MB = 400;
const LEAST_SECONDS = 3;
/** Longer than any lease lives. */
const LONG_SECONDS = 60;
const REPLICAS = { before: 3, after: 6 };
const SETTLED_SECONDS = 180;
const FILL_LIMIT_MS = 60_000;

interface Round {
  readonly seed: number;
  readonly fault: Fault;
  readonly part: (typeof PARTS)[number];
  readonly index: number;
  readonly seconds: number;
}

function roundOf(seed: number, mostSeconds: number): Round {
  const random = new Random(seed);
  const round = {
    seed,
    fault: random.pick(FAULTS),
    part: random.pick(PARTS),
    index: random.below(ips.length),
    seconds: LEAST_SECONDS + random.below(Math.max(1, mostSeconds - LEAST_SECONDS + 1)),
  };
  return round.fault === 'freeze for long' ? { ...round, seconds: LONG_SECONDS } : round;
}

async function mountDisk(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  await run('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MB}m,mode=0700`, 'tmpfs', directory]);
}

/** Others write meanwhile: full is what takes no more. */
async function fill(directory: string): Promise<string> {
  const file = path.join(directory, 'filled');
  const failure = await run('dd', ['if=/dev/zero', `of=${file}`, 'bs=64k'], { timeoutMs: FILL_LIMIT_MS }).then(
    () => undefined,
    (error: ProgramError) => error,
  );
  if (!failure?.stderr.includes('No space left on device')) throw failure ?? new Error(`${directory} is not full`);
  return file;
}

/** Brings the fault about; returns what ends it. */
async function begin(trio: ThreeServers, { fault, part, index }: Round): Promise<() => Promise<void>> {
  const daemon = (part === 'server' ? trio.servers : trio.etcds)[index];
  if (!daemon) throw new Error(`no ${part} ${index}`);
  switch (fault) {
    case 'kill':
      await daemon.end('SIGKILL');
      return async () => undefined;
    case 'freeze':
    case 'freeze for long':
      process.kill(daemon.pid, 'SIGSTOP');
      return async () => void process.kill(daemon.pid, 'SIGCONT');
    case 'cut off': {
      // The others hang on the bridge of the first host: without both of them it is alone.
      const links = index === 0 ? [1, 2] : [index];
      for (const link of links) await trio.setLink(link, 'down');
      return async () => {
        for (const link of links) await trio.setLink(link, 'up');
      };
    }
    case 'fill': {
      const file = await fill(trio.dataOf(index));
      return () => rm(file);
    }
  }
}

/** What the service manager does for what has ended. */
function restart(trio: ThreeServers): void {
  for (const index of ips.keys()) {
    const hasEnded = (daemon: Daemon | undefined): boolean => daemon?.alive === false;
    if (hasEnded(trio.etcds[index])) trio.startEtcd(index);
    if (hasEnded(trio.servers[index])) trio.startServer(index);
  }
}

async function isWell(trio: ThreeServers): Promise<boolean> {
  restart(trio);
  const members = await trio.status(0);
  return members.length === ips.length && members.every(({ role }) => role === 'leader' || role === 'follower');
}

const workloads = (name: string): object[] =>
  (['ReplicaSet', 'StatefulSet'] as const).map((kind) => ({
    ...{ apiVersion: 'apps/v1', kind, metadata: { name } },
    spec: {
      replicas: REPLICAS.before,
      selector: { matchLabels: { app: `${name}-${kind}` } },
      ...(kind === 'StatefulSet' && { serviceName: name, podManagementPolicy: 'Parallel' }),
      template: {
        metadata: { labels: { app: `${name}-${kind}` } },
        // Controllers are what is looked at: no node has the label.
        spec: { nodeSelector: { 'kedge.test/none': 'none' }, containers: [{ name: 'c', image: 'none' }] },
      },
    },
  }));

const podsOf = async (trio: ThreeServers, name: string, kind: string): Promise<readonly string[]> =>
  (await trio.cluster.kubectl('get', 'pods', '-l', `app=${name}-${kind}`, '-o', 'name')).stdout
    .split('\n')
    .filter(Boolean);

/** Returns what was wrong: a controller that has made a pod too many takes one away, and tells of it. */
async function countPods(trio: ThreeServers, name: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const kind of ['ReplicaSet', 'StatefulSet']) {
    await eventually(
      `${REPLICAS.after} pods of the ${kind}`,
      async () => (await podsOf(trio, name, kind)).length === REPLICAS.after,
      SETTLED_SECONDS,
    );
    const about = `involvedObject.kind=${kind},involvedObject.name=${name},reason=SuccessfulDelete`;
    const deletions = await trio.cluster.kubectl('get', 'events', '--field-selector', about, '-o', 'name');
    if (deletions.stdout.trim() !== '') found.push(`the ${kind} had a pod too many`);
  }
  for (const kind of ['replicaset', 'statefulset'])
    await trio.cluster.kubectl('delete', kind, name, '--cascade=foreground', '--wait=false');
  return found;
}

/** Returns what was wrong. */
async function play(trio: ThreeServers, round: Round, number: number): Promise<readonly string[]> {
  using running = await trio.writeHistory(`round-${round.seed}`);
  await eventually('writes to be under way', async () =>
    trio.cluster.kubectl('get', 'configmap', `round-${round.seed}-0`),
  );
  const name = `round-${round.seed}`;
  for (const object of workloads(name)) await trio.cluster.apply(object);
  const end = await begin(trio, round);
  try {
    const asked = ['scale', `--replicas=${REPLICAS.after}`, `replicaset/${name}`, `statefulset/${name}`];
    // By way of a host that the fault is not on.
    const server = urlOf((round.index + 1) % ips.length);
    await eventually('it to be scaled', () =>
      trio.cluster.kubectl(...asked, '--server', server, '--request-timeout=5s'),
    );
    await delay(round.seconds * 1000);
  } finally {
    await end();
  }
  await eventually('all members of etcd to be well', () => isWell(trio), SETTLED_SECONDS);
  for (const index of ips.keys()) await trio.ready(index);
  const history = await running.end();
  const found = [...violations(history, 1), ...(await countPods(trio, name))];
  const { writes, writerGapMs, watcherGapMs } = history;
  const { seed, fault, part, index, seconds } = round;
  const what = fault === 'cut off' || fault === 'fill' ? `host ${index}` : `${part} ${index}`;
  const gaps = `longest gap of a writer ${writerGapMs} ms, of the watcher ${watcherGapMs} ms`;
  console.log(
    `${number}. seed ${seed}: ${fault} ${what} for ${seconds} s: ${writes} writes, ${gaps}: ${found.join('; ') || 'ok'}`,
  );
  return found;
}

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Math.floor(Date.now() / 1000)) },
    seconds: { type: 'string', default: '12' },
  },
});
const [rounds, seed, seconds] = [values.rounds, values.seed, values.seconds].map(Number) as [number, number, number];
const failed: number[] = [];
console.log(`seeds from ${seed}`);
const trio = await ThreeServers.start('fault-rounds', mountDisk);
try {
  for (const index of [1, 2]) await trio.join(index);
  for (let number = 1; number <= rounds; number++) {
    const round = roundOf(seed + number - 1, seconds);
    if ((await play(trio, round, number)).length > 0) failed.push(round.seed);
  }
} finally {
  await trio[Symbol.asyncDispose]();
  await trio.cluster[Symbol.asyncDispose]();
}
console.log(failed.length === 0 ? `${rounds} rounds, all ok` : `failed: seeds ${failed.join(', ')}`);
process.exitCode = failed.length === 0 ? 0 : 1;

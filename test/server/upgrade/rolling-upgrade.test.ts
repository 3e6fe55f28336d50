/** A rolling upgrade over a real api-server, with the agents' own code under the identities of their nodes; installing is the test's. */
import { createHash, randomBytes } from 'node:crypto';
import { access, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pino } from 'pino';
import t from 'tap';
import { OwnAnnotations } from '../../../agent/node/own-annotations.ts';
import { HostError } from '../../../agent/host/host-error.ts';
import { NodeUpgrades } from '../../../agent/upgrade/node-upgrades.ts';
import { Versions } from '../../../agent/upgrade/versions.ts';
import type { UpgradeRequest } from '../../../api/domain/node-upgrade.ts';
import type { Lease } from '../../../api/types/coordination/v1.gen.ts';
import type { Node, Pod } from '../../../api/types/core/v1.gen.ts';
import type { ApiClient } from '../../../client/api-client.ts';
import { Informer } from '../../../client/informer.ts';
import { leases, nodes, podDisruptionBudgets, pods } from '../../../client/resources.gen.ts';
import { nodePackages, offerPackage } from '../../../control-plane/node-packages.ts';
import { rollOut, type RolloutRun } from '../../../cli/upgrade-nodes/rollout.ts';
import { Turn } from '../../../cli/upgrade-nodes/turn.ts';
import { eventually } from '../../support/wait.ts';
import { ControlPlane, PretendedNode } from '../controllers/control-plane.ts';

const logger = pino({ level: 'silent' });
t.setTimeout(10 * 60_000);
const stack = new AsyncDisposableStack();
t.teardown(() => stack.disposeAsync());
const scratch = await mkdtemp(path.join(tmpdir(), 'kedge-rolling-'));
stack.defer(() => rm(scratch, { recursive: true }));
const plane = stack.use(await ControlPlane.start(600));
const { client } = plane;

/** More than two parts of an answer. */
const PACKAGE = randomBytes(9 * 1024 * 1024);
const packageOf = async (content: Buffer): Promise<{ sha256: string; bytes: number }> => {
  const file = path.join(scratch, 'package');
  await writeFile(file, content);
  const sha256 = createHash('sha256').update(content).digest('hex');
  await offerPackage(nodePackages({ dataDir: plane.directory }), file, sha256);
  return { sha256, bytes: content.length };
};

/** What an agent is, as far as upgrades go. Its program is replaced as the unit does it: the agent ends, and the next one starts. */
class Agent implements AsyncDisposable {
  readonly name: string;
  readonly #client: ApiClient;
  readonly #versions: Versions;
  #stop = new AbortController();
  #running: Promise<unknown> = Promise.resolve();
  program = '0.1.0-aaaaaaaa';
  /** Of the new version: why it is not well. */
  sick: string | undefined;
  /** Holds the installation back. */
  gate = Promise.resolve();
  readonly fetched: Buffer[] = [];

  private constructor(name: string, ofNode: ApiClient, versions: Versions) {
    this.name = name;
    this.#client = ofNode;
    this.#versions = versions;
  }

  static async start(name: string): Promise<Agent> {
    const folder = path.join(scratch, name);
    await mkdir(path.join(folder, 'kedge-versions'), { recursive: true });
    const agent = new Agent(name, await plane.clientOfNode(name), new Versions(path.join(folder, 'kedge')));
    agent.run();
    return agent;
  }

  run(): void {
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    const annotations = new OwnAnnotations({ client: this.#client, nodeName: this.name, logger });
    const upgrades = new NodeUpgrades({
      ...{ annotations, client: this.#client, program: this.program, versions: this.#versions, logger },
      dataDir: path.join(scratch, this.name),
      openOthers: () => Promise.resolve([]),
      begin: (file, request) => this.#begin(file, request),
      times: { lookMs: 20 },
    });
    const own = new Informer({
      ...{ client: this.#client, logger, resource: nodes, fieldSelector: `metadata.name=${this.name}` },
    });
    const see = (node: Node): void => {
      annotations.see(node);
      upgrades.see(node);
    };
    own.addHandlers({ onAdd: see, onUpdate: (_, node) => see(node) });
    this.#running = Promise.all([own.run(signal), annotations.run(signal), upgrades.run(signal)]);
  }

  async #begin(file: string, { attempt, sha256, healthySeconds }: UpgradeRequest): Promise<void> {
    const content = await readFile(file);
    if (createHash('sha256').update(content).digest('hex') !== sha256) throw new HostError('it has another checksum');
    this.fetched.push(content);
    const [from, to] = [this.program, `0.2.0-${sha256.slice(0, 8)}`];
    await this.#versions.setRecord({ from, to, healthySeconds, attempt });
    void this.#carryOut(from, to, attempt);
  }

  async #carryOut(from: string, to: string, attempt: string): Promise<void> {
    await this.gate;
    await this.stop();
    if (this.sick === undefined) this.program = to;
    this.run();
    await this.#versions.finish({ from, to, attempt, ...(this.sick !== undefined && { reason: this.sick }) });
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error('the agent ends'));
    await this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.#client[Symbol.asyncDispose]();
  }
}

const NAMES = ['node-a', 'node-b', 'node-c'];
const agents = new Map<string, Agent>();
for (const name of NAMES) {
  stack.use(await PretendedNode.join(client, name));
  agents.set(name, stack.use(await Agent.start(name)));
}
const agentOf = (name: string): Agent => agents.get(name) as Agent;
const read = (name: string): Promise<Node> => client.get<Node>(nodes, '', name);
const unschedulable = async (): Promise<string[]> =>
  (await client.listAll<Node>(nodes))
    .filter(({ spec }) => spec?.unschedulable)
    .map(({ metadata }) => metadata?.name ?? '');

const rollout = async (
  given: { sha256: string; bytes: number },
  more: Partial<RolloutRun> = {},
  signal = new AbortController().signal,
): Promise<{ told: string[]; upgraded: number }> => {
  const told: string[] = [];
  const upgraded = await rollOut(
    {
      ...{ client, ...given, maxUnavailable: 1, healthySeconds: 120, servers: new Set<string>() },
      ...{ limitMs: 300_000, startedAtMs: Date.now(), lookMs: 20, tell: (sentence) => told.push(sentence) },
      ...more,
    },
    signal,
  );
  return { told, upgraded };
};

t.test('nodes get the package over TLS, one after the other, and keep their pods', async (t) => {
  const given = await packageOf(PACKAGE);
  await client.patch(nodes, '', 'node-c', { spec: { unschedulable: true } });
  const { told, upgraded } = await rollout(given);
  t.equal(upgraded, 3);
  t.strictSame(
    told,
    NAMES.flatMap((name) => ['cordoned', 'upgrading', 'upgraded'].map((what) => `${name}: ${what}`)),
  );
  for (const name of NAMES) {
    t.ok(agentOf(name).fetched[0]?.equals(PACKAGE), name);
    const { metadata } = await read(name);
    t.match(metadata?.annotations, { 'kedge.io/program': `0.2.0-${given.sha256.slice(0, 8)}` });
    t.notOk(metadata?.annotations?.['kedge.io/upgrade-cordoned']);
    t.notOk(metadata?.annotations?.['kedge.io/upgrade-request']);
    await t.rejects(access(path.join(scratch, name, 'upgrade')), 'the package is not left on the node');
  }
  t.strictSame(await unschedulable(), ['node-c'], 'what an administrator has cordoned stays so');
  await client.patch(nodes, '', 'node-c', { spec: { unschedulable: null } });
  t.strictSame((await rollout(given)).told, [], 'there is nothing to do the second time');
});

t.test('a package is for nodes, and for nobody else', async (t) => {
  const given = await packageOf(randomBytes(100));
  const ofNode = await plane.clientOfNode('node-a');
  t.teardown(() => ofNode[Symbol.asyncDispose]());
  t.equal((await ofNode.bytes(`/node-packages/${given.sha256}`)).length, 100);
  await t.rejects(ofNode.bytes(`/node-packages/${'0'.repeat(64)}`), { code: 404 });
  for (const name of ['..%2fpki%2fca.key', '../pki/ca.key', '', 'x'])
    await t.rejects(ofNode.bytes(`/node-packages/${name}`), { code: 404 }, name);
  await t.rejects(ofNode.bytes(`/node-packages/${given.sha256}`, { query: { offset: '-1' } }), { code: 400 });
  const stranger = await plane.clientOf('mallory', 'developers');
  t.teardown(() => stranger[Symbol.asyncDispose]());
  await t.rejects(stranger.bytes(`/node-packages/${given.sha256}`), { code: 403 });
});

t.test('a node that fails pauses all, with one sentence; the same command goes on when it is mended', async (t) => {
  const given = await packageOf(randomBytes(1000));
  agentOf('node-b').sick = 'kedge-agent.service is failed';
  await t.rejects(rollout(given), {
    name: 'RolloutError',
    message:
      /^paused: node node-b failed; 2 nodes are left, and the same command goes on\. The reason: .*kedge-agent\.service is failed$/,
  });
  t.strictSame(await unschedulable(), [], 'the node that went back takes pods again');
  t.notMatch((await read('node-c')).metadata?.annotations, { 'kedge.io/program': `0.2.0-${given.sha256.slice(0, 8)}` });
  agentOf('node-b').sick = undefined;
  t.strictSame(
    (await rollout(given)).told,
    ['node-b', 'node-c'].flatMap((name) => ['cordoned', 'upgrading', 'upgraded'].map((what) => `${name}: ${what}`)),
  );
});

t.test('a coordinator that is killed is followed by another one, and nothing is done twice', async (t) => {
  const given = await packageOf(randomBytes(1000));
  const before = agentOf('node-a').fetched.length;
  const gate = Promise.withResolvers<void>();
  agentOf('node-a').gate = gate.promise;
  const killed = new AbortController();
  const first = rollout(given, {}, killed.signal).catch((error: Error) => error);
  await eventually('node-a to install it', async () => agentOf('node-a').fetched.length > before);
  killed.abort(new Error('killed'));
  await first;
  t.strictSame(await unschedulable(), ['node-a']);
  const second = rollout(given);
  gate.resolve();
  t.equal((await second).upgraded, 3);
  t.equal(agentOf('node-a').fetched.length, before + 1, 'the node was asked once');
  t.strictSame(await unschedulable(), []);
});

t.test('one command at a time: another one says who is at work, and follows one that was killed', async (t) => {
  const metadata = { namespace: 'kube-system', name: 'kedge-upgrade-nodes' };
  const { signal } = new AbortController();
  const told: string[] = [];
  const take = (identity: string): Promise<Turn> =>
    Turn.take({ client, identity, tell: (text) => told.push(text), signal, times: { lookMs: 20, renewMs: 0 } });
  await client.create<Lease>(leases, { metadata, spec: { holderIdentity: 'killed', leaseDurationSeconds: 1 } });
  const first = await take('first');
  t.match(told, [/^waiting .* whether killed/]);
  const second = take('second').catch((error: Error) => error);
  await eventually('the second one to look', () => Promise.resolve(told.length === 2));
  await first.hold();
  t.match(await second, { name: 'RolloutError', message: /another kedge upgrade nodes is at work since \S+: first/ });
  await first.release();
  const third = await take('third');
  await t.rejects(first.hold(), /^paused: .* third/, 'one that the servers have not heard of for long');
  await third.release();
  await (await take('fourth')).release();
});

t.test('a drain honours budgets, and gives up with the reason when they do not let it', async (t) => {
  const labels = { app: 'web' };
  await client.create<Pod>(pods, {
    ...{ apiVersion: 'v1', kind: 'Pod', metadata: { namespace: 'default', name: 'web', labels } },
    spec: { nodeName: 'node-a', containers: [{ name: 'web', image: 'web' }] },
  });
  await client.create(podDisruptionBudgets, {
    ...{ apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', metadata: { namespace: 'default', name: 'web' } },
    spec: { minAvailable: 1, selector: { matchLabels: labels } },
  });
  const running = async (): Promise<Pod[]> =>
    (await client.listAll<Pod>(pods, { namespace: 'default' })).filter(({ status }) =>
      status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True'),
    );
  const [pod] = await eventually('the pod', async () => {
    const found = await running();
    return found.length === 1 && found;
  });
  await eventually('the budget', async () => {
    const budget = await client.get(podDisruptionBudgets, 'default', 'web');
    return (budget as { status?: { currentHealthy?: number } }).status?.currentHealthy === 1;
  });
  const given = await packageOf(randomBytes(1000));
  const drain = { force: true, deleteEmptydirData: false, limitMs: 500 };
  await t.rejects(
    rollout(given, { drain }),
    /paused: node node-a failed; 3 nodes are left.*it could not be drained: pod default\/web: Cannot evict pod as it would violate the pod's disruption budget/,
  );
  t.equal((await running())[0]?.metadata?.uid, pod?.metadata?.uid, 'the pod runs on');
  t.strictSame(await unschedulable(), []);
  await client.patch(podDisruptionBudgets, 'default', 'web', { spec: { minAvailable: 0 } });
  await eventually('the budget to allow it', async () => {
    const budget = await client.get(podDisruptionBudgets, 'default', 'web');
    return (budget as { status?: { disruptionsAllowed?: number } }).status?.disruptionsAllowed === 1;
  });
  const { told } = await rollout(given, { drain: { ...drain, limitMs: 120_000 } });
  t.equal(told.filter((sentence) => sentence.endsWith('draining')).length, 3);
  t.strictSame(await running(), []);
});

/** Controllers at scale: workloads on hollow nodes, whose pods run as soon as they are bound. */
import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../test/support/wait.ts';
import { BenchServer, createNamespace, type BenchServerOptions } from './bench-server.ts';
import { ask, load, requestBytes, type Target } from './http.ts';
import { CONNECTIONS } from './pods.ts';
import { cpuSecondsOf, printMemory, settledMemory } from './process-usage.ts';
import type { MeasureId } from './measures.ts';
import type { Report } from './report.ts';

const NODES = 50;
const LOST = 'lost';
const LIMIT_SECONDS = 180;
const IDLE_SECONDS = 60;
/** Until what was needed for the rollout has been given back. */
const CALM_SECONDS = 45;
const LARGE = 1_000;
const SMALL = { count: 200, replicas: 5 };
const JOBS = 1_000;
const OBJECTS = 5_000;
const ON_LOST_NODE = 100;
const IDLE_PODS = 5_000;

const MEASURED = [
  'hollowRollout',
  'hollowRollover',
  'hollowDeployments',
  'hollowJobs',
  'hollowNamespace',
  'hollowLost',
  'hollowMemory',
  'hollowIdleCpu',
] as const satisfies readonly MeasureId[];

export async function measureScale(
  report: Report,
  options: BenchServerOptions,
  running: AsyncDisposableStack,
): Promise<void> {
  if (!report.wants(...MEASURED)) return;
  const server = running.use(await BenchServer.start({ ...options, settings: { 'cluster-cidr': '10.128.0.0/9' } }));
  server.runBeside('hollow', 'hollow', `--nodes=${NODES}`, '--max-pods=250');
  await eventually('the nodes', async () => {
    const { items } = await ask<{ items: object[] }>(server.target, 'GET', '/api/v1/nodes?resourceVersion=0');
    return items.length === NODES;
  });
  const bench = new ScaleBench(report, server);
  await bench.rollouts();
  await bench.manyDeployments();
  await bench.jobs();
  await bench.largeNamespace();
  await bench.lostNode();
  await bench.idle();
}

interface DeploymentStatus {
  readonly metadata: { readonly generation: number };
  readonly spec: { readonly replicas: number };
  readonly status: {
    readonly observedGeneration?: number;
    readonly replicas?: number;
    readonly updatedReplicas?: number;
    readonly readyReplicas?: number;
  };
}

/** What `kubectl rollout status` waits for. */
const isRolledOut = ({ metadata, spec, status }: DeploymentStatus): boolean =>
  status.observedGeneration === metadata.generation &&
  status.replicas === spec.replicas &&
  status.updatedReplicas === spec.replicas &&
  status.readyReplicas === spec.replicas;

class ScaleBench {
  readonly #report: Report;
  readonly #server: BenchServer;
  readonly #target: Target;

  constructor(report: Report, server: BenchServer) {
    this.#report = report;
    this.#server = server;
    this.#target = server.target;
  }

  async rollouts(): Promise<void> {
    if (!this.#report.wants('hollowRollout', 'hollowRollover')) return;
    await this.#within('rollouts', async (namespace) => {
      const deployments = deploymentsIn(namespace);
      const done = (): Promise<unknown> =>
        this.#until('the rollout', async () => isRolledOut(await this.#get(`${deployments}/large`)));
      await this.#timed('hollowRollout', async () => {
        await this.#create(deployments, [deployment('large', LARGE)]);
        await done();
      });
      await this.#timed('hollowRollover', async () => {
        await this.#patch([`${deployments}/large`], NEXT_IMAGE);
        await done();
      });
    });
  }

  async manyDeployments(): Promise<void> {
    if (!this.#report.wants('hollowDeployments')) return;
    await this.#within('many', async (namespace) => {
      const deployments = deploymentsIn(namespace);
      const names = Array.from({ length: SMALL.count }, (_, index) => `small-${index}`);
      const done = (): Promise<unknown> =>
        this.#until('the rollouts', async () => {
          const { items } = await this.#get<{ items: DeploymentStatus[] }>(deployments);
          return items.length === names.length && items.every(isRolledOut);
        });
      await this.#create(
        deployments,
        names.map((name) => deployment(name, SMALL.replicas)),
      );
      await done();
      await this.#timed('hollowDeployments', async () => {
        await this.#patch(
          names.map((name) => `${deployments}/${name}`),
          NEXT_IMAGE,
        );
        await done();
      });
    });
  }

  async jobs(): Promise<void> {
    if (!this.#report.wants('hollowJobs')) return;
    await this.#within('jobs', async (namespace) => {
      const jobs = `/apis/batch/v1/namespaces/${namespace}/jobs`;
      await this.#timed('hollowJobs', async () => {
        await this.#create(
          jobs,
          Array.from({ length: JOBS }, (_, index) => job(`job-${index}`)),
        );
        await this.#until('the Jobs', async () => {
          const { items } = await this.#get<{ items: { status: { succeeded?: number; completionTime?: string } }[] }>(
            jobs,
          );
          return items.every(({ status }) => status.completionTime !== undefined && status.succeeded === 1);
        });
      });
    });
  }

  async largeNamespace(): Promise<void> {
    if (!this.#report.wants('hollowNamespace')) return;
    const namespace = 'large';
    await createNamespace(this.#target, namespace);
    await this.#create(
      `/api/v1/namespaces/${namespace}/configmaps`,
      Array.from({ length: OBJECTS }, (_, index) => ({ metadata: { name: `object-${index}` }, data: { a: 'b' } })),
    );
    await this.#timed('hollowNamespace', () => this.#remove(namespace));
  }

  /** The pods rather run on the node that is lost, and tolerate no unreachable node. */
  async lostNode(): Promise<void> {
    if (!this.#report.wants('hollowLost')) return;
    await this.#within('lost', async (namespace) => {
      const hollow = this.#server.runBeside(LOST, 'hollow', '--nodes=1', `--prefix=${LOST}`, '--zones=0');
      await this.#until('the node', () =>
        this.#get(`/api/v1/nodes/${LOST}-0`).then(
          () => true,
          () => false,
        ),
      );
      const deployments = deploymentsIn(namespace);
      const pods = `/api/v1/namespaces/${namespace}/pods`;
      await this.#create(deployments, [onLostNode()]);
      await this.#until('the rollout', async () => isRolledOut(await this.#get(`${deployments}/moving`)));
      const { items } = await this.#get<{ items: object[] }>(`${pods}?fieldSelector=spec.nodeName%3D${LOST}-0`);
      if (items.length !== ON_LOST_NODE) throw new Error(`${items.length} pods run on the node that is to be lost`);
      await this.#timed('hollowLost', async () => {
        await hollow.end('SIGKILL');
        await this.#until('the pods elsewhere', async () => {
          const elsewhere = `${pods}?fieldSelector=spec.nodeName!%3D${LOST}-0,status.phase%3DRunning`;
          return (await this.#get<{ items: object[] }>(elsewhere)).items.length === ON_LOST_NODE;
        });
      });
      await ask(this.#target, 'DELETE', `/api/v1/nodes/${LOST}-0`);
    });
  }

  async idle(): Promise<void> {
    if (!this.#report.wants('hollowMemory', 'hollowIdleCpu')) return;
    await this.#within('idle', async (namespace) => {
      const deployments = deploymentsIn(namespace);
      await this.#create(deployments, [deployment('many', IDLE_PODS)]);
      await this.#until('the rollout', async () => isRolledOut(await this.#get(`${deployments}/many`)));
      const { pid } = this.#server;
      await delay(CALM_SECONDS * 1000);
      this.#report.add('hollowMemory', printMemory('5,000 pods', await settledMemory(pid)));
      const before = await cpuSecondsOf(pid);
      await delay(IDLE_SECONDS * 1000);
      this.#report.add('hollowIdleCpu', (((await cpuSecondsOf(pid)) - before) / IDLE_SECONDS) * 100);
    });
  }

  async #within(namespace: string, measure: (namespace: string) => Promise<void>): Promise<void> {
    await createNamespace(this.#target, namespace);
    await measure(namespace);
    await this.#remove(namespace);
  }

  async #remove(namespace: string): Promise<void> {
    await ask(this.#target, 'DELETE', `/api/v1/namespaces/${namespace}`);
    const there = `/api/v1/namespaces?fieldSelector=metadata.name%3D${namespace}`;
    await this.#until('the namespace to be gone', async () => {
      const { items } = await this.#get<{ items: object[] }>(there);
      return items.length === 0;
    });
  }

  async #timed(id: MeasureId, body: () => Promise<unknown>): Promise<void> {
    const start = performance.now();
    await body();
    this.#report.add(id, (performance.now() - start) / 1000);
  }

  #until(what: string, holds: () => Promise<boolean>): Promise<unknown> {
    return eventually(what, holds, LIMIT_SECONDS);
  }

  #get<T>(path: string): Promise<T> {
    return ask<T>(this.#target, 'GET', path);
  }

  async #create(collection: string, objects: readonly object[]): Promise<void> {
    const requests = objects.map((object) => requestBytes(this.#target, 'POST', collection, JSON.stringify(object)));
    await load(this.#target, CONNECTIONS, 201, requests);
  }

  async #patch(paths: readonly string[], patch: object): Promise<void> {
    const type = 'application/strategic-merge-patch+json';
    const requests = paths.map((path) => requestBytes(this.#target, 'PATCH', path, JSON.stringify(patch), type));
    await load(this.#target, CONNECTIONS, 200, requests);
  }
}

const deploymentsIn = (namespace: string): string => `/apis/apps/v1/namespaces/${namespace}/deployments`;

const container = { name: 'pause', image: 'pause:1', resources: { requests: { cpu: '10m', memory: '8Mi' } } };
const NEXT_IMAGE = { spec: { template: { spec: { containers: [{ name: 'pause', image: 'pause:2' }] } } } };

const deployment = (name: string, replicas: number, spec: object = {}): object => ({
  metadata: { name },
  spec: {
    replicas,
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: { containers: [container], ...spec } },
  },
});

const onLostNode = (): object =>
  deployment('moving', ON_LOST_NODE, {
    affinity: {
      nodeAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [
          {
            weight: 100,
            preference: { matchExpressions: [{ key: 'kedge.io/hollow', operator: 'In', values: [LOST] }] },
          },
        ],
      },
    },
    tolerations: ['unreachable', 'not-ready'].map((condition) => ({
      key: `node.kubernetes.io/${condition}`,
      operator: 'Exists',
      effect: 'NoExecute',
      tolerationSeconds: 0,
    })),
  });

const job = (name: string): object => ({
  metadata: { name },
  spec: { template: { spec: { restartPolicy: 'Never', containers: [container] } } },
});

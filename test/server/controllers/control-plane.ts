/** A real api-server on a free port with its store in a temporary directory, the controllers, and simulated nodes. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { leases } from '../../../api/kinds/coordination/lease.ts';
import { nodes } from '../../../api/kinds/core/node.ts';
import { pods } from '../../../api/kinds/core/pod.ts';
import { isConflict, isNotFound } from '../../../api/machinery/status-error.ts';
import { microTimeOf, timeOf } from '../../../api/machinery/time.ts';
import { ApiClient } from '../../../client/api-client.ts';
import { Informer } from '../../../client/informer.ts';
import { loadKubeconfig } from '../../../client/kubeconfig.ts';
import { legacyTokenSigner } from '../../../control-plane/apiserver/access/authentication/legacy-token.ts';
import { defaultServerConfig } from '../../../control-plane/config.ts';
import { runControllers } from '../../../control-plane/controllers/main.ts';
import { ALL_CONTROLLERS } from '../../../control-plane/controller-selection.ts';
import { runServer } from '../../../control-plane/main.ts';
import { readAuthority } from '../../../control-plane/pki/cluster-pki.ts';
import { readServiceAccountKey } from '../../../control-plane/pki/service-account-keys.ts';
import { issueCertificate, signCertificateRequest } from '../../../control-plane/pki/signing.ts';
import { eventually } from '../../support/wait.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

const logger = pino({ level: process.env['LOG_LEVEL'] ?? 'silent' });

export class ControlPlane implements AsyncDisposable {
  readonly client: ApiClient;
  readonly kubeconfig: string;
  readonly #directory: string;
  readonly #stop: AbortController;
  readonly #running: Promise<unknown>;

  private constructor(client: ApiClient, directory: string, stop: AbortController, running: Promise<unknown>) {
    this.client = client;
    this.#directory = directory;
    this.kubeconfig = join(directory, 'admin.kubeconfig');
    this.#stop = stop;
    this.#running = running;
  }

  static async start(nodeMonitorGraceSeconds = 40): Promise<ControlPlane> {
    const directory = await mkdtemp(join(tmpdir(), 'controllers-'));
    const stop = new AbortController();
    const kubeconfig = join(directory, 'admin.kubeconfig');
    const portFile = join(directory, 'port');
    const config = {
      ...defaultServerConfig,
      dataDir: directory,
      bindAddress: '127.0.0.1',
      advertiseAddress: '127.0.0.1',
      port: 0,
      portFile,
      adminKubeconfig: kubeconfig,
      roles: ['apiserver'],
      disable: ['ingress'],
    };
    const server = runServer(config, stop.signal, logger);
    let failed: Error | undefined;
    server.catch((error: Error) => (failed = error));
    await eventually('the api-server to listen', async () => {
      if (failed) throw failed;
      return (await readFile(portFile, 'utf8').catch(() => '')) !== '';
    });
    const client = new ApiClient(await loadKubeconfig(kubeconfig));
    const pki = join(directory, 'pki');
    const { certificate: rootCa } = await readAuthority(pki);
    const controllers = runControllers({
      client,
      logger,
      signal: stop.signal,
      selection: ALL_CONTROLLERS,
      rootCa,
      sign: async (pem, options) => signCertificateRequest(pem, { ca: await readAuthority(pki), ...options }),
      signToken: legacyTokenSigner(await readServiceAccountKey(pki)),
      clusterCidr: '10.42.0.0/16',
      nodeMaskSizes: { IPv4: 24, IPv6: 64 },
      nodeMonitorGraceSeconds,
      inventory: '',
      loadBalancerPools: [],
      isReservedPort: () => false,
    });
    return new ControlPlane(client, directory, stop, Promise.all([server, controllers]));
  }

  /** The data directory of the server. */
  get directory(): string {
    return this.#directory;
  }

  /** A client with the identity of this node. */
  clientOfNode(name: string): Promise<ApiClient> {
    return this.clientOf(`system:node:${name}`, 'system:nodes');
  }

  async clientOf(commonName: string, ...organizations: string[]): Promise<ApiClient> {
    const { certificate: cert, key } = await issueCertificate(await readAuthority(join(this.#directory, 'pki')), {
      ...{ commonName, organizations },
      ...{ usages: ['client auth'], lifetimeMs: 3_600_000, now: Date.now() },
    });
    return new ApiClient({ ...(await loadKubeconfig(this.kubeconfig)), cert, key });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the test is over'));
    await this.#running;
    await this.client[Symbol.asyncDispose]();
    await rm(this.#directory, { recursive: true });
  }
}

/** Does the part of an agent's work that controllers see: a Ready node, its Lease, pods that run at once and terminate when deleted. */
export class PretendedNode implements AsyncDisposable {
  readonly name: string;
  readonly #client: ApiClient;
  readonly #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #heartbeat: NodeJS.Timeout | undefined;
  #nextAddress = 10;
  readonly failures: unknown[] = [];

  private constructor(client: ApiClient, name: string) {
    this.#client = client;
    this.name = name;
  }

  static async join(client: ApiClient, name: string): Promise<PretendedNode> {
    const node = new PretendedNode(client, name);
    await client.create(nodes, { metadata: { name } });
    const time = timeOf(Date.now());
    const condition = (type: string, status: string) => ({
      type,
      status,
      reason: 'KubeletSays',
      message: '',
      lastHeartbeatTime: time,
      lastTransitionTime: time,
    });
    const types = ['MemoryPressure', 'DiskPressure', 'PIDPressure'];
    const conditions = [condition('Ready', 'True'), ...types.map((type) => condition(type, 'False'))];
    await client.patch(nodes, '', name, { status: { conditions } }, { subresource: 'status' });
    const renewTime = microTimeOf(Date.now());
    const spec = { holderIdentity: name, leaseDurationSeconds: 40, renewTime };
    await client.create(leases, { metadata: { namespace: 'kube-node-lease', name }, spec });
    node.#start();
    return node;
  }

  #start(): void {
    this.#heartbeat = setInterval(() => {
      const patch = { spec: { renewTime: microTimeOf(Date.now()) } };
      this.#attempt(this.#client.patch(leases, 'kube-node-lease', this.name, patch));
    }, 300);
    const informer = new Informer<Pod>({
      client: this.#client,
      logger,
      resource: pods,
      fieldSelector: `spec.nodeName=${this.name}`,
    });
    informer.addHandlers({ onAdd: (pod) => this.#look(pod), onUpdate: (_, pod) => this.#look(pod) });
    this.#running = informer.run(this.#stop.signal);
  }

  #attempt(request: Promise<unknown>): void {
    request.catch((error: unknown) => {
      if (!isNotFound(error) && !isConflict(error) && !this.#stop.signal.aborted) this.failures.push(error);
    });
  }

  #look({ metadata = {}, spec, status }: Pod): void {
    const { namespace = '', name = '', labels } = metadata;
    if (metadata.deletionTimestamp) {
      this.#attempt(this.#client.delete(pods, namespace, name, { gracePeriodSeconds: 0 }));
      return;
    }
    if (status?.phase === 'Running' || labels?.['stays'] === 'pending') return;
    const podIP = `10.42.0.${this.#nextAddress++}`;
    const time = timeOf(Date.now());
    const running = {
      phase: 'Running',
      podIP,
      podIPs: [{ ip: podIP }],
      startTime: time,
      conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: time }],
      containerStatuses: spec?.containers.map((container) => ({
        name: container.name,
        image: container.image,
        imageID: '',
        ready: true,
        restartCount: 0,
        state: { running: { startedAt: time } },
      })),
    };
    const options = { type: 'strategic', subresource: 'status' } as const;
    this.#attempt(this.#client.patch(pods, namespace, name, { status: running }, options));
  }

  /** Simulates a power failure of the host. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#heartbeat);
    this.#stop.abort(new Error('power lost'));
    await this.#running;
  }
}

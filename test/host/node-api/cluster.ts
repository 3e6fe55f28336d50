/** A node's API over a real containerd, behind a real api-server. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { isIP } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { CriNodeRuntime } from '../../../agent/server/cri-node-runtime.ts';
import { NodeServer } from '../../../agent/server/node-server.ts';
import { namespaces } from '../../../api/kinds/core/namespace.ts';
import { nodes } from '../../../api/kinds/core/node.ts';
import { pods } from '../../../api/kinds/core/pod.ts';
import { ApiClient } from '../../../client/api-client.ts';
import type { Logger } from '../../../client/logger.ts';
import { ClientCertificateAuthenticator } from '../../../control-plane/apiserver/access/authentication/client-certificate.ts';
import type { Authorizer } from '../../../control-plane/apiserver/access/authorization/authorizer.ts';
import { openCore } from '../../../control-plane/apiserver/core.ts';
import { createNodeHandlers } from '../../../control-plane/apiserver/nodes/connectors.ts';
import { NodeBackends } from '../../../control-plane/apiserver/nodes/node-backend.ts';
import { serve } from '../../../control-plane/apiserver/server.ts';
import { writeKubeconfig } from '../../../control-plane/pki/kubeconfig.ts';
import { createAuthority, issueCertificate } from '../../../control-plane/pki/signing.ts';
import type { KeyPair } from '../../../control-plane/pki/pem-files.ts';
import { openEmbeddedStore } from '../../../control-plane/store/embedded/embedded-store.ts';
import { handlersWith } from '../../support/handlers.ts';
import { startRuntime, type TestPod, type TestRuntime } from './runtime.ts';
import type { ContainerState, Pod } from '../../../api/types/core/v1.gen.ts';

export const NODE = 'node-a';
/** By their tokens: one that may read metrics, and one that may look at everything. */
const USERS: ReadonlyMap<string, string> = new Map([
  ['good', 'monitor'],
  ['look', 'looker'],
]);
const DAY_MS = 24 * 3600 * 1000;

export interface CommandOutput {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly input?: Buffer | string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface TestCluster extends AsyncDisposable {
  readonly runtime: TestRuntime;
  /** What `/logs/` of the node shows, too. */
  readonly directory: string;
  readonly ca: KeyPair;
  /** What the node shows to its clients at first. */
  readonly serving: KeyPair;
  /** What the api-server shows to nodes. */
  readonly client: KeyPair;
  readonly nodeServer: NodeServer;
  readonly nodePort: number;
  /** `https://127.0.0.1:PORT` */
  readonly server: string;
  readonly kubeconfigPath: string;
  readonly api: ApiClient;
  /** The access reviews of the node, in order. */
  readonly asked: string[];
  /** Denied permissions, such as `create nodes/proxy`. */
  readonly forbidden: Set<string>;
  /** `address` is the loopback one where it is left out: a host name or an IP address. */
  addNode(name: string, port: number, address?: string): Promise<void>;
  /** The created pod, on the node under test. */
  addPod(pod: TestPod): Promise<void>;
  /** What the node sees of a container. */
  setState(pod: TestPod, container: string, state: ContainerState, lastState?: ContainerState): void;
  kubectl(args: readonly string[], options?: CommandOptions): Promise<CommandOutput>;
  startKubectl(args: readonly string[], options?: CommandOptions): ChildProcessWithoutNullStreams;
}

const startCommand = (
  program: string,
  args: readonly string[],
  { env }: CommandOptions,
  limitMs = 0,
): ChildProcessWithoutNullStreams =>
  spawn(program, args, { stdio: 'pipe', env: { ...process.env, ...env }, timeout: limitMs, killSignal: 'SIGKILL' });

/** One that hangs fails its test instead of holding up all others. */
const COMMAND_LIMIT_MS = 180_000;

export function runCommand(program: string, args: readonly string[], options: CommandOptions): Promise<CommandOutput> {
  return new Promise((resolve, reject) => {
    const child = startCommand(program, args, options, COMMAND_LIMIT_MS);
    const stdout: Buffer[] = [];
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    // A command that ends without reading its input is judged by how it ends.
    child.stdin.on('error', () => undefined);
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout: Buffer.concat(stdout), stderr }));
    child.stdin.end(options.input ?? '');
  });
}

const logger: Logger = { debug() {}, info() {}, warn() {}, error() {} };

export async function startCluster(): Promise<TestCluster> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'nodeapi-cluster-'));
  const runtime = await startRuntime();
  const now = Date.now();
  const ca = await createAuthority('kedge-ca', now);
  const issue = (commonName: string, organization: string, usage: string): Promise<KeyPair> =>
    issueCertificate(ca, {
      commonName,
      organizations: [organization],
      names: usage === 'server auth' ? ['127.0.0.1', runtime.hostAddress] : [],
      usages: [usage],
      lifetimeMs: DAY_MS,
      now,
    });
  const serving = await issue(`system:node:${NODE}`, 'system:nodes', 'server auth');
  const client = await issue('kube-apiserver-kubelet-client', 'system:masters', 'client auth');
  const admin = await issue('admin', 'system:masters', 'client auth');

  const asked: string[] = [];
  const onNode = new Map<string, Pod>();
  const running = new Map<string, TestPod>();
  const nodeServer = new NodeServer({
    nodeName: NODE,
    address: '0.0.0.0',
    port: 0,
    certificate: { cert: serving.certificate, key: serving.key, ca: ca.certificate },
    reviews: {
      reviewToken: async (review) => ({
        ...review,
        status: USERS.has(review.spec.token ?? '')
          ? { authenticated: true, user: { username: USERS.get(review.spec.token ?? ''), groups: ['monitors'] } }
          : { authenticated: false },
      }),
      reviewAccess: async (review) => {
        const { user, groups, resourceAttributes: asking } = review.spec;
        asked.push(`${user} ${asking?.verb} ${asking?.resource}/${asking?.subresource}`);
        const looks = user === 'looker' && asking?.verb === 'get';
        const allowed = groups?.includes('system:masters') || looks || asking?.subresource === 'metrics';
        return { ...review, status: { allowed } };
      },
    },
    runtime: new CriNodeRuntime({ cri: runtime.cri, logger }),
    pods: {
      list: () => [...onNode.values()],
      find: (namespace, name) => onNode.get(`${namespace}/${name}`),
      sandboxId: (uid) => running.get(uid)?.sandboxId,
      containerId: (uid, name) => running.get(uid)?.containers.get(name),
    },
    statistics: { metrics: () => 'kedge_up 1\n' },
    configuration: () => ({ address: '127.0.0.1' }),
    unhealthy: () => undefined,
    logDirectory: directory,
    logger,
  });
  const nodePort = await nodeServer.listen();

  const stopping = new AbortController();
  const store = await openEmbeddedStore({ path: path.join(directory, 'store') });
  const core = await openCore({ store, logger, signal: stopping.signal });
  const forbidden = new Set<string>();
  const authorizer: Authorizer = {
    authorize: (_user, { verb, resource, subresource }) => ({
      allowed: !forbidden.has(`${verb} ${resource}/${subresource}`),
      reason: '',
    }),
  };
  const handlers = createNodeHandlers(
    core.api,
    new NodeBackends(core.api, () => ({ cert: client.certificate, key: client.key, ca: ca.certificate })),
  );
  const apiServer = await serve({
    core,
    authenticators: [new ClientCertificateAuthenticator()],
    authorizer,
    admission: [],
    handlers: handlersWith(handlers),
    tls: { cert: serving.certificate, key: serving.key, clientCA: ca.certificate },
    address: '127.0.0.1',
    port: 0,
    logger,
  });
  const server = `https://127.0.0.1:${apiServer.port}`;
  const api = new ApiClient({ server, ca: ca.certificate, cert: admin.certificate, key: admin.key });
  const addNode = async (name: string, port: number, address = '127.0.0.1'): Promise<void> => {
    const node = await api.create(nodes, { metadata: { name } });
    const addresses = [{ type: isIP(address) === 0 ? 'Hostname' : 'InternalIP', address }];
    await api.updateStatus(nodes, {
      ...node,
      status: { addresses, daemonEndpoints: { kubeletEndpoint: { Port: port } } },
    });
  };
  await api.create(namespaces, { metadata: { name: 'default' } });
  await addNode(NODE, nodePort, runtime.hostAddress);
  const kubeconfigPath = path.join(directory, 'kubeconfig');
  await writeKubeconfig(kubeconfigPath, {
    server,
    caCertificate: ca.certificate,
    user: 'admin',
    credentials: { certificate: admin.certificate, key: admin.key },
  });

  return {
    runtime,
    directory,
    ca,
    serving,
    client,
    nodeServer,
    nodePort,
    server,
    kubeconfigPath,
    api,
    asked,
    forbidden,
    addNode,
    async addPod(pod) {
      const made = await api.create(pods, {
        metadata: { name: pod.name, namespace: 'default' },
        spec: {
          nodeName: NODE,
          containers: pod.wanted.map(({ name, stdin = false, stdinOnce = false, tty = false }) => ({
            name,
            image: 'kedge.local/hello:1.0',
            stdin,
            stdinOnce,
            tty,
          })),
        },
      });
      const object = await api.updateStatus(pods, {
        ...made,
        status: {
          phase: 'Running',
          podIP: pod.ip,
          podIPs: [{ ip: pod.ip }],
          containerStatuses: [...pod.containers].map(([name, id]) => ({
            name,
            image: '',
            imageID: '',
            ready: true,
            restartCount: 0,
            containerID: `containerd://${id}`,
            state: { running: {} },
          })),
        },
      });
      running.set(object.metadata?.uid ?? '', pod);
      onNode.set(`default/${pod.name}`, object);
    },
    setState(pod, container, state, lastState = {}) {
      const statuses = onNode.get(`default/${pod.name}`)?.status?.containerStatuses;
      const status = statuses?.find(({ name }) => name === container);
      if (status === undefined) throw new Error(`no container ${container}`);
      status.state = state;
      status.lastState = lastState;
    },
    kubectl: (args, options = {}) =>
      runCommand(
        'kubectl',
        ['--kubeconfig', kubeconfigPath, '--cache-dir', path.join(directory, 'cache'), ...args],
        options,
      ),
    startKubectl: (args, options = {}) =>
      startCommand(
        'kubectl',
        ['--kubeconfig', kubeconfigPath, '--cache-dir', path.join(directory, 'cache'), ...args],
        options,
      ),
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await api[Symbol.asyncDispose]();
      await nodeServer.close();
      await apiServer.close();
      await store.close();
      await runtime[Symbol.asyncDispose]();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

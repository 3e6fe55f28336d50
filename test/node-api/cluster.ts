/**
 * A node's API over a real containerd, and in front of it the api-server's connectors behind the little of an api-server that
 * kubectl needs to get to them.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import type { TLSSocket } from 'node:tls';
import { CriNodeRuntime } from '../../agent/server/cri-node-runtime.ts';
import { NodeServer } from '../../agent/server/node-server.ts';
import type { Pod } from '../../api/core/pod.ts';
import type { ContainerState } from '../../api/core/pod-status.ts';
import type { KubeObject } from '../../api/machinery/kind.ts';
import { noSuchPath, StatusError } from '../../api/machinery/status-error.ts';
import type { LocalApi } from '../../control-plane/apiserver/local-api.ts';
import { createNodeConnectors } from '../../control-plane/apiserver/node-proxy/connectors.ts';
import { parseRequestInfo } from '../../control-plane/apiserver/request-info.ts';
import type { User } from '../../control-plane/apiserver/request.ts';
import { kubeconfig } from '../../control-plane/pki/kubeconfig.ts';
import { createAuthority, issueCertificate } from '../../control-plane/pki/signing.ts';
import type { KeyPair } from '../../control-plane/pki/pem-files.ts';
import { startRuntime, type TestPod, type TestRuntime } from './runtime.ts';

export const NODE = 'node-a';
const DAY_MS = 24 * 3600 * 1000;

export interface CommandOutput {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export interface TestCluster {
  readonly runtime: TestRuntime;
  readonly directory: string;
  readonly ca: KeyPair;
  /** What the api-server's client certificate is. */
  readonly client: KeyPair;
  readonly nodeServer: NodeServer;
  readonly nodePort: number;
  readonly apiPort: number;
  readonly kubeconfigPath: string;
  /** The objects that the api-server has, by `kind/namespace/name`. */
  readonly objects: Map<string, KubeObject>;
  /** What access reviews are asked, in order. */
  readonly asked: string[];
  addPod(pod: TestPod): Pod;
  setState(pod: TestPod, container: string, state: ContainerState, lastState?: ContainerState): void;
  kubectl(args: readonly string[], options?: KubectlOptions): Promise<CommandOutput>;
  close(): Promise<void>;
}

export interface KubectlOptions {
  readonly input?: Buffer | string;
  readonly program?: string;
  readonly signal?: AbortSignal;
  readonly onOutput?: (chunk: Buffer) => void;
}

export const hasProgram = (program: string): Promise<boolean> =>
  runCommand(program, ['version', '--client'], {}).then(
    ({ code }) => code === 0,
    () => false,
  );

export function runCommand(program: string, args: readonly string[], options: KubectlOptions): Promise<CommandOutput> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    const stdout: Buffer[] = [];
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => {
      stdout.push(chunk);
      options.onOutput?.(chunk);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.stdin.on('error', () => undefined);
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout: Buffer.concat(stdout), stderr }));
    options.signal?.addEventListener('abort', () => child.kill('SIGKILL'));
    child.stdin.end(options.input ?? '');
  });
}

export async function startCluster(): Promise<TestCluster> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'nodeapi-cluster-'));
  const runtime = await startRuntime();
  const now = Date.now();
  const ca = await createAuthority('kedge-ca', now);
  const issue = (commonName: string, organizations: string[], usage: string): Promise<KeyPair> =>
    issueCertificate(ca, {
      commonName,
      organizations,
      names: usage === 'server auth' ? ['127.0.0.1', 'localhost'] : [],
      usages: [usage],
      lifetimeMs: DAY_MS,
      now,
    });
  const serving = await issue(`system:node:${NODE}`, ['system:nodes'], 'server auth');
  const client = await issue('kube-apiserver-kubelet-client', ['system:masters'], 'client auth');
  const admin = await issue('admin', ['system:masters'], 'client auth');
  const logger = { debug() {}, info() {}, warn() {}, error() {} };

  const objects = new Map<string, KubeObject>();
  const asked: string[] = [];
  const listed = (): Pod[] => [...objects].filter(([key]) => key.startsWith('Pod/')).map(([, object]) => object as Pod);
  const sandboxes = new Map<string, TestPod>();

  const nodeServer = new NodeServer({
    nodeName: NODE,
    address: '127.0.0.1',
    port: 0,
    certificate: { cert: serving.certificate, key: serving.key, ca: ca.certificate },
    reviews: {
      reviewToken: async (review) => ({
        ...review,
        status:
          review.spec.token === 'good'
            ? { authenticated: true, user: { username: 'monitor', groups: ['monitors'] } }
            : { authenticated: false },
      }),
      reviewAccess: async (review) => {
        const { user, groups, resourceAttributes } = review.spec;
        asked.push(
          `${user} ${resourceAttributes?.verb} ${resourceAttributes?.resource}/${resourceAttributes?.subresource}`,
        );
        const allowed = groups?.includes('system:masters') || resourceAttributes?.subresource === 'metrics';
        return { ...review, status: { allowed } };
      },
    },
    runtime: new CriNodeRuntime({ cri: runtime.cri }),
    pods: {
      list: listed,
      find: (namespace, name) => objects.get(`Pod/${namespace}/${name}`) as Pod | undefined,
      sandboxId: (uid) => sandboxes.get(uid)?.sandboxId,
      containerId: (uid, name) => sandboxes.get(uid)?.containers.get(name),
    },
    statistics: { metrics: () => 'kedge_up 1\n' },
    configuration: () => ({}),
    unwell: () => undefined,
    logDirectory: directory,
    logger,
  });
  const nodePort = await nodeServer.listen();
  objects.set(`Node//${NODE}`, {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: NODE },
    status: {
      addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
      daemonEndpoints: { kubeletEndpoint: { Port: nodePort } },
    },
  } as KubeObject);

  const api = {
    get: (kind: { kind: string }, namespace: string, name: string) => objects.get(`${kind.kind}/${namespace}/${name}`),
    list: (kind: { kind: string }, namespace: string) =>
      [...objects].filter(([key]) => key.startsWith(`${kind.kind}/${namespace}/`)).map(([, object]) => object),
  } as unknown as LocalApi;
  const front = createServer({ cert: serving.certificate, key: serving.key, ca: ca.certificate, requestCert: true });
  const connectors = createNodeConnectors({
    api,
    authorizer: { authorize: () => ({ allowed: true, reason: '' }) },
    identity: () => ({ cert: client.certificate, key: client.key, ca: ca.certificate }),
  });
  const user: User = { name: 'admin', groups: ['system:masters'] };
  const find = (request: IncomingMessage) => {
    const info = parseRequestInfo(request.method ?? '', request.url ?? '');
    return { info, connector: connectors.get(`${info.resource}/${info.subresource}`) };
  };
  front.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const serve = async (): Promise<void> => {
      const { info, connector } = find(request);
      if (connector !== undefined) return connector.serve(request, response, info, user);
      const answer =
        DISCOVERY[info.path] ?? (info.resource === 'pods' && objects.get(`Pod/${info.namespace}/${info.name}`));
      if (!answer) throw noSuchPath();
      response.setHeader('Content-Type', 'application/json');
      response.end(JSON.stringify(answer));
    };
    serve().catch((error: unknown) => {
      if (!(error instanceof StatusError) || response.headersSent) {
        response.destroy();
        return;
      }
      response.writeHead(error.code, { 'Content-Type': 'application/json' });
      response.end(JSON.stringify(error.status));
    });
  });
  front.on('upgrade', (request: IncomingMessage, socket: TLSSocket, head: Buffer) => {
    socket.on('error', () => socket.destroy());
    const { info, connector } = find(request);
    if (connector === undefined) socket.destroy();
    else void connector.upgrade(request, socket, head, info, user);
  });
  front.listen(0, '127.0.0.1');
  await once(front, 'listening');
  const apiPort = (front.address() as AddressInfo).port;
  const kubeconfigPath = path.join(directory, 'kubeconfig');
  await writeFile(
    kubeconfigPath,
    kubeconfig({
      server: `https://127.0.0.1:${apiPort}`,
      caCertificate: ca.certificate,
      user: 'admin',
      credentials: { certificate: admin.certificate, key: admin.key },
    }),
  );

  return {
    runtime,
    directory,
    ca,
    client,
    nodeServer,
    nodePort,
    apiPort,
    kubeconfigPath,
    objects,
    asked,
    addPod(pod) {
      const object: Pod = {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: pod.name, namespace: 'default', uid: pod.uid },
        spec: { nodeName: NODE, containers: [...pod.containers.keys()].map((name) => ({ name })) },
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
      };
      sandboxes.set(pod.uid, pod);
      objects.set(`Pod/default/${pod.name}`, object as KubeObject);
      return object;
    },
    setState(pod, container, state, lastState) {
      const object = objects.get(`Pod/default/${pod.name}`) as Pod;
      const status = object.status?.containerStatuses?.find(({ name }) => name === container);
      if (status === undefined) throw new Error(`no container ${container}`);
      status.state = state;
      status.lastState = lastState ?? {};
    },
    kubectl: (args, options = {}) =>
      runCommand(
        options.program ?? 'kubectl',
        ['--kubeconfig', kubeconfigPath, '--cache-dir', path.join(directory, 'cache'), ...args],
        options,
      ),
    async close() {
      front.close();
      front.closeAllConnections();
      await nodeServer.close();
      await runtime.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

const resource = (name: string, kind: string, namespaced: boolean) => ({
  name,
  kind,
  namespaced,
  singularName: kind.toLowerCase(),
  verbs: ['get', 'list'],
});
const DISCOVERY: Readonly<Record<string, object>> = {
  '/version': { major: '1', minor: '36', gitVersion: 'v1.36.2' },
  '/api': { kind: 'APIVersions', versions: ['v1'] },
  '/apis': { kind: 'APIGroupList', apiVersion: 'v1', groups: [] },
  '/api/v1': {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: 'v1',
    resources: [resource('pods', 'Pod', true), resource('nodes', 'Node', false), resource('services', 'Service', true)],
  },
};

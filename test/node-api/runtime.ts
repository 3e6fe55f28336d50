/**
 * A containerd of the test's own, in a network namespace of its own. Its streaming server listens on the namespace's end of a
 * veth pair, so that the node server under test can run in the test's process.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { openSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { HELLO_IMAGE } from '../../agent/images/carried.ts';
import { CriClient } from '../../agent/cri/client.ts';
import type { ContainerConfig, PodSandboxConfig } from '../../agent/cri/types.ts';
import { buildImages } from '../../scripts/images.ts';

const execute = promisify(execFile);

export interface TestContainer {
  readonly name: string;
  readonly command: readonly string[];
  readonly stdin?: boolean;
  readonly tty?: boolean;
}

export interface TestPod {
  readonly name: string;
  readonly uid: string;
  readonly sandboxId: string;
  readonly ip: string;
  readonly config: PodSandboxConfig;
  /** By name. */
  readonly containers: ReadonlyMap<string, string>;
}

export interface TestRuntime {
  readonly cri: CriClient;
  startPod(name: string, containers: readonly TestContainer[]): Promise<TestPod>;
  startContainer(pod: TestPod, container: TestContainer, attempt: number): Promise<string>;
  close(): Promise<void>;
}

const DEADLINE_MS = 30_000;

export async function until<T>(what: string, look: () => T | undefined | Promise<T | undefined>): Promise<T> {
  const deadline = Date.now() + DEADLINE_MS;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > deadline) throw new Error(`waited ${DEADLINE_MS} ms for ${what}`);
    await sleep(20);
  }
}

export async function startRuntime(): Promise<TestRuntime> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'nodeapi-'));
  const id = path.basename(directory).toLowerCase().slice(-6);
  const namespace = `nodeapi-${id}`;
  const cgroupParent = `/nodeapi-${id}`;
  const undo: (() => Promise<unknown>)[] = [() => rm(directory, { recursive: true, force: true })];
  const close = async (): Promise<void> => {
    for (const step of undo.reverse()) await step();
  };
  try {
    await execute('ip', ['netns', 'add', namespace]);
    undo.push(() => execute('ip', ['netns', 'delete', namespace]));
    // A /30 of 198.18.0.0/15, which is set aside for tests.
    const network = `198.${randomInt(18, 20)}.${randomInt(256)}`;
    const base = randomInt(63) * 4;
    const inside = `${network}.${base + 2}`;
    await execute('ip', ['link', 'add', `na-${id}`, 'type', 'veth', 'peer', 'name', 'host0', 'netns', namespace]);
    await execute('ip', ['address', 'add', `${network}.${base + 1}/30`, 'dev', `na-${id}`]);
    await execute('ip', ['link', 'set', `na-${id}`, 'up']);
    for (const args of [
      ['address', 'add', `${inside}/30`, 'dev', 'host0'],
      ['link', 'set', 'host0', 'up'],
      ['link', 'set', 'lo', 'up'],
    ])
      await execute('ip', ['-n', namespace, ...args]);

    const at = (...names: string[]): string => path.join(directory, ...names);
    await mkdir(at('cni'));
    await writeFile(
      at('cni', '10-test.conflist'),
      JSON.stringify({
        cniVersion: '0.4.0',
        name: 'test',
        plugins: [
          {
            type: 'bridge',
            bridge: 'pods0',
            isGateway: true,
            ipam: { type: 'host-local', dataDir: at('ipam'), ranges: [[{ subnet: '10.99.0.0/24' }]] },
          },
        ],
      }),
    );
    const socket = at('containerd.sock');
    const script = path.resolve(import.meta.dirname, '../../scripts/containerd-config.sh');
    const { stdout: config } = await execute('sh', [script, at('root'), at('state'), socket, at('cni')]);
    await writeFile(
      at('config.toml'),
      config.replace(
        '[plugins."io.containerd.grpc.v1.cri"]\n',
        `[plugins."io.containerd.grpc.v1.cri"]\n  stream_server_address = "${inside}"\n`,
      ),
    );
    const log = openSync(at('containerd.log'), 'a');
    const daemon = spawn('nsenter', [`--net=/run/netns/${namespace}`, 'containerd', '-c', at('config.toml')], {
      stdio: ['ignore', log, log],
    });
    undo.push(() => stop(daemon));
    undo.push(() => removeCgroups(cgroupParent));
    const cri = new CriClient(socket);
    undo.push(async () => cri.close());
    await until('containerd', () =>
      cri.version().then(
        () => true,
        () => undefined,
      ),
    ).catch(async (error: Error) => {
      throw new Error(`${error.message}\n${await readFile(at('containerd.log'), 'utf8')}`);
    });
    undo.push(async () => {
      for (const { id: sandbox } of await cri.listPodSandboxes()) {
        await cri.stopPodSandbox(sandbox);
        await cri.removePodSandbox(sandbox);
      }
    });
    await buildImages(at('images'));
    for (const image of ['pause', 'hello'])
      await execute('ctr', ['-a', socket, '-n', 'k8s.io', 'images', 'import', at('images', `${image}.tar`)]);

    const startContainer = async (
      pod: { sandboxId: string; config: PodSandboxConfig },
      container: TestContainer,
      attempt: number,
    ): Promise<string> => {
      await mkdir(path.join(pod.config.logDirectory, container.name), { recursive: true });
      const made = await cri.createContainer(pod.sandboxId, containerConfig(container, attempt), pod.config);
      await cri.startContainer(made);
      return made;
    };
    return {
      cri,
      startContainer,
      close,
      async startPod(name, containers) {
        const uid = `${name}-uid`;
        const podConfig: PodSandboxConfig = {
          metadata: { name, uid, namespace: 'default', attempt: 0 },
          hostname: name,
          logDirectory: at('logs', name),
          portMappings: [],
          labels: { 'io.kubernetes.pod.uid': uid },
          annotations: {},
          linux: {
            cgroupParent,
            securityContext: sandboxSecurity,
            sysctls: {},
          },
        };
        await mkdir(podConfig.logDirectory, { recursive: true });
        const sandboxId = await cri.runPodSandbox(podConfig, '');
        const status = await cri.podSandboxStatus(sandboxId);
        const started = new Map<string, string>();
        for (const container of containers)
          started.set(container.name, await startContainer({ sandboxId, config: podConfig }, container, 0));
        return { name, uid, sandboxId, ip: status.network?.ip ?? '', config: podConfig, containers: started };
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

const namespaceOptions = { network: 'POD', pid: 'CONTAINER', ipc: 'POD', targetId: '' } as const;
const sandboxSecurity: PodSandboxConfig['linux']['securityContext'] = {
  namespaceOptions,
};

const containerConfig = (container: TestContainer, attempt: number): ContainerConfig => ({
  metadata: { name: container.name, attempt },
  image: { image: HELLO_IMAGE },
  command: container.command,
  args: [],
  workingDir: '/',
  envs: [],
  mounts: [],
  labels: {},
  annotations: {},
  logPath: `${container.name}/${attempt}.log`,
  stdin: container.stdin ?? false,
  stdinOnce: false,
  tty: container.tty ?? false,
  linux: {
    resources: {},
    securityContext: {
      privileged: false,
      namespaceOptions,
      readonlyRootfs: false,
      supplementalGroups: [],
      noNewPrivs: false,
      maskedPaths: [],
      readonlyPaths: [],
    },
  },
});

async function stop(daemon: ChildProcess): Promise<void> {
  if (daemon.exitCode !== null) return;
  const ended = new Promise((resolve) => daemon.once('exit', resolve));
  daemon.kill('SIGTERM');
  await ended;
}

/** Those of the containers went with them; the parent is left in every hierarchy. */
async function removeCgroups(parent: string): Promise<void> {
  const { stdout } = await execute('find', [
    '/sys/fs/cgroup',
    '-maxdepth',
    '3',
    '-type',
    'd',
    '-name',
    parent.slice(1),
  ]);
  for (const found of stdout.split('\n').filter(Boolean))
    await execute('find', [found, '-depth', '-type', 'd', '-delete']);
}

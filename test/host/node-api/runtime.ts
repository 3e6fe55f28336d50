/** Pods created directly through the CRI, without an agent. */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { HELLO_IMAGE } from '../../../agent/images/bundled.ts';
import { CriClient } from '../../../agent/cri/client.ts';
import type { ContainerConfig, PodSandboxConfig } from '../../../agent/cri/types.ts';
import { startContainerd } from '../../support/containerd.ts';

export interface TestContainer {
  readonly name: string;
  readonly command: readonly string[];
  readonly stdin?: boolean;
  readonly stdinOnce?: boolean;
  readonly tty?: boolean;
}

export interface TestPod {
  readonly name: string;
  readonly uid: string;
  readonly sandboxId: string;
  readonly ip: string;
  readonly config: PodSandboxConfig;
  readonly wanted: readonly TestContainer[];
  /** By name. */
  readonly containers: ReadonlyMap<string, string>;
}

export interface TestRuntime extends AsyncDisposable {
  readonly cri: CriClient;
  /** A non-loopback address of this host. */
  readonly hostAddress: string;
  startPod(name: string, containers: readonly TestContainer[]): Promise<TestPod>;
}

export async function startRuntime(): Promise<TestRuntime> {
  const containerd = await startContainerd({ name: 'nodeapi', reachable: true });
  const cri = new CriClient(containerd.socket);
  return {
    cri,
    hostAddress: containerd.hostAddress,
    async startPod(name, containers) {
      const uid = `${name}-uid`;
      const config: PodSandboxConfig = {
        metadata: { name, uid, namespace: 'default', attempt: 0 },
        hostname: name,
        logDirectory: path.join(containerd.directory, 'logs', name),
        portMappings: [],
        labels: { 'io.kubernetes.pod.uid': uid },
        annotations: {},
        linux: { cgroupParent: `/${containerd.cgroupParent}`, securityContext: { namespaceOptions }, sysctls: {} },
      };
      await mkdir(config.logDirectory, { recursive: true });
      const sandboxId = await cri.runPodSandbox(config, '');
      const status = await cri.podSandboxStatus(sandboxId);
      const started = new Map<string, string>();
      for (const container of containers) {
        await mkdir(path.join(config.logDirectory, container.name));
        const id = await cri.createContainer(sandboxId, containerConfig(container), config);
        await cri.startContainer(id);
        started.set(container.name, id);
      }
      return { name, uid, sandboxId, ip: status.network?.ip ?? '', config, wanted: containers, containers: started };
    },
    async [Symbol.asyncDispose]() {
      // The runtime takes the pods' network namespaces down with their sandboxes.
      for (const { id } of await cri.listPodSandboxes()) {
        await cri.stopPodSandbox(id);
        await cri.removePodSandbox(id);
      }
      cri.close();
      await containerd[Symbol.asyncDispose]();
    },
  };
}

const namespaceOptions = { network: 'POD', pid: 'CONTAINER', ipc: 'POD', targetId: '' } as const;

const containerConfig = (container: TestContainer): ContainerConfig => ({
  metadata: { name: container.name, attempt: 0 },
  image: { image: HELLO_IMAGE },
  command: container.command,
  args: [],
  workingDir: '/',
  envs: [],
  mounts: [],
  labels: {},
  annotations: {},
  logPath: `${container.name}/0.log`,
  stdin: container.stdin ?? false,
  stdinOnce: container.stdinOnce ?? false,
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

/** The observed state of a pod in the runtime: sandboxes and containers, newest first. */
import type { IpFamily } from '../../../api/domain/address.ts';
import type { ContainerState, ContainerStatus, PodSandbox, PodSandboxStatus } from '../../cri/types.ts';
import { BACK_OFF, CONTAINER_HASH, CONTAINER_NAME, RESOURCES, RESTART_COUNT, resourcesIn } from '../labels.ts';
import type { ResourceRequirements } from '../../../api/types/core/v1.gen.ts';

export interface ObservedSandbox {
  readonly id: string;
  readonly attempt: number;
  readonly ready: boolean;
  /** Milliseconds since the epoch, as all times here. */
  readonly createdAt: number;
  /** One of each IP family at most, the node's primary one first; none for pods on the host's network. */
  readonly ips: readonly string[];
}

export type ObservedState = 'created' | 'running' | 'exited' | 'unknown';

export interface ObservedContainer {
  readonly id: string;
  readonly name: string;
  readonly sandboxId: string;
  readonly state: ObservedState;
  readonly restartCount: number;
  readonly createdAt: number;
  /** 0 when it never ran. */
  readonly startedAt: number;
  readonly finishedAt: number;
  readonly exitCode: number;
  readonly reason: string;
  /** What the container left as its termination message, or why it could not run. */
  readonly message: string;
  readonly image: string;
  readonly imageId: string;
  readonly hash: string;
  /** See the annotation of this name. */
  readonly backOffSeconds: number;
  /** It was stopped for another one to be started in its place: it has not ended by itself, whatever its exit code. */
  readonly isReplaced?: boolean;
  /**
   * Of before a restart of all of the pod's containers: the one that has asked for it, one that has asked for an earlier one, or another. See
   * `restart-all.ts`.
   */
  readonly former?: 'source' | 'earlier source' | 'other';
  /** Of its spec when it was created; unknown of one that an older agent has created. */
  readonly resources?: ResourceRequirements;
}

export interface PodRuntime {
  readonly sandboxes: readonly ObservedSandbox[];
  readonly containers: readonly ObservedContainer[];
}

export const NOTHING_RUNS: PodRuntime = { sandboxes: [], containers: [] };

const NS_PER_MS = 1_000_000;
const milliseconds = (nanoseconds: number): number => Math.floor(nanoseconds / NS_PER_MS);

const STATES: Readonly<Record<ContainerState, ObservedState>> = {
  CONTAINER_CREATED: 'created',
  CONTAINER_RUNNING: 'running',
  CONTAINER_EXITED: 'exited',
  CONTAINER_UNKNOWN: 'unknown',
};

/**
 * The runtime puts addresses into an order of its own.
 * @param status of ready sandboxes only: others' addresses are not needed
 * @param primary the family of the node's first address
 */
export function observedSandbox(
  sandbox: PodSandbox,
  status: PodSandboxStatus | undefined,
  primary: IpFamily,
): ObservedSandbox {
  const network = status?.network;
  const ips = network?.ip ? [network.ip, ...network.additionalIps.map(({ ip }) => ip)] : [];
  const isPrimary = (ip: string): boolean => ip.includes(':') === (primary === 'IPv6');
  return {
    id: sandbox.id,
    attempt: sandbox.metadata.attempt,
    ready: sandbox.state === 'SANDBOX_READY',
    createdAt: milliseconds(sandbox.createdAt),
    ips: [...ips.filter(isPrimary), ...ips.filter((ip) => !isPrimary(ip))],
  };
}

export function observedContainer(sandboxId: string, status: ContainerStatus, message: string): ObservedContainer {
  const resources = resourcesIn(status.annotations[RESOURCES]);
  return {
    id: status.id,
    name: status.labels[CONTAINER_NAME] ?? status.metadata.name,
    sandboxId,
    state: STATES[status.state],
    restartCount: Number(status.annotations[RESTART_COUNT] ?? status.metadata.attempt),
    createdAt: milliseconds(status.createdAt),
    startedAt: milliseconds(status.startedAt),
    finishedAt: milliseconds(status.finishedAt),
    exitCode: status.exitCode,
    reason: status.reason,
    message,
    image: status.image?.image ?? '',
    imageId: status.imageRef,
    hash: status.annotations[CONTAINER_HASH] ?? '',
    backOffSeconds: Number(status.annotations[BACK_OFF] ?? 0),
    ...(resources && { resources }),
  };
}

/** The current sandbox. */
export const liveSandbox = ({ sandboxes }: PodRuntime): ObservedSandbox | undefined =>
  sandboxes[0]?.ready ? sandboxes[0] : undefined;

/** The newest container of a name; in one sandbox when that is given. */
export const newestContainer = (runtime: PodRuntime, name: string, sandboxId?: string): ObservedContainer | undefined =>
  runtime.containers.find(
    (container) => container.name === name && (sandboxId === undefined || container.sandboxId === sandboxId),
  );

/** Whether it may still run. */
export const isAlive = ({ state }: ObservedContainer): boolean => state === 'running' || state === 'unknown';

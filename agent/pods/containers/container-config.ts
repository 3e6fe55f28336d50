/** The ContainerConfig of a container. Pure. */
import type { ContainerPlacement } from '../../topology/pod-placement.ts';
import type { ContainerConfig, Image, LinuxContainerResources, Mount } from '../../cri/types.ts';
import { containerResources, type ResourceHost } from '../../resources/compute.ts';
import type { DevicesOfContainer } from '../../devices/pod-devices.ts';
import type { ContainerDevice, ContainerMount } from '../../volumes/pod-volumes.ts';
import type { AnyContainer } from '../sync/actions.ts';
import { bytesOf, byteText, decodeUtf8 } from './byte-text.ts';
import { expand } from '../../../api/domain/expansion.ts';
import { containerLogPath } from '../logs/log-paths.ts';
import { containerAnnotations, containerLabels } from '../labels.ts';
import { containerSecurity } from './security-context.ts';
import { configError } from './start-error.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

export interface ContainerInput {
  readonly pod: Pod;
  readonly container: AnyContainer;
  readonly restartCount: number;
  readonly backOffSeconds: number;
  readonly image: Image;
  /** Values may be any bytes. */
  readonly environment: ReadonlyMap<string, Buffer>;
  /** Volumes, and the agent's own files for the container. */
  readonly mounts: readonly ContainerMount[];
  readonly devices?: readonly ContainerDevice[];
  /** What drivers and plugins of devices add; its own variables and mounts come after these, and win. */
  readonly extra?: DevicesOfContainer;
  readonly host: ResourceHost;
  /** Where the node gives CPUs or memory away. */
  readonly placement?: ContainerPlacement;
  readonly targetId?: string;
}

const PROPAGATION = {
  private: 'PROPAGATION_PRIVATE',
  'host-to-container': 'PROPAGATION_HOST_TO_CONTAINER',
  bidirectional: 'PROPAGATION_BIDIRECTIONAL',
} as const;

/** Throws StartError for arguments that are not UTF-8 after expansion. */
export function containerConfig(input: ContainerInput): ContainerConfig {
  const {
    pod,
    container,
    restartCount,
    backOffSeconds,
    image,
    environment,
    mounts,
    devices: own = [],
    extra,
    host,
    targetId,
  } = input;
  const devices = [...(extra?.devices ?? []), ...own];
  const cdiDevices = extra?.cdiDevices ?? [];
  const added = [...(extra?.envs ?? [])].filter(([name]) => !environment.has(name));
  const variables = new Map([...environment].map(([name, value]) => [name, byteText(value)]));
  const expanded = (words: readonly string[] | undefined) => (words ?? []).map((word) => expandWord(word, variables));
  return {
    metadata: { name: container.name, attempt: restartCount },
    image: { image: image.id, userSpecifiedImage: container.image },
    command: expanded(container.command),
    args: expanded(container.args),
    workingDir: container.workingDir ?? '',
    envs: [
      ...added.map(([key, value]) => ({ key, value: Buffer.from(value) })),
      ...[...environment].map(([key, value]) => ({ key, value })),
    ],
    mounts: [
      ...(extra?.mounts ?? []).map((mount) => criMount({ ...mount, propagation: 'private' })),
      ...mounts.map(criMount),
    ],
    ...(devices.length > 0 && { devices }),
    ...(cdiDevices.length > 0 && { CDIDevices: cdiDevices.map((name) => ({ name })) }),
    labels: containerLabels(pod, container),
    annotations: {
      ...Object.fromEntries(extra?.annotations ?? []),
      ...containerAnnotations(pod, container, restartCount, backOffSeconds),
    },
    logPath: containerLogPath(container.name, restartCount),
    stdin: container.stdin ?? false,
    stdinOnce: container.stdinOnce ?? false,
    tty: container.tty ?? false,
    ...(container.lifecycle?.stopSignal && { stopSignal: criSignal(container.lifecycle.stopSignal) }),
    linux: {
      resources: placed(containerResources(pod, container, host), input.placement),
      securityContext: containerSecurity(pod, container, image, targetId),
    },
  };
}

/** The runtime accepts UTF-8 only. */
function expandWord(word: string, variables: ReadonlyMap<string, string>): string {
  if (!word.includes('$')) return word;
  const expanded = decodeUtf8(bytesOf(expand(byteText(word), variables)));
  if (expanded === undefined) throw configError(`${JSON.stringify(word)} refers to a value that is not valid UTF-8`);
  return expanded;
}

const criMount = (mount: ContainerMount): Mount => {
  const { containerPath, hostPath, readonly, propagation, image, imageSubPath } = mount;
  return {
    ...{ containerPath, hostPath, readonly, propagation: PROPAGATION[propagation] },
    ...(image && { image: { image: image.id, userSpecifiedImage: image.reference } }),
    ...(imageSubPath !== undefined && { imageSubPath }),
  };
};

/** A container that has its CPUs for itself has no quota: it would be held up for using what is its own. */
function placed(
  resources: LinuxContainerResources,
  placement: ContainerPlacement | undefined,
): LinuxContainerResources {
  if (!placement) return resources;
  const { cpus, isExclusive, memoryNodes } = placement;
  const { cpuQuota, ...others } = resources;
  return {
    ...others,
    ...(cpuQuota !== undefined && !isExclusive && { cpuQuota }),
    ...(cpus !== undefined && { cpusetCpus: cpus }),
    ...(memoryNodes !== undefined && { cpusetMems: memoryNodes }),
  };
}

/** SIGRTMIN+3 is SIGRTMINPLUS3 in the CRI. */
const criSignal = (signal: string): string => signal.replace('+', 'PLUS').replace(/-(?=\d)/, 'MINUS');

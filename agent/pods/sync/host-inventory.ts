/** All pods on this host, orphaned or not: read back from the runtime, the disk and the cgroups. */
import type { Logger } from '../../../client/logger.ts';
import { POD_UID_LABEL, type CriClient } from '../../cri/client.ts';
import type { Container, PodSandbox } from '../../cri/types.ts';
import type { PodCgroups } from '../../resources/pod-cgroups.ts';
import type { PodDevices } from '../../devices/pod-devices.ts';
import type { PodVolumes } from '../../volumes/pod-volumes.ts';
import { GRACE_PERIOD, POD_NAME, POD_NAMESPACE } from '../labels.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

export interface HostInventoryOptions {
  readonly cri: CriClient;
  readonly volumes: PodVolumes;
  readonly devices: PodDevices;
  readonly cgroups: PodCgroups;
  readonly logger: Logger;
}

interface Known {
  readonly name: string;
  readonly namespace: string;
  graceSeconds: number | undefined;
  /** Changes with the state of each sandbox and container. */
  fingerprint: string;
}

export class HostInventory {
  readonly #options: HostInventoryOptions;
  #pods = new Map<string, Known>();

  constructor(options: HostInventoryOptions) {
    this.#options = options;
  }

  /** Lists everything; returns the UIDs of the pods that have changed since the last time. */
  async list(signal: AbortSignal): Promise<string[]> {
    const { cri } = this.#options;
    const [sandboxes, containers] = await Promise.all([
      cri.listPodSandboxes({}, { signal }),
      cri.listContainers({}, { signal }),
    ]);
    const found = new Map<string, Known>();
    const note = ({ id, state, labels }: PodSandbox | Container): Known | undefined => {
      const uid = labels[POD_UID_LABEL];
      if (uid === undefined) return undefined;
      const pod = found.get(uid) ?? {
        name: labels[POD_NAME] ?? '',
        namespace: labels[POD_NAMESPACE] ?? '',
        graceSeconds: undefined,
        fingerprint: '',
      };
      pod.fingerprint += `${id}=${state};`;
      found.set(uid, pod);
      return pod;
    };
    sandboxes.forEach(note);
    for (const container of containers) {
      const pod = note(container);
      // A sandbox carries the annotations of the pod's author; those of a container are the agent's own.
      const grace = container.annotations[GRACE_PERIOD];
      if (pod && grace !== undefined) pod.graceSeconds = Number(grace);
    }
    const before = this.#pods;
    this.#pods = found;
    return [...new Set([...found.keys(), ...before.keys()])].filter(
      (uid) => found.get(uid)?.fingerprint !== before.get(uid)?.fingerprint,
    );
  }

  /** Whether the runtime had something of the pod at the last listing. */
  runs(uid: string): boolean {
    return this.#pods.has(uid);
  }

  /** Orphaned pods, rebuilt from the runtime's labels. */
  orphans(isKnown: (uid: string) => boolean): Pod[] {
    return [...this.#pods]
      .filter(([uid]) => !isKnown(uid))
      .map(([uid, { name, namespace, graceSeconds }]) => ({
        metadata: { uid, name, namespace },
        spec: { containers: [], terminationGracePeriodSeconds: graceSeconds },
      }));
  }

  /** Removes directories, staged volumes, prepared devices and cgroups of pods that neither run nor have a worker. */
  async removeLeftovers(isKnown: (uid: string) => boolean, signal: AbortSignal): Promise<void> {
    const { volumes, devices, cgroups, logger } = this.#options;
    const isLeft = (uid: string) => !isKnown(uid) && !this.#pods.has(uid);
    const attempt = async (uid: string, remove: () => Promise<void>): Promise<void> => {
      try {
        await remove();
      } catch (error) {
        signal.throwIfAborted();
        logger.warn({ podUID: uid, err: error }, 'failed to clean up orphaned pod');
      }
    };
    for (const uid of (await volumes.podsOnDisk()).filter(isLeft))
      await attempt(uid, () => volumes.tearDown(uid, signal));
    await volumes.unstageUnused(signal);
    for (const uid of (await cgroups.podsWithCgroups()).filter(isLeft)) await cgroups.removePod(uid, signal);
    // At once: a driver that hangs delays the pods of others only.
    const held = devices.podUids().filter(isLeft);
    await Promise.all(held.map((uid) => attempt(uid, () => devices.release(uid, signal))));
  }
}

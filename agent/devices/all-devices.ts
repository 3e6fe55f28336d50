/** The devices of pods, whoever provides them: DRA drivers by way of ResourceClaims, or device plugins by extended resources. */
import type { Container, Pod, ResourceStatus } from '../../api/types/core/v1.gen.ts';
import type { DeviceClaims } from './device-claims.ts';
import type { DeviceResources } from './plugins/device-resources.ts';
import type { DevicesOfContainer, PodDevices } from './pod-devices.ts';

export class AllDevices implements PodDevices {
  readonly #claims: DeviceClaims;
  readonly #resources: DeviceResources;

  constructor(claims: DeviceClaims, resources: DeviceResources) {
    this.#claims = claims;
    this.#resources = resources;
  }

  prepare(pod: Pod, signal: AbortSignal): Promise<void> {
    return this.#claims.prepare(pod, signal);
  }

  /** Where several say something of one name, the last one counts. */
  async devicesOf(pod: Pod, container: Container, signal: AbortSignal): Promise<DevicesOfContainer> {
    const claimed = await this.#claims.cdiDevicesOf(pod, container, signal);
    const answers = await this.#resources.devicesOf(pod, container, signal);
    return {
      cdiDevices: [...claimed, ...answers.flatMap(({ cdiDevices }) => cdiDevices.map(({ name }) => name))],
      envs: new Map(answers.flatMap(({ envs }) => Object.entries(envs))),
      mounts: answers.flatMap(({ mounts }) =>
        mounts.map(({ readOnly, ...paths }) => ({ ...paths, readonly: readOnly })),
      ),
      devices: answers.flatMap(({ devices }) => devices),
      annotations: new Map(answers.flatMap(({ annotations }) => Object.entries(annotations))),
    };
  }

  statusOf(pod: Pod): ReadonlyMap<string, ResourceStatus[]> {
    const all = new Map(this.#claims.statusOf(pod));
    for (const [container, statuses] of this.#resources.statusOf(pod))
      all.set(container, [...(all.get(container) ?? []), ...statuses]);
    return all;
  }

  holds(podUid: string): boolean {
    return this.#claims.holds(podUid) || this.#resources.holds(podUid);
  }

  async release(podUid: string, signal: AbortSignal): Promise<void> {
    await this.#resources.release(podUid);
    await this.#claims.release(podUid, signal);
  }

  podUids(): readonly string[] {
    return [...new Set([...this.#claims.podUids(), ...this.#resources.podUids()])];
  }
}

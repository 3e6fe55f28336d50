/** Observes one pod in the runtime. The status of what cannot change any more is read once. */
import path from 'node:path';
import type { IpFamily } from '../../../api/domain/address.ts';
import type { CriClient } from '../../cri/client.ts';
import { CriError } from '../../cri/rpc-error.ts';
import type { Container, ContainerStatus, PodSandbox } from '../../cri/types.ts';
import { TERMINATION_MESSAGE_POLICY } from '../labels.ts';
import {
  observedContainer,
  observedSandbox,
  type ObservedContainer,
  type ObservedSandbox,
  type PodRuntime,
} from './observed.ts';
import { readLogTail, readTerminationMessage } from '../containers/termination-message.ts';

export class PodObserver {
  readonly #cri: CriClient;
  readonly #podUid: string;
  readonly #podDirectory: string;
  readonly #primary: IpFamily;
  readonly #sandboxes = new Map<string, ObservedSandbox>();
  readonly #containers = new Map<string, ObservedContainer>();

  /** @param primary the IP family that comes first among the pod's addresses */
  constructor(cri: CriClient, podUid: string, podDirectory: string, primary: IpFamily) {
    this.#cri = cri;
    this.#podUid = podUid;
    this.#podDirectory = podDirectory;
    this.#primary = primary;
  }

  /** The cached status of this container may be incomplete: it is read once more. */
  askAgain(containerId: string): void {
    this.#containers.delete(containerId);
  }

  async observe(signal: AbortSignal): Promise<PodRuntime> {
    const filter = { podUid: this.#podUid };
    const [sandboxes, containers] = await Promise.all([
      this.#cri.listPodSandboxes(filter, { signal }),
      this.#cri.listContainers(filter, { signal }),
    ]);
    const [observedSandboxes, observedContainers] = await Promise.all([
      Promise.all(sandboxes.map((sandbox) => this.#sandbox(sandbox, signal))),
      Promise.all(containers.map((container) => this.#container(container, signal))),
    ]);
    forgetOthers(this.#sandboxes, sandboxes);
    forgetOthers(this.#containers, containers);
    return {
      sandboxes: observedSandboxes.sort((a, b) => b.attempt - a.attempt || b.createdAt - a.createdAt),
      containers: observedContainers
        .filter((container) => container !== undefined)
        .sort((a, b) => b.restartCount - a.restartCount || b.createdAt - a.createdAt),
    };
  }

  async #sandbox(sandbox: PodSandbox, signal: AbortSignal): Promise<ObservedSandbox> {
    const known = this.#sandboxes.get(sandbox.id);
    const ready = sandbox.state === 'SANDBOX_READY';
    if (known?.ready === ready) return known;
    const status = ready ? await this.#cri.podSandboxStatus(sandbox.id, { signal }) : undefined;
    const observed = observedSandbox(sandbox, status, this.#primary);
    this.#sandboxes.set(sandbox.id, observed);
    return observed;
  }

  /** Undefined when it has been removed in the meantime. */
  async #container(container: Container, signal: AbortSignal): Promise<ObservedContainer | undefined> {
    const known = this.#containers.get(container.id);
    if (known?.state === 'exited' || (known?.state === 'running' && container.state === 'CONTAINER_RUNNING')) {
      return known;
    }
    try {
      const status = await this.#cri.containerStatus(container.id, { signal });
      const observed = observedContainer(container.podSandboxId, status, await this.#messageOf(status));
      this.#containers.set(container.id, observed);
      return observed;
    } catch (error) {
      if (error instanceof CriError && error.notFound) return undefined;
      throw error;
    }
  }

  async #messageOf(status: ContainerStatus): Promise<string> {
    if (status.state !== 'CONTAINER_EXITED') return '';
    const file = terminationMessageFile(this.#podDirectory, status.metadata.name, status.metadata.attempt);
    const left = await readTerminationMessage(file);
    if (left) return left;
    const policy = status.annotations[TERMINATION_MESSAGE_POLICY];
    if (policy === 'FallbackToLogsOnError' && status.exitCode !== 0) {
      const tail = await readLogTail(status.logPath);
      if (tail) return tail;
    }
    return status.message;
  }
}

/** The file that is mounted at the container's terminationMessagePath. */
export const terminationMessageFile = (podDirectory: string, name: string, restartCount: number): string =>
  path.join(podDirectory, 'containers', name, String(restartCount));

function forgetOthers(known: Map<string, unknown>, present: readonly { readonly id: string }[]): void {
  if (known.size <= present.length) return;
  const ids = new Set(present.map(({ id }) => id));
  for (const id of known.keys()) if (!ids.has(id)) known.delete(id);
}

/** The executors of pods' actions. */
import { rm } from 'node:fs/promises';
import { removeContainer, removeSandbox, stopSandbox } from '../../cri/remove.ts';
import type { Executors } from './actions.ts';
import { startContainer } from '../containers/container-start.ts';
import { StartError } from '../containers/start-error.ts';
import { stopContainer } from '../containers/container-stop.ts';
import type { PodSizes } from '../resize/pod-sizes.ts';
import { resizePod } from '../resize/resize-pod.ts';
import type { PodRuntime } from './observed.ts';
import { terminationMessageFile } from './pod-observer.ts';
import type { PodDependencies } from './pod-dependencies.ts';
import { removeContainerLogs } from '../logs/log-files.ts';
import { createSandbox } from '../sandbox/sandbox-create.ts';
import { podLogDirectory } from '../logs/log-paths.ts';
import type { SourcedPod } from '../sources/pod-source.ts';

/** Executors for one plan, with the pod's spec and what was observed when the plan was made. */
export function podExecutors(
  sourced: SourcedPod,
  runtime: PodRuntime,
  sizes: PodSizes,
  dependencies: PodDependencies,
): Executors {
  const { pod } = sourced;
  const { cri, volumes, devices, policies, cgroups, record } = dependencies;
  const uid = pod.metadata?.uid ?? '';
  return {
    async setUp(_action, signal) {
      try {
        await volumes.setUp(pod, signal);
      } catch (error) {
        signal.throwIfAborted();
        record(pod, 'Warning', 'FailedMount', (error as Error).message);
        throw error;
      }
    },

    async refreshVolumes(_action, signal) {
      try {
        await volumes.refresh(pod, signal);
      } catch (error) {
        signal.throwIfAborted();
        record(pod, 'Warning', 'FailedMount', (error as Error).message);
        throw error;
      }
    },

    // Hooks of the runtime that see the sandbox may look for what the drivers have prepared.
    async createSandbox(action, signal) {
      try {
        await devices.prepare(pod, signal);
      } catch (error) {
        signal.throwIfAborted();
        const message = `Failed to prepare dynamic resources: ${(error as Error).message}`;
        record(pod, 'Warning', 'FailedPrepareDynamicResources', message);
        throw error;
      }
      await createSandbox(pod, action, dependencies, signal);
    },

    // Nothing of the pod runs before the kernel has what policies say of its addresses.
    async startContainer(action, signal) {
      try {
        await policies.protect(sourced, action.podIPs, signal);
      } catch (error) {
        signal.throwIfAborted();
        const { message } = error as Error;
        record(pod, 'Warning', 'NetworkPolicyNotInForce', message, action.container.name);
        throw new StartError('NetworkPolicyNotInForce', message);
      }
      await startContainer(pod, runtime, action, dependencies, signal);
    },

    resize: (action, signal) => resizePod(pod, action, sizes, dependencies, signal),
    stopContainer: (action, signal) => stopContainer(pod, runtime, action, dependencies, signal),

    async removeContainer({ observed }) {
      await removeContainer(cri, observed.id);
      await removeContainerLogs(podLogDirectory(dependencies.sandbox.logDirectory, pod), observed);
      await dependencies.logLinks?.remove(pod, observed.name, observed.id);
      await rm(terminationMessageFile(volumes.podDirectory(uid), observed.name, observed.restartCount), {
        force: true,
      });
    },

    stopSandbox: ({ sandboxId }) => stopSandbox(cri, sandboxId),
    removeSandbox: ({ sandboxId }) => removeSandbox(cri, sandboxId),

    releaseDevices: (_action, signal) => devices.release(uid, signal),

    async tearDown(_action, signal) {
      await volumes.tearDown(uid, signal);
      if (!(await cgroups.removePod(uid, signal))) {
        dependencies.logger.warn({ podUID: uid }, 'failed to remove cgroup of terminated pod: it still has processes');
      }
    },
  };
}

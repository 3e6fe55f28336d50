/** Carries out the actions of pods' plans. */
import { mkdir, readFile, rm } from 'node:fs/promises';
import type { Pod } from '../../../api/core/pod.ts';
import { CriError } from '../../cri/client.ts';
import { removeContainer, removeSandbox, stopSandbox } from '../../cri/remove.ts';
import type { Executors } from './actions.ts';
import { startContainer } from '../containers/container-start.ts';
import { stopContainer } from '../containers/container-stop.ts';
import { parseResolvConf, podDns } from '../sandbox/dns.ts';
import type { PodRuntime } from './observed.ts';
import { terminationMessageFile } from './pod-observer.ts';
import type { PodServices } from './pod-dependencies.ts';
import { removeContainerLogs } from '../logs/log-files.ts';
import { podLogDirectory, sandboxConfig } from '../sandbox/sandbox-config.ts';

const LOG_DIRECTORY_MODE = 0o755;

/** Executors for one plan: of a pod as it is wanted now, and what was observed of it when the plan was made. */
export function podExecutors(pod: Pod, runtime: PodRuntime, services: PodServices): Executors {
  const { cri, volumes, cgroups, record } = services;
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

    async createSandbox({ attempt, replaces }, signal) {
      if (replaces.length > 0) {
        record(pod, 'Normal', 'SandboxChanged', 'Pod sandbox changed, it will be killed and re-created.');
        for (const id of replaces) await stopSandbox(cri, id);
      }
      const [dns] = await Promise.all([
        readFile(services.resolvConf, 'utf8').then((text) => podDns(pod, services.dns, parseResolvConf(text))),
        cgroups.ensurePod(pod),
        mkdir(podLogDirectory(services.sandbox.logDirectory, pod), { recursive: true, mode: LOG_DIRECTORY_MODE }),
      ]);
      await services.starts.run(signal, async () => {
        try {
          const config = sandboxConfig(pod, attempt, cgroups.parentOf(pod), dns, services.sandbox);
          // What has begun is brought to its end: the runtime would be left with half a network.
          await cri.runPodSandbox(config, pod.spec?.runtimeClassName ?? '');
        } catch (error) {
          const message = `Failed to create pod sandbox: ${error instanceof CriError ? error.rpcText : (error as Error).message}`;
          record(pod, 'Warning', 'FailedCreatePodSandBox', message);
          throw error;
        }
      });
    },

    startContainer: (action, signal) => startContainer(pod, runtime, action, services, signal),
    stopContainer: (action, signal) => stopContainer(pod, runtime, action, services, signal),

    async removeContainer({ observed }) {
      await removeContainer(cri, observed.id);
      await removeContainerLogs(podLogDirectory(services.sandbox.logDirectory, pod), observed);
      await services.logLinks?.remove(pod, observed.name, observed.id);
      await rm(terminationMessageFile(volumes.podDirectory(uid), observed.name, observed.restartCount), {
        force: true,
      });
    },

    stopSandbox: ({ sandboxId }) => stopSandbox(cri, sandboxId),
    removeSandbox: ({ sandboxId }) => removeSandbox(cri, sandboxId),

    async tearDown(_action, signal) {
      await volumes.tearDown(uid, signal);
      if (!(await cgroups.removePod(uid, signal))) {
        services.logger.warn({ pod: uid }, 'failed to remove cgroup of terminated pod: it still has processes');
      }
    },
  };
}

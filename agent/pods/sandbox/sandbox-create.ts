/** Creates the sandbox of a pod, after its DNS configuration, its cgroup and its log directory. */
import { mkdir, readFile } from 'node:fs/promises';
import { CriError } from '../../cri/rpc-error.ts';
import { stopSandbox } from '../../cri/remove.ts';
import { LOG_DIRECTORY_MODE, podLogDirectory } from '../logs/log-paths.ts';
import type { ActionOf } from '../sync/actions.ts';
import type { PodDependencies } from '../sync/pod-dependencies.ts';
import { parseResolvConf } from '../../host/resolv-conf.ts';
import { podDns } from './dns.ts';
import { sandboxConfig } from './sandbox-config.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

export async function createSandbox(
  pod: Pod,
  { attempt, replaces }: ActionOf<'createSandbox'>,
  dependencies: PodDependencies,
  signal: AbortSignal,
): Promise<void> {
  const { cri, cgroups, record } = dependencies;
  if (replaces.length > 0) {
    record(pod, 'Normal', 'SandboxChanged', 'Pod sandbox changed, it will be killed and re-created.');
    for (const id of replaces) await stopSandbox(cri, id);
  }
  const [dns] = await Promise.all([
    readFile(dependencies.resolvConf, 'utf8').then((text) => podDns(pod, dependencies.dns, parseResolvConf(text))),
    cgroups.ensurePod(pod),
    mkdir(podLogDirectory(dependencies.sandbox.logDirectory, pod), { recursive: true, mode: LOG_DIRECTORY_MODE }),
  ]);
  await dependencies.starts.run(signal, async () => {
    try {
      const handler = await dependencies.runtimeHandlers.of(pod, signal);
      const config = sandboxConfig(pod, attempt, cgroups.parentOf(pod), dns, dependencies.sandbox);
      // Not abortable: the runtime would be left with half a network.
      await cri.runPodSandbox(config, handler);
    } catch (error) {
      const message = `Failed to create pod sandbox: ${error instanceof CriError ? error.rpcText : (error as Error).message}`;
      record(pod, 'Warning', 'FailedCreatePodSandBox', message);
      throw error;
    }
  });
}

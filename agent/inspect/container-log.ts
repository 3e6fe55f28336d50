/** Reads the log of a container of this host from its file. */
import type { Logger } from '../../client/logger.ts';
import type { Pod } from '../../api/types/core/v1.gen.ts';
import type { AgentConfig } from '../config.ts';
import { CriError } from '../cri/rpc-error.ts';
import { CriNodeRuntime } from '../server/cri-node-runtime.ts';
import { readLog } from '../server/log-reader.ts';
import { CONTAINER_NAME } from '../pods/labels.ts';
import { askAgent } from './local-agent.ts';
import { findLog, type LogFile } from './log-files.ts';
import { podsNamed, type PodName } from './pod-name.ts';
import { withRuntime } from './runtime-pods.ts';

export interface LogRequest {
  readonly pod: PodName;
  readonly container: string | undefined;
  readonly previous: boolean;
  /** Until the container ends. */
  readonly follow: boolean;
  readonly timestamps: boolean;
  readonly tailLines?: number;
  /** In ms since the epoch. */
  readonly sinceMs?: number;
}

/** Yields output as it arrives. Throws HostError when there is no such log. */
export async function logOf(
  config: AgentConfig,
  wanted: LogRequest,
  logger: Logger,
  signal: AbortSignal,
): Promise<AsyncGenerator<Buffer>> {
  const { pod, previous, follow, timestamps, tailLines, sinceMs } = wanted;
  const container = wanted.container ?? (await onlyAppContainer(config, pod, signal));
  const file = await findLog(config.podLogDir, pod, container, previous);
  return readLog({
    path: file.path,
    format: { timestamps, stream: 'All', sinceMs },
    tailLines,
    signal,
    stopped: follow ? () => untilStopped(config, file, logger, signal) : undefined,
  });
}

/** Without the agent nobody knows which containers only prepare the pod for the others; undefined then, and when there are several. */
async function onlyAppContainer(
  config: AgentConfig,
  wanted: PodName,
  signal: AbortSignal,
): Promise<string | undefined> {
  const known = await askAgent<{ items: readonly Pod[] }>(config.dataDir, '/pods', signal);
  if (!known) return undefined;
  const named = known.items.map((pod) => ({
    ...{ namespace: pod.metadata?.namespace ?? '', name: pod.metadata?.name ?? '' },
    containers: pod.spec?.containers ?? [],
  }));
  const [{ containers } = { containers: [] }, another] = podsNamed(named, wanted);
  return !another && containers.length === 1 ? containers[0]?.name : undefined;
}

/** Resolves when the container of the log has ended. Without a runtime that says so, the log is followed until the signal is aborted. */
async function untilStopped(config: AgentConfig, file: LogFile, logger: Logger, signal: AbortSignal): Promise<void> {
  await withRuntime(config, async (cri) => {
    try {
      const containers = await cri.listContainers({ podUid: file.podUid }, { signal });
      const container = containers.find(
        ({ labels, metadata }) => labels[CONTAINER_NAME] === file.container && metadata.attempt === file.attempt,
      );
      if (!container) return;
      await new CriNodeRuntime({ cri, logger }).stopped(container.id, signal);
    } catch (error) {
      if (signal.aborted || !(error instanceof CriError)) throw error;
      await aborted(signal);
    }
  });
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));

/** Runs a command in a container of a pod of this host, by way of the runtime alone. */
import type { Logger } from '../../client/logger.ts';
import type { AgentConfig } from '../config.ts';
import { dropUnreadInput } from '../cri/unread-input.ts';
import { runInContainer, type SessionStreams } from './container-session.ts';
import { theContainer, thePod, type PodName } from './pod-name.ts';
import { podViewsOfRuntime } from './pod-view.ts';
import { runtimeState, withRuntime } from './runtime-pods.ts';

export interface PodCommand {
  readonly pod: PodName;
  readonly container: string | undefined;
  readonly command: readonly string[];
}

/** Resolves with the command's exit code. Throws HostError when no such container runs, and CriError. */
export const execInPod = (
  config: Pick<AgentConfig, 'containerdSocket'>,
  { pod, container, command }: PodCommand,
  streams: SessionStreams,
  logger: Logger,
  signal: AbortSignal,
): Promise<number> =>
  withRuntime(config, async (cri) => {
    const found = thePod(podViewsOfRuntime(await runtimeState(cri, signal)), pod);
    const running = found.containers.filter(({ state }) => state === 'running');
    const name = theContainer(
      `${found.namespace}/${found.name}`,
      running.map((one) => one.name),
      container,
    );
    const id = running.find((one) => one.name === name)?.id ?? '';
    using held = new DisposableStack();
    if (streams.stdin) held.use(dropUnreadInput(cri, id, logger));
    return await runInContainer(cri, id, command, streams, signal);
  });

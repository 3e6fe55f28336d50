/** The node API's view of the runtime, over the CRI. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { StreamOptions } from '../../api/kinds/core/pod-stream-options.ts';
import type { Logger } from '../../client/logger.ts';
import { STREAM_IDLE_MS } from '../../client/upgrade.ts';
import type { CriClient } from '../cri/client.ts';
import { CriError } from '../cri/rpc-error.ts';
import { dropUnreadInput } from '../cri/unread-input.ts';
import type { CommandResult, ContainerLogState, NodeRuntime } from './node-runtime.ts';

/** How often the status of a followed container is polled, as by the kubelet; most of the time there is none. */
const STOPPED_CHECK_MS = 1000;

export interface CriNodeRuntimeOptions {
  readonly cri: Pick<
    CriClient,
    'channel' | 'callContainerd' | 'containerStatus' | 'exec' | 'attach' | 'portForward' | 'execSync'
  >;
  readonly logger: Logger;
}

export class CriNodeRuntime implements NodeRuntime {
  readonly #cri: CriNodeRuntimeOptions['cri'];
  readonly #logger: Logger;

  constructor(options: CriNodeRuntimeOptions) {
    this.#cri = options.cri;
    this.#logger = options.logger;
  }

  async logState(containerId: string, signal: AbortSignal): Promise<ContainerLogState> {
    const { state, logPath } = await this.#cri.containerStatus(containerId, { signal });
    return { logPath, running: state === 'CONTAINER_RUNNING' };
  }

  async stopped(containerId: string, signal: AbortSignal): Promise<void> {
    while (!(await this.#hasStopped(containerId, signal))) {
      await sleep(STOPPED_CHECK_MS, undefined, { signal });
    }
  }

  async #hasStopped(containerId: string, signal: AbortSignal): Promise<boolean> {
    try {
      const { state } = await this.#cri.containerStatus(containerId, { signal });
      // The runtime reports EXITED only after the log has been written completely.
      return state !== 'CONTAINER_RUNNING' && state !== 'CONTAINER_CREATED';
    } catch (error) {
      // An unreachable or slow runtime says nothing about the container: try again.
      if (error instanceof CriError) return error.notFound;
      throw error;
    }
  }

  dropUnreadInput(containerId: string): Disposable {
    return dropUnreadInput(this.#cri, containerId, this.#logger);
  }

  async exec(containerId: string, command: readonly string[], streams: StreamOptions): Promise<URL> {
    return new URL(await this.#cri.exec({ containerId, cmd: command, ...streams }));
  }

  async attach(containerId: string, streams: StreamOptions): Promise<URL> {
    return new URL(await this.#cri.attach({ containerId, ...streams }));
  }

  async portForward(sandboxId: string, ports: readonly number[]): Promise<URL> {
    return new URL(await this.#cri.portForward(sandboxId, ports));
  }

  async run(containerId: string, command: readonly string[], signal: AbortSignal): Promise<CommandResult> {
    const { stdout, stderr, exitCode } = await this.#cri.execSync(containerId, command, STREAM_IDLE_MS / 1000, {
      signal,
    });
    return { output: Buffer.concat([stdout, stderr]), exitCode };
  }
}

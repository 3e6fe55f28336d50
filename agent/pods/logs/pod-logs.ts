/** The logs of this host's pods, from their rotation to their removal, and the links by which collectors find them. */
import { withDeadline } from '../../../client/deadline.ts';
import type { Logger } from '../../../client/logger.ts';
import type { CriClient } from '../../cri/client.ts';
import type { ContainerLogLinks } from './container-log-links.ts';
import { removeOrphanedLogs, removePodLogs } from './log-files.ts';
import { rotateLogs } from './log-rotation.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

export interface PodLogsOptions {
  readonly cri: CriClient;
  /** `/var/log/pods` */
  readonly directory: string;
  readonly links: ContainerLogLinks | undefined;
  readonly logger: Logger;
}

/** A disk that takes longer to remove a pod's logs goes on without anybody waiting. */
const REMOVAL_MS = 10_000;

export class PodLogs {
  readonly #options: PodLogsOptions;

  constructor(options: PodLogsOptions) {
    this.#options = options;
  }

  /** Rotates until told to stop. `logsIn` gives the log files of a directory that are being written. */
  rotate(
    logsIn: (directory: string) => Iterable<{ readonly containerId: string; readonly file: string }>,
    signal: AbortSignal,
  ): Promise<void> {
    const { cri, logger, directory } = this.#options;
    return rotateLogs({ cri, logger, logs: () => logsIn(directory) }, signal);
  }

  /** Never rejects: that logs cannot be removed, or not soon, keeps nobody waiting. */
  async remove(pod: Pod): Promise<void> {
    const { directory, links } = this.#options;
    try {
      await withDeadline({ what: 'the removal of logs', limitMs: REMOVAL_MS }, async () => {
        await removePodLogs(directory, pod);
        await links?.removeDangling(pod);
      });
    } catch (error) {
      this.#stay(pod.metadata?.uid, error as Error);
    }
  }

  async removeOrphaned(isKnown: (podUid: string) => boolean): Promise<void> {
    const { directory, links } = this.#options;
    await removeOrphanedLogs(directory, isKnown, (uid, error) => this.#stay(uid, error));
    await links?.removeDangling();
  }

  #stay(pod: string | undefined, { message: err }: Error): void {
    this.#options.logger.warn({ pod, err }, 'failed to remove pod logs');
  }
}

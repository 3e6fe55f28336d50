/** The logs of this host's pods, from their rotation to their removal, and the links by which collectors find them. */
import { withDeadline } from '../../../client/deadline.ts';
import type { Logger } from '../../../client/logger.ts';
import type { CriClient } from '../../cri/client.ts';
import type { ContainerLogLinks } from './container-log-links.ts';
import { removeOrphanedLogs, removePodLogs } from './log-files.ts';
import { rotateLogs } from './log-rotation.ts';
import { podFields } from '../log-fields.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

export interface PodLogsOptions {
  readonly cri: CriClient;
  /** `/var/log/pods` */
  readonly directory: string;
  readonly links: ContainerLogLinks | undefined;
  readonly logger: Logger;
}

/** A removal that takes longer continues in the background. */
const REMOVAL_MS = 10_000;

export class PodLogs {
  readonly #options: PodLogsOptions;

  constructor(options: PodLogsOptions) {
    this.#options = options;
  }

  /** Rotates until the signal is aborted. `logsIn` returns the log files of a directory that are being written. */
  rotate(
    logsIn: (directory: string) => Iterable<{ readonly containerId: string; readonly file: string }>,
    signal: AbortSignal,
  ): Promise<void> {
    const { cri, logger, directory } = this.#options;
    return rotateLogs({ cri, logger, logs: () => logsIn(directory) }, signal);
  }

  /** Never rejects: logs that cannot be removed now do not block the removal of the pod. */
  async remove(pod: Pod): Promise<void> {
    const { directory, links } = this.#options;
    try {
      await withDeadline({ what: 'the removal of logs', limitMs: REMOVAL_MS }, async () => {
        await removePodLogs(directory, pod);
        await links?.removeDangling(pod);
      });
    } catch (error) {
      this.#failed(podFields(pod), error);
    }
  }

  async removeOrphaned(isKnown: (podUid: string) => boolean): Promise<void> {
    const { directory, links } = this.#options;
    await removeOrphanedLogs(directory, isKnown, (podUID, error) => this.#failed({ podUID }, error));
    await links?.removeDangling();
  }

  #failed(fields: object, error: unknown): void {
    this.#options.logger.warn({ ...fields, err: error }, 'failed to remove pod logs');
  }
}

/**
 * Mounts of the contents of images, for image volumes on runtimes whose CRI cannot mount them: a read-only view of the image's
 * snapshot, through containerd's own service, as containerd does it from 2.1 on.
 */
import { mkdir } from 'node:fs/promises';
import descriptor from '../../proto/containerd-snapshots-v1.json' with { type: 'json' };
import type { CriClient } from '../cri/client.ts';
import { CRI_NAMESPACE } from '../cri/events.ts';
import { CriError, status } from '../cri/rpc-error.ts';
import { loadProto } from '../cri/service.ts';
import { mountSnapshot, readMounts, type SnapshotMount } from '../host/mounts.ts';

/** Keeps containerd's garbage collection from what has it. */
const ROOT_LABEL = 'containerd.io/gc.root';

const DIRECTORY_MODE = 0o750;

type Runtime = Pick<CriClient, 'callContainerd' | 'chainIdOf' | 'mountsImages' | 'snapshotter'>;

/** A view of a snapshot in containerd. */
export interface SnapshotView {
  readonly snapshotter: string;
  /** Names it among all of the snapshotter. */
  readonly key: string;
}

export class ImageMounts {
  readonly #cri: Runtime;
  readonly #snapshots = loadProto(descriptor).service('containerd.services.snapshots.v1.Snapshots');

  constructor(cri: Runtime) {
    this.#cri = cri;
  }

  /** The snapshotter to mount images from; undefined where the runtime mounts them by itself. */
  async snapshotter(signal: AbortSignal): Promise<string | undefined> {
    return (await this.#cri.mountsImages({ signal })) ? undefined : this.#cri.snapshotter({ signal });
  }

  /**
   * Mounts the content of an image that is on this host at `target`, read-only. Does nothing when something is mounted there. Throws
   * CriError or ProgramError.
   */
  async mount(view: SnapshotView, image: string, target: string, signal: AbortSignal): Promise<void> {
    if ((await readMounts()).some(({ mountPoint }) => mountPoint === target)) return;
    const parent = await this.#cri.chainIdOf(image, { signal });
    // One that a former agent has made and not mounted may be of another image.
    await this.remove(view, signal);
    const { snapshotter, key } = view;
    const labels = { [ROOT_LABEL]: new Date().toISOString() };
    const { mounts } = await this.#call<{ mounts: SnapshotMount[] }>(
      'View',
      { snapshotter, key, parent, labels },
      signal,
    );
    const [mount] = mounts;
    if (mount === undefined || mounts.length > 1)
      throw new Error(`snapshotter ${snapshotter} shows image ${image} by ${mounts.length} mounts`);
    await mkdir(target, { recursive: true, mode: DIRECTORY_MODE });
    await mountSnapshot(mount, target, signal);
  }

  /** Removes the view; what it shows must not be mounted any more. Resolves also when there is no such view. */
  async remove({ snapshotter, key }: SnapshotView, signal: AbortSignal): Promise<void> {
    try {
      await this.#call('Remove', { snapshotter, key }, signal);
    } catch (error) {
      if (!(error instanceof CriError) || error.code !== status.NOT_FOUND) throw error;
    }
  }

  #call<T>(name: string, request: object, signal: AbortSignal): Promise<T> {
    return this.#cri.callContainerd<T>(this.#snapshots, name, request, CRI_NAMESPACE, { signal });
  }
}

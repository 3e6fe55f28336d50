/**
 * How the node and the attach/detach controller agree on volumes: the node says in `status.volumesInUse` what must not be detached from
 * it, before it uses a volume and until it has unstaged it; the controller says in `status.volumesAttached` what is attached.
 */
import { attachedName, attachmentName } from '../../../api/domain/csi-attachment.ts';
import type { Node } from '../../../api/types/core/v1.gen.ts';
import type { VolumeAttachment } from '../../../api/types/storage/v1.gen.ts';
import type { ApiClient } from '../../../client/api-client.ts';
import { volumeAttachments } from '../../../client/resources.gen.ts';
import type { CsiVolume } from './csi-volume.ts';

export interface AttachmentsOptions {
  readonly client: ApiClient;
  readonly nodeName: string;
}

export class Attachments {
  readonly #options: AttachmentsOptions;
  readonly #inUse = new Set<string>();
  /** Those that the api-server has in the Node's status, and that no report since has left out. */
  readonly #confirmed = new Set<string>();
  #attached: ReadonlySet<string> = new Set();
  readonly #waiting = new Set<() => void>();
  readonly #listeners: (() => void)[] = [];

  constructor(options: AttachmentsOptions) {
    this.#options = options;
  }

  /** Calls back when what is in use has changed: the Node's status is to be written. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }

  /** For a report of the Node's status, of which one is sent after the other; sorted. */
  report(): string[] {
    for (const name of this.#confirmed) if (!this.#inUse.has(name)) this.#confirmed.delete(name);
    return [...this.#inUse].sort();
  }

  /** A report with these names has succeeded, and the Node that it made has been seen. */
  reported(names: readonly string[]): void {
    for (const name of names) this.#confirmed.add(name);
    this.#look();
  }

  /** The Node as the api-server has it; never an older one than before. */
  seeNode({ status }: Node): void {
    this.#attached = new Set((status?.volumesAttached ?? []).map(({ name }) => name));
    this.#look();
  }

  #look(): void {
    for (const look of [...this.#waiting]) look();
  }

  /** What an agent before this one has staged. */
  adopt(volumes: Iterable<CsiVolume>): void {
    for (const volume of volumes) if (volume.isAttached) this.#inUse.add(attachedName(volume));
  }

  /** Resolves when the volume is attached, and the control plane knows that it is in use. */
  async acquire(volume: CsiVolume, signal: AbortSignal): Promise<void> {
    if (!volume.isAttached) return;
    const name = attachedName(volume);
    if (!this.#inUse.has(name)) {
      this.#inUse.add(name);
      this.#changed();
    }
    // The controller detaches only what it does not find in use after it has said that it is not attached.
    await this.#until(() => this.#confirmed.has(name) && this.#attached.has(name), signal);
  }

  /** It may be detached. */
  release(volume: CsiVolume): void {
    if (this.#inUse.delete(attachedName(volume))) this.#changed();
  }

  /** What the driver's controller has to tell its node service. Throws when the volume is not attached. */
  async publishContext(volume: CsiVolume, signal: AbortSignal): Promise<Readonly<Record<string, string>>> {
    if (!volume.isAttached) return {};
    const { client, nodeName } = this.#options;
    const { status } = await client.get<VolumeAttachment>(volumeAttachments, '', attachmentName(volume, nodeName), {
      signal,
    });
    if (status?.attached) return status.attachmentMetadata ?? {};
    const why = status?.attachError?.message;
    throw new Error(`volume attachment is not attached yet${why ? `: ${why}` : ''}`);
  }

  #until(holds: () => boolean, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (): void => {
        this.#waiting.delete(look);
        signal.removeEventListener('abort', abandon);
      };
      const look = (): void => {
        if (!holds()) return;
        end();
        resolve();
      };
      const abandon = (): void => {
        end();
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', abandon, { once: true });
      this.#waiting.add(look);
      if (signal.aborted) abandon();
      else look();
    });
  }
}

/** Which version of an object a controller has written last: an older one in its cache says less than has been done. */
import type { KubeObject } from '../../../api/machinery/kind.ts';
import { isOlder } from '../../../api/machinery/resource-version.ts';

export class WrittenVersions {
  /** By uid. */
  readonly #versions = new Map<string, string>();

  wrote({ metadata }: KubeObject): void {
    this.#versions.set(metadata?.uid ?? '', metadata?.resourceVersion ?? '');
  }

  /** The event of what was written is still to come, and wakes the controller again. */
  isBehind({ metadata }: KubeObject): boolean {
    const written = this.#versions.get(metadata?.uid ?? '');
    return written !== undefined && isOlder(metadata?.resourceVersion ?? '', written);
  }

  /** The object is gone, or nothing will be written any more. */
  forget({ metadata }: KubeObject): void {
    this.#versions.delete(metadata?.uid ?? '');
  }
}

/** One object that follows the server. */
import { signal, type Signal } from '@preact/signals';
import type { KubeObject } from '../model/object.ts';
import { apiPath, type ResourceName } from '../model/route.ts';
import { follow, type FollowState } from './follow.ts';
import { ApiError, call } from './request.ts';

interface ObjectList {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: { readonly resourceVersion?: string };
  readonly items?: readonly KubeObject[];
}

export class LiveObject {
  readonly object: Signal<KubeObject | undefined> = signal(undefined);
  readonly isDeleted = signal(false);
  readonly state: Signal<FollowState> = signal({ kind: 'loading' });
  readonly #closing = new AbortController();

  constructor(which: ResourceName, namespace: string, name: string) {
    const path = apiPath(which, namespace);
    const selectors = { fieldSelector: `metadata.name=${name}` };
    void follow<KubeObject>(
      {
        path,
        selectors,
        read: async (ending) => {
          // A list of one: the revision of the object itself may be too old to watch from.
          const list = await call<ObjectList>(path, { query: selectors, signal: ending });
          const [object] = list.items ?? [];
          if (!object) throw new ApiError(`${which.resource} "${name}" not found`, 404);
          // Items of lists need not say what they are.
          this.object.value = { apiVersion: list.apiVersion, kind: list.kind?.replace(/List$/, ''), ...object };
          this.isDeleted.value = false;
          return list.metadata?.resourceVersion ?? '';
        },
        change: ({ type, object }) => {
          if (type === 'DELETED') this.isDeleted.value = true;
          else if (type !== 'BOOKMARK') {
            this.isDeleted.value = false;
            this.object.value = object;
          }
          return object.metadata?.resourceVersion ?? '';
        },
        tell: (state) => (this.state.value = state),
      },
      this.#closing.signal,
    );
  }

  close(): void {
    this.#closing.abort();
  }
}

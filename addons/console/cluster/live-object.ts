/** One object that follows the server. */
import { signal, type Signal } from '@preact/signals';
import type { KubeObject } from '../model/object.ts';
import { apiPath, type ResourceName } from '../model/route.ts';
import { follow, type FollowState } from './follow.ts';
import { call } from './request.ts';

export class LiveObject {
  readonly object: Signal<KubeObject | undefined> = signal(undefined);
  readonly isDeleted = signal(false);
  readonly state: Signal<FollowState> = signal({ kind: 'loading' });
  readonly #closing = new AbortController();

  constructor(which: ResourceName, namespace: string, name: string) {
    const path = apiPath(which, namespace, name);
    void follow<KubeObject>(
      {
        path: apiPath(which, namespace),
        selectors: { fieldSelector: `metadata.name=${name}` },
        read: async (ending) => {
          const object = await call<KubeObject>(path, { signal: ending });
          this.object.value = object;
          this.isDeleted.value = false;
          return object.metadata?.resourceVersion ?? '';
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

/** How events reach the work queue of a controller. */
import type { InformerHandlers } from '../../../client/informer.ts';

/** The work queue, as far as those may use it who wake a controller. */
export interface KeyQueue {
  add(key: string): void;
  /** Of several such calls for a key the earliest counts. */
  addAfter(key: string, ms: number): void;
}

/** What events come from; an informer is one. */
export interface EventSource<S> {
  hasSynced(): Promise<void>;
  addHandlers(handlers: InformerHandlers<S>): () => void;
}

/** Calls a handler; the runner's keeps what it throws from the other handlers of the event. */
export type Guard = (handle: () => void) => void;

/** Handlers that can be attached to their source; made by `watch`. */
export interface Watch {
  hasSynced(): Promise<void>;
  attach(guard: Guard): void;
}

export const watch = <S>(source: EventSource<S>, handlers: InformerHandlers<S>): Watch => ({
  hasSynced: () => source.hasSynced(),
  attach: (guard) => {
    source.addHandlers({
      onAdd: (item, key) => guard(() => handlers.onAdd?.(item, key)),
      onUpdate: (old, item, key) => guard(() => handlers.onUpdate?.(old, item, key)),
      onDelete: (item, key) => guard(() => handlers.onDelete?.(item, key)),
      onSynced: () => guard(() => handlers.onSynced?.()),
    });
  },
});

/**
 * Each event wakes the controller for the object that it is about.
 * @param forget what is remembered of an object that has been deleted
 */
export const ownKeys = <S>(queue: KeyQueue, forget?: (item: S, key: string) => void): InformerHandlers<S> => ({
  onAdd: (_, key) => queue.add(key),
  onUpdate: (_old, _new, key) => queue.add(key),
  onDelete: (item, key) => {
    forget?.(item, key);
    queue.add(key);
  },
});

/**
 * The API for the api-server's own parts (authorizers, admission, bootstrap, token issuing): reads from the cache and writes
 * through the write path, without HTTP, authentication or authorization.
 */
import type { Kind, KubeObject } from '../../../api/machinery/kind.ts';
import type { DeleteOptions } from '../../../api/types/meta/v1.gen.ts';

export interface LocalApi {
  /** Decoded by each call: the caller may change it. `namespace` is '' for cluster-scoped kinds. */
  get<T extends KubeObject>(kind: Kind<T>, namespace: string, name: string): T | undefined;
  has(kind: Kind, namespace: string, name: string): boolean;
  /** All objects of a kind; restricted to `namespace` unless it is ''. */
  list<T extends KubeObject>(kind: Kind<T>, namespace?: string): T[];
  /** Those that `list` would return now, each decoded when it is asked for. */
  each<T extends KubeObject>(kind: Kind<T>, namespace: string): Iterable<T>;
  count(kind: Kind, namespace: string): number;
  /** Waits until reads show the acknowledged writes of other servers; undefined when they do. Rejects with a 504 StatusError. */
  fresh(): Promise<void> | undefined;
  /** Runs defaulting, validation and the store, but no admission. Throws StatusError. */
  create<T extends KubeObject>(kind: Kind<T>, object: T): Promise<T>;
  update<T extends KubeObject>(kind: Kind<T>, object: T): Promise<T>;
  updateStatus<T extends KubeObject>(kind: Kind<T>, object: T): Promise<T>;
  delete(kind: Kind, namespace: string, name: string, options?: DeleteOptions): Promise<void>;
  /**
   * Replays every object, then reports each change (`object` is undefined after a delete), in the event-loop turn in which
   * readers of the cache see it. The objects are shared and must not be changed. An object just written by this server may
   * lack its resourceVersion.
   */
  subscribe<T extends KubeObject>(kind: Kind<T>, onChange: (change: LocalChange<T>) => void): void;
}

export interface LocalChange<T> {
  readonly namespace: string;
  readonly name: string;
  readonly object: T | undefined;
}

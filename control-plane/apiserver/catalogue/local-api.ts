/**
 * The API as the api-server's own parts use it (authorizers, admission, bootstrap, token issuing): straight to the cache and
 * the write path, without HTTP, authentication or authorization.
 */
import type { Kind, KubeObject } from '../../../api/machinery/kind.ts';
import type { DeleteOptions } from '../../../api/types/meta/v1.gen.ts';

export interface LocalApi {
  /** Decoded afresh at each call: yours to change. `namespace` is '' for kinds of the cluster. */
  get<T extends KubeObject>(kind: Kind<T>, namespace: string, name: string): T | undefined;
  has(kind: Kind, namespace: string, name: string): boolean;
  /** All of a kind, in one namespace when `namespace` is not ''. */
  list<T extends KubeObject>(kind: Kind<T>, namespace?: string): T[];
  /** Runs defaulting, validation and the store, but no admission. Throws StatusError. */
  create<T extends KubeObject>(kind: Kind<T>, object: T): Promise<T>;
  update<T extends KubeObject>(kind: Kind<T>, object: T): Promise<T>;
  updateStatus<T extends KubeObject>(kind: Kind<T>, object: T): Promise<T>;
  delete(kind: Kind, namespace: string, name: string, options?: DeleteOptions): Promise<void>;
  /**
   * Calls back with every object that there is, then with each change (`object` is undefined after a delete), on the same
   * turn in which readers of the cache see it. The objects are shared: not to be changed. One that was just written here
   * may lack its resourceVersion.
   */
  subscribe<T extends KubeObject>(kind: Kind<T>, onChange: (change: LocalChange<T>) => void): void;
}

export interface LocalChange<T> {
  readonly namespace: string;
  readonly name: string;
  readonly object: T | undefined;
}

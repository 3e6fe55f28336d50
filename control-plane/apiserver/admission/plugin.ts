import type { Kind, KubeObject } from '../../../api/machinery/kind.ts';
import type { User } from '../http/user.ts';

/** What admission decides about: upstream's `admission.Attributes`. */
export interface AdmissionRequest {
  readonly operation: 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT';
  /** Of the resource that the URL names; what `object` is of may differ where there is a subresource. */
  readonly kind: Kind;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  /**
   * The object to be stored, for `scale` the Scale of it, the body of an action (Binding, Eviction, TokenRequest), or the options of a
   * connection (PodExecOptions); a mutating plugin changes it in place. Undefined for a delete.
   */
  readonly object: KubeObject | undefined;
  /** Of the same kind as `object`. */
  readonly old: KubeObject | undefined;
  readonly user: User;
  readonly dryRun: boolean;
  /** Adds a `Warning` header to the answer. */
  readonly warn: (message: string) => void;
}

/** A step of admission. Throws a StatusError (mostly 403 Forbidden) to refuse the request. */
export interface AdmissionPlugin {
  readonly name: string;
  /** Changes the object. Runs before every `validate`. */
  readonly mutate?: (request: AdmissionRequest) => void | Promise<void>;
  readonly validate?: (request: AdmissionRequest) => void | Promise<void>;
}

/** Runs one step of each plugin, in their order. */
export async function admit(
  plugins: readonly AdmissionPlugin[],
  step: 'mutate' | 'validate',
  request: AdmissionRequest,
): Promise<void> {
  for (const plugin of plugins) {
    const pending = plugin[step]?.(request);
    if (pending) await pending;
  }
}

import type { Kind, KubeObject } from '../../../api/machinery/kind.ts';
import type { DeleteOptions } from '../../../api/types/meta/v1.gen.ts';
import type { Exchange } from '../http/exchange.ts';
import type { User } from '../http/user.ts';

/** The kind of `object`, where it is not that of the resource: Scale, Eviction, PodExecOptions. Options cannot be decoded. */
export type ObjectKind = Pick<Kind, 'group' | 'version' | 'kind'> &
  Partial<Pick<Kind, 'decode' | 'applyDefaults' | 'schema'>>;

/** What admission may know of the client's request. */
export type AdmissionOrigin = Pick<Exchange, 'info' | 'gone' | 'annotate'>;

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
  /** Absent: `kind`. */
  readonly objectKind?: ObjectKind | undefined;
  /** Absent where no client has made the request. */
  readonly origin?: AdmissionOrigin | undefined;
  /** Of a delete. */
  readonly deleteOptions?: DeleteOptions | undefined;
  /** Adds a `Warning` header to the answer. */
  readonly warn: (message: string) => void;
}

export const REINVOKE = Symbol('reinvoke');
export type Mutation = void | typeof REINVOKE;

/** A step of admission. Throws a StatusError (mostly 403 Forbidden) to refuse the request. */
export interface AdmissionPlugin {
  readonly name: string;
  /**
   * Changes the object. Runs before every `validate`. Returns REINVOKE when the plugins before it should see the change: then every
   * `mutate` runs once more, with `again` set, as upstream's `NewReinvocationHandler` has it.
   */
  readonly mutate?: (request: AdmissionRequest, again?: boolean) => Mutation | Promise<Mutation>;
  readonly validate?: (request: AdmissionRequest) => void | Promise<void>;
}

/** Runs one step of each plugin, in their order. */
export async function admit(
  plugins: readonly AdmissionPlugin[],
  step: 'mutate' | 'validate',
  request: AdmissionRequest,
): Promise<void> {
  const changed = await runOnce(plugins, step, request, false);
  if (changed) await runOnce(plugins, step, request, true);
}

async function runOnce(
  plugins: readonly AdmissionPlugin[],
  step: 'mutate' | 'validate',
  request: AdmissionRequest,
  again: boolean,
): Promise<boolean> {
  let changed = false;
  for (const plugin of plugins) {
    const pending = plugin[step]?.(request, again);
    if (pending && (pending === REINVOKE || (await pending) === REINVOKE)) changed = true;
  }
  return changed;
}

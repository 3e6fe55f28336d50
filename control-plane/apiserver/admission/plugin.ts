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
  /**
   * To be called before somebody outside of the server is asked: from then on other writes of the object do not wait for this one. Whoever is
   * asked may make them. Absent where nothing waits.
   */
  readonly letOthersWrite?: (() => void) | undefined;
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

export type AdmissionStep = 'mutate' | 'validate';

/** Notes how long a plugin or a whole step has taken, and whether it has rejected the request. */
export interface AdmissionTimings {
  plugin(
    plugin: AdmissionPlugin,
    step: AdmissionStep,
    request: AdmissionRequest,
    seconds: number,
    rejected: boolean,
  ): void;
  step(step: AdmissionStep, request: AdmissionRequest, seconds: number, rejected: boolean): void;
}

/** The plugins that a request passes, in their order. */
export interface AdmissionChain {
  readonly plugins: readonly AdmissionPlugin[];
  readonly timings?: AdmissionTimings | undefined;
}

export const NO_ADMISSION: AdmissionChain = { plugins: [] };

/** Runs one step of each plugin, in their order. */
export async function admit(chain: AdmissionChain, step: AdmissionStep, request: AdmissionRequest): Promise<void> {
  const { plugins, timings } = chain;
  if (plugins.length === 0) return;
  const startedAt = performance.now();
  let rejected = true;
  try {
    const changed = await runOnce(chain, step, request, false);
    if (changed) await runOnce(chain, step, request, true);
    rejected = false;
  } finally {
    timings?.step(step, request, secondsSince(startedAt), rejected);
  }
}

async function runOnce(
  { plugins, timings }: AdmissionChain,
  step: AdmissionStep,
  request: AdmissionRequest,
  again: boolean,
): Promise<boolean> {
  let changed = false;
  let startedAt = performance.now();
  for (const plugin of plugins) {
    if (!plugin[step]) continue;
    let rejected = true;
    try {
      const pending = plugin[step](request, again);
      if (pending && (pending === REINVOKE || (await pending) === REINVOKE)) changed = true;
      rejected = false;
    } finally {
      if (timings) {
        const now = performance.now();
        timings.plugin(plugin, step, request, (now - startedAt) / 1000, rejected);
        startedAt = now;
      }
    }
  }
  return changed;
}

const secondsSince = (then: number): number => (performance.now() - then) / 1000;

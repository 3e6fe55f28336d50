import type { Kind, KubeObject } from '../../../api/machinery/kind.ts';
import type { DeleteOptions } from '../../../api/types/meta/v1.gen.ts';
import type { Span } from '../../../daemon/tracing/span.ts';
import type { Exchange } from '../http/exchange.ts';
import type { User } from '../http/user.ts';

/** The kind of `object`, where it is not that of the resource: Scale, Eviction, PodExecOptions. Options cannot be decoded. */
export type ObjectKind = Pick<Kind, 'group' | 'version' | 'kind'> &
  Partial<Pick<Kind, 'decode' | 'applyDefaults' | 'schema'>>;

/** What admission may know of the client's request. */
export type AdmissionOrigin = Pick<Exchange, 'info' | 'gone' | 'annotate' | 'awaited' | 'span'>;

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

const STEP_SPANS: Readonly<Record<AdmissionStep, string>> = { mutate: 'Admit', validate: 'Validate' };

/** What `admit` runs, about what, and how long it takes. One plugin begins when the one before it has ended: the clock is read once for each. */
class Run {
  readonly step: AdmissionStep;
  readonly request: AdmissionRequest;
  /** Whether the plugins run once more, as one of them has asked for. */
  again = false;
  readonly #timings: AdmissionTimings | undefined;
  readonly #span: Span | undefined;
  readonly #startedAt = performance.now();
  #since = this.#startedAt;

  constructor(step: AdmissionStep, request: AdmissionRequest, timings: AdmissionTimings | undefined) {
    this.step = step;
    this.request = request;
    this.#timings = timings;
    this.#span = request.origin?.span?.child(STEP_SPANS[step]);
  }

  ended(plugin: AdmissionPlugin, rejected: boolean): void {
    if (!this.#timings) return;
    const now = performance.now();
    this.#timings.plugin(plugin, this.step, this.request, (now - this.#since) / 1000, rejected);
    this.#since = now;
  }

  end(rejected: boolean): void {
    this.#timings?.step(this.step, this.request, (performance.now() - this.#startedAt) / 1000, rejected);
    this.#span?.end(rejected ? 'rejected' : undefined);
  }
}

/**
 * Runs one step of each plugin, in their order. Each write passes dozens of plugins, of which most are synchronous: a promise is returned
 * only where one of the others has to be waited for.
 */
export function admit(
  { plugins, timings }: AdmissionChain,
  step: AdmissionStep,
  request: AdmissionRequest,
): void | Promise<void> {
  if (plugins.length === 0) return;
  const run = new Run(step, request, timings);
  try {
    const pending = runTwice(plugins, run);
    if (pending) return ended(pending, run);
  } catch (error) {
    run.end(true);
    throw error;
  }
  run.end(false);
}

async function ended(pending: Promise<void>, run: Run): Promise<void> {
  let rejected = true;
  try {
    await pending;
    rejected = false;
  } finally {
    run.end(rejected);
  }
}

/** Once, and again where one of the plugins wants the others to see its change. */
function runTwice(plugins: readonly AdmissionPlugin[], run: Run): void | Promise<void> {
  const runAgain = (changed: boolean): void | Promise<void> => {
    if (!changed) return;
    run.again = true;
    const pending = runAll(plugins, run);
    if (pending instanceof Promise) return pending.then(() => undefined);
  };
  const changed = runAll(plugins, run);
  return changed instanceof Promise ? changed.then(runAgain) : runAgain(changed);
}

/** Whether one of the plugins wants the others to see its change. */
function runAll(plugins: readonly AdmissionPlugin[], run: Run): boolean | Promise<boolean> {
  let changed = false;
  for (let index = 0; index < plugins.length; index++) {
    const plugin = plugins[index];
    if (!plugin?.[run.step]) continue;
    const mutation = runOne(plugin, run);
    if (mutation instanceof Promise) return runRest(changed, mutation, plugins.slice(index + 1), run);
    if (mutation === REINVOKE) changed = true;
  }
  return changed;
}

async function runRest(
  changed: boolean,
  pending: Promise<Mutation>,
  plugins: readonly AdmissionPlugin[],
  run: Run,
): Promise<boolean> {
  const mutation = await pending;
  const rest = await runAll(plugins, run);
  return changed || mutation === REINVOKE || rest;
}

function runOne(plugin: AdmissionPlugin, run: Run): Mutation | Promise<Mutation> {
  let mutation: Mutation | Promise<Mutation>;
  try {
    mutation = plugin[run.step]?.(run.request, run.again);
  } catch (error) {
    run.ended(plugin, true);
    throw error;
  }
  if (mutation instanceof Promise) return settled(mutation, plugin, run);
  run.ended(plugin, false);
  return mutation;
}

async function settled(pending: Promise<Mutation>, plugin: AdmissionPlugin, run: Run): Promise<Mutation> {
  let rejected = true;
  try {
    const mutation = await pending;
    rejected = false;
    return mutation;
  } finally {
    run.ended(plugin, rejected);
  }
}

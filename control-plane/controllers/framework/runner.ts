/** Runs controllers: their informers, their work queues, and what is logged and counted about them. */
import { StatusError, isConflict } from '../../../api/machinery/status-error.ts';
import type { ApiClient } from '../../../client/api-client.ts';
import { ConnectionError } from '../../../client/connection-error.ts';
import { EventRecorder } from '../../../client/event-recorder.ts';
import type { Logger } from '../../../client/logger.ts';
import { logFailure } from '../../../client/outage.ts';
import { WorkQueue } from '../../../client/work-queue.ts';
import type { Controller, ControllerContext, ControllerDescriptor } from './controller.ts';
import { InformerFactory } from './informer-factory.ts';
import { isRefusal } from './outcomes.ts';
import { QueueMetrics } from './queue-metrics.ts';
import type { Guard } from './watch.ts';

/** pino's loggers are such. */
export interface ParentLogger extends Logger {
  child(fields: { readonly controller: string }): Logger;
}

export interface RunnerOptions {
  readonly client: ApiClient;
  readonly logger: ParentLogger;
  readonly signal: AbortSignal;
  /** Called with what returns the metrics of these controllers, in Prometheus' text format. */
  readonly onMetrics?: (metrics: () => string) => void;
}

/** A key that keeps being refused is logged at first, and then when its backoff has grown to this: at most once per minute. */
const REFUSAL_REPEAT_MS = 60_000;

/** What a controller has done so far; logged when it stops. */
interface ControllerCounts {
  reconciles: number;
  /** Of these, those that failed and were tried again. */
  failures: number;
  /** Events whose handler threw. */
  handlerErrors: number;
}

/**
 * Runs the controllers until the signal is aborted; resolves when all have stopped. Rejects, and stops the others, when one fails
 * as a whole; a failure of one key or handler is no such failure.
 */
export async function runDescriptors(
  descriptors: readonly ControllerDescriptor[],
  { client, logger, ...options }: RunnerOptions,
): Promise<void> {
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const informers = new InformerFactory({ client, logger });
  const metrics = new QueueMetrics();
  // All are created before one is started: what is watched is known by then.
  const runs = descriptors.map((descriptor) => new Run(descriptor, { client, logger, informers, metrics, signal }));
  options.onMetrics?.(() => metrics.text());
  const parts = [...runs.map((run) => run.run()), informers.run(signal)];
  const outcomes = await Promise.allSettled(
    parts.map(async (part) => {
      try {
        await part;
      } catch (error) {
        // A controller that is stopped before its caches are in sync gets the reason of the stop.
        if (signal.aborted) return;
        stop.abort(error);
        throw error;
      }
    }),
  );
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
}

interface RunOptions {
  readonly client: ApiClient;
  readonly logger: ParentLogger;
  readonly informers: InformerFactory;
  readonly metrics: QueueMetrics;
  readonly signal: AbortSignal;
}

/** One controller, from its creation to its end. */
class Run {
  readonly #logger: Logger;
  readonly #signal: AbortSignal;
  readonly #controller: Controller;
  readonly #queue: WorkQueue;
  #isCreated = false;
  #isQueueRunning = false;
  readonly #used = new Set<{ hasSynced(): Promise<void> }>();
  readonly #counts: ControllerCounts = { reconciles: 0, failures: 0, handlerErrors: 0 };

  constructor({ name, workers, create }: ControllerDescriptor, options: RunOptions) {
    const { client, logger, informers, metrics, signal } = options;
    this.#logger = logger.child({ controller: name });
    this.#signal = signal;
    this.#queue = new WorkQueue({
      concurrency: workers,
      onError: (key, error, retryMs) => this.#onFailure(key, error, Math.round(retryMs)),
      observer: metrics.observer(name),
    });
    metrics.watch(name, this.#queue);
    const context: ControllerContext = {
      client,
      logger: this.#logger,
      queue: this.#queue,
      informer: (definition) => {
        if (this.#isCreated) throw new Error(`${name}: caches are asked for when a controller is created`);
        const informer = informers.get(definition);
        this.#used.add(informer);
        return informer;
      },
      ownedSources: () => informers.ownedSources(),
      recorder: (component) => new EventRecorder({ client, component, logger: this.#logger, signal }),
    };
    this.#controller = create(context);
    this.#isCreated = true;
  }

  async run(): Promise<void> {
    const signal = this.#signal;
    try {
      const watches = this.#controller.watches();
      for (const watch of watches) watch.attach(this.#guard);
      await Promise.all([...this.#used, ...watches].map((source) => source.hasSynced()));
      this.#isQueueRunning = true;
      const beside = this.#controller.background?.({ signal, watch: (each) => each.attach(this.#guard) });
      await Promise.all([this.#queue.run((key) => this.#reconcile(key), signal), beside]);
    } finally {
      // Stopped before its caches were in sync: this clears the timers that events have set already.
      if (!this.#isQueueRunning) await this.#queue.run(async () => undefined, AbortSignal.abort());
      this.#logger.debug(this.#counts, 'controller stopped');
    }
  }

  /** The event is lost for this controller, as for one that crashed; the object's next event wakes it again. */
  readonly #guard: Guard = (handle) => {
    try {
      handle();
    } catch (err) {
      this.#counts.handlerErrors++;
      this.#logger.error({ err, handlerErrors: this.#counts.handlerErrors }, 'event handler failed');
    }
  };

  async #reconcile(key: string): Promise<void> {
    this.#counts.reconciles++;
    const againInMs = await this.#controller.reconcile(key, this.#signal);
    if (againInMs !== undefined) this.#queue.addAfter(key, againInMs);
  }

  /**
   * Conflicts and a server that is away are to be expected, and so are refusals: of these only the API's answer is logged. What is
   * no answer of the API is a defect.
   */
  #onFailure(key: string, error: unknown, retryMs: number): void {
    const failures = ++this.#counts.failures;
    const fields = { key, retryMs };
    if (isConflict(error)) this.#logger.debug({ ...fields, err: error }, 'object was modified, retrying');
    else if (isRefusal(error)) {
      const isRepeated = this.#queue.failuresOf(key) > 1 && retryMs < REFUSAL_REPEAT_MS;
      const { code, reason, message } = error.status;
      this.#logger[isRepeated ? 'debug' : 'info'](
        { ...fields, status: { code, reason, message } },
        'refused, retrying',
      );
    } else if (error instanceof StatusError || error instanceof ConnectionError) {
      logFailure(this.#logger, error, fields, 'sync failed, retrying');
    } else this.#logger.error({ ...fields, err: error, failures }, 'unexpected error, retrying');
  }
}

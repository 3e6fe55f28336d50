/** Sends events to a webhook, in batches: upstream's webhook backend in mode `batch`. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../../../client/logger.ts';
import { Outage } from '../../../client/outage.ts';
import { KubeconfigWebhook, WebhookStatusError } from '../http/kubeconfig-webhook.ts';
import type { AuditEvent } from './record.ts';
import type { AuditSink } from './sink.ts';

/** Of one attempt. Upstream's client has the same. */
const CALL_LIMIT_MS = 30_000;
/** Upstream's `DefaultRetryBackoffWithInitialDelay`. */
const ATTEMPTS = 5;
const BACKOFF_FACTOR = 1.5;
/** Characters of events that wait. Further ones are lost. */
const MAX_WAITING = 64 * 1024 * 1024;
/** How long a server that stops goes on to send what it has. */
const CLOSING_LIMIT_MS = 5_000;

export interface AuditWebhookOptions {
  readonly webhook: KubeconfigWebhook;
  /** Events that wait at most. */
  readonly bufferSize: number;
  /** Events of a batch at most, and how long the first of them waits. */
  readonly maxBatchSize: number;
  readonly maxWaitMs: number;
  /** Batches per second, and how many may be sent at once after a pause. */
  readonly throttleQps: number;
  readonly throttleBurst: number;
  readonly initialBackoffMs: number;
  readonly logger: Logger;
}

export class AuditWebhook implements AuditSink {
  readonly name = 'webhook';
  readonly #options: AuditWebhookOptions;
  readonly #outage: Outage;
  readonly #closing = new AbortController();
  #events: string[] = [];
  #waiting = 0;
  #lost = 0;
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> | undefined;
  #isClosed = false;
  #tokens: number;
  #tokensAt = performance.now();

  constructor(options: AuditWebhookOptions) {
    this.#options = options;
    this.#tokens = options.throttleBurst;
    this.#outage = new Outage({ logger: options.logger, level: 'error' });
  }

  get lost(): number {
    return this.#lost;
  }

  add({ json }: AuditEvent): void {
    const { bufferSize, maxBatchSize, maxWaitMs } = this.#options;
    if (this.#events.length >= bufferSize || this.#waiting + json.length > MAX_WAITING) {
      this.#lost++;
      this.#outage.failed(new Error('audit buffer queue blocked'), { lost: this.#lost }, 'audit events are lost');
      return;
    }
    this.#events.push(json);
    this.#waiting += json.length;
    if (this.#events.length >= maxBatchSize) this.#send();
    else this.#timer ??= setTimeout(() => this.#send(), maxWaitMs);
  }

  #send(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#sending ??= this.#sendAll().finally(() => {
      this.#sending = undefined;
    });
  }

  /** Never rejects. Whole batches, and what has waited for long enough. */
  async #sendAll(): Promise<void> {
    const { maxBatchSize, maxWaitMs } = this.#options;
    do {
      const batch = this.#events.splice(0, maxBatchSize);
      for (const { length } of batch) this.#waiting -= length;
      await this.#sendBatch(batch);
    } while (this.#events.length >= maxBatchSize || (this.#isClosed && this.#events.length > 0));
    if (this.#events.length > 0) this.#timer ??= setTimeout(() => this.#send(), maxWaitMs);
  }

  async #sendBatch(batch: readonly string[]): Promise<void> {
    if (batch.length === 0) return;
    const list = `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[${batch.join()}]}`;
    try {
      await this.#throttle();
      await this.#post(list);
      this.#outage.ended({}, 'audit webhook takes events again');
    } catch (error) {
      this.#lost += batch.length;
      this.#outage.failed(error, { lost: this.#lost }, 'audit events are lost');
    }
  }

  /** What the webhook refuses is not sent again. */
  async #post(list: string): Promise<void> {
    let waitMs = this.#options.initialBackoffMs;
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#options.webhook.post(list, CALL_LIMIT_MS, this.#closing.signal);
        return;
      } catch (error) {
        const isFinal = error instanceof WebhookStatusError && error.code < 500 && error.code !== 429;
        if (isFinal || attempt === ATTEMPTS || this.#closing.signal.aborted) throw error;
        this.#options.logger.debug({ err: error, attempt }, 'audit webhook failed');
        await delay(waitMs, undefined, { signal: this.#closing.signal });
        waitMs *= BACKOFF_FACTOR;
      }
    }
  }

  async #throttle(): Promise<void> {
    const { throttleQps, throttleBurst } = this.#options;
    const now = performance.now();
    this.#tokens = Math.min(throttleBurst, this.#tokens + ((now - this.#tokensAt) / 1000) * throttleQps) - 1;
    this.#tokensAt = now;
    if (this.#tokens < 0)
      await delay((-this.#tokens / throttleQps) * 1000, undefined, { signal: this.#closing.signal });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    const limit = setTimeout(() => this.#closing.abort(), CLOSING_LIMIT_MS);
    this.#send();
    await this.#sending;
    // Those that came while the last batch was under way.
    await this.#sendAll();
    clearTimeout(limit);
    clearTimeout(this.#timer);
    this.#options.webhook[Symbol.dispose]();
  }
}

/**
 * Sends spans to a collector by OTLP over gRPC, in batches. Nobody waits for it: spans that come while the queue is full, or whose batch
 * was not taken in time, are dropped and counted.
 */
import { Client, credentials } from '@grpc/grpc-js';
import { fromJSON, type MethodDefinition, type Options } from '@grpc/proto-loader';
import { own } from '../../api/machinery/own.ts';
import { withDeadline } from '../../client/deadline.ts';
import { unaryCall } from '../../client/unary-call.ts';
import type { Logger } from '../../client/logger.ts';
import { Outage } from '../../client/outage.ts';
import descriptor from '../../proto/otlp-trace-v1.json' with { type: 'json' };
import type { Exposition } from '../metrics/exposition.ts';
import { Counter } from '../metrics/series.ts';
import { exportRequest, type Attributes } from './otlp-messages.ts';
import type { EndedSpan } from './span.ts';

/** The defaults of OpenTelemetry's batch processor. */
const MAX_QUEUED = 2048;
const MAX_BATCH = 512;
const DEFAULT_DELAY_MS = 5_000;
/** OTLP's default. */
const DEFAULT_EXPORT_LIMIT_MS = 10_000;
/** When the daemon stops, the last spans are sent for no longer. */
const CLOSE_LIMIT_MS = 1_000;
const RECONNECT_MAX_MS = 30_000;

const SERVICE = 'opentelemetry.proto.collector.trace.v1.TraceService';
const OPTIONS: Options = { longs: String, enums: String };

interface ExportResponse {
  readonly partialSuccess?: { readonly rejectedSpans?: string; readonly errorMessage?: string } | null;
}

export interface OtlpExporterOptions {
  /** As gRPC names targets: `localhost:4317`, `unix:/run/collector.sock`. The connection is not encrypted, as upstream's. */
  readonly endpoint: string;
  /** What this process is: `service.name`, `service.instance.id`. */
  readonly resource: Attributes;
  readonly logger: Logger;
  /** For tests. */
  readonly delayMs?: number;
  readonly exportLimitMs?: number;
}

export class OtlpExporter implements AsyncDisposable {
  readonly #options: OtlpExporterOptions;
  readonly #client: Client;
  readonly #method: MethodDefinition<object, object>;
  readonly #outage: Outage;
  readonly #sent = new Counter('kedge_tracing_exported_spans_total', 'Spans that the collector has taken.');
  readonly #dropped = new Counter('kedge_tracing_dropped_spans_total', 'Spans that were not sent, by the reason.', [
    'reason',
  ]);
  #queue: EndedSpan[] = [];
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> | undefined;
  readonly #closing = new AbortController();

  constructor(options: OtlpExporterOptions) {
    this.#options = options;
    this.#outage = new Outage({ logger: options.logger });
    this.#method = exportMethod();
    this.#sent.add(0);
    for (const reason of ['queue_full', 'export_failed', 'rejected']) this.#dropped.add(0, reason);
    this.#client = new Client(options.endpoint, credentials.createInsecure(), {
      'grpc.max_reconnect_backoff_ms': RECONNECT_MAX_MS,
      'grpc.service_config_disable_resolution': 1,
      'grpc.enable_http_proxy': 0,
      'grpc.enable_channelz': 0,
      'grpc.use_local_subchannel_pool': 1,
    });
  }

  /** Never throws, and never waits. */
  readonly take = (span: EndedSpan): void => {
    if (this.#queue.length >= MAX_QUEUED || this.#closing.signal.aborted) {
      this.#dropped.increase('queue_full');
      return;
    }
    this.#queue.push(span);
    if (this.#queue.length >= MAX_BATCH) this.#send();
    else this.#timer ??= setTimeout(() => this.#send(), this.#options.delayMs ?? DEFAULT_DELAY_MS).unref();
  };

  readonly write = (to: Exposition): void => {
    this.#sent.write(to);
    this.#dropped.write(to);
  };

  /** One batch at a time: a collector that hangs has one call of this server's. */
  #send(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#sending || this.#queue.length === 0) return;
    const batch = this.#queue.slice(0, MAX_BATCH);
    this.#queue = this.#queue.slice(MAX_BATCH);
    this.#sending = this.#export(batch).finally(() => {
      this.#sending = undefined;
      if (this.#queue.length >= MAX_BATCH) this.#send();
      else if (this.#queue.length > 0)
        this.#timer ??= setTimeout(() => this.#send(), this.#options.delayMs ?? DEFAULT_DELAY_MS).unref();
    });
  }

  async #export(batch: readonly EndedSpan[]): Promise<void> {
    const { endpoint, resource, exportLimitMs: limitMs = DEFAULT_EXPORT_LIMIT_MS } = this.#options;
    try {
      const request = exportRequest(resource, batch);
      const limit = { what: `export of spans to ${endpoint}`, limitMs };
      const response = await withDeadline(limit, (signal) =>
        unaryCall(this.#client, this.#method, request, { signal, limitMs }),
      );
      const { partialSuccess }: ExportResponse = response ?? {};
      const rejected = Math.min(batch.length, Number(partialSuccess?.rejectedSpans ?? 0));
      this.#sent.add(batch.length - rejected);
      this.#dropped.add(rejected, 'rejected');
      this.#outage.ended({ endpoint }, 'the collector takes spans again');
    } catch (error) {
      this.#dropped.add(batch.length, 'export_failed');
      this.#outage.failed(error, { endpoint, spans: batch.length }, 'failed to export spans');
    }
  }

  /** Sends what there is, for a second at most. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    clearTimeout(this.#timer);
    const rest = async (): Promise<void> => {
      await this.#sending;
      while (this.#queue.length > 0) await this.#export(this.#queue.splice(0, MAX_BATCH));
    };
    try {
      await withDeadline({ what: 'export of the last spans', limitMs: CLOSE_LIMIT_MS }, rest);
    } catch (error) {
      this.#options.logger.debug({ err: error }, 'the last spans are not exported');
      this.#queue = [];
    } finally {
      this.#client.close();
    }
  }
}

function exportMethod(): MethodDefinition<object, object> {
  const definitions = fromJSON(descriptor as object, OPTIONS);
  const methods = own(definitions, SERVICE) as Record<string, MethodDefinition<object, object>> | undefined;
  const method = methods && own(methods, 'Export');
  if (!method) throw new Error(`proto: no ${SERVICE}.Export`);
  return method;
}

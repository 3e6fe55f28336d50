/** Decides which requests are traced, as OpenTelemetry's sampler ParentBased(TraceIDRatioBased) does. */
import { Span, type TakeSpan } from './span.ts';
import { newTraceId, parseTraceparent } from './trace-context.ts';

const MILLION = 1_000_000;

export interface TracerOptions {
  /** Requests of a million that begin a trace of their own: with 0, none does. */
  readonly samplingRatePerMillion: number;
  readonly take: TakeSpan;
}

export interface Beginning {
  readonly name: string;
  /** The header `traceparent` of the request. */
  readonly header: string | undefined;
  /** Whether its caller may decide that it is traced, and name the trace. */
  readonly isTrusted: boolean;
  /** `performance.now()` when the request came. */
  readonly startedAt: number;
}

export class Tracer {
  readonly #take: TakeSpan;
  readonly #rate: number;

  constructor({ samplingRatePerMillion, take }: TracerOptions) {
    this.#take = take;
    this.#rate = samplingRatePerMillion;
  }

  /** The span of a request; undefined when it is not traced. */
  begin({ name, header, isTrusted, startedAt }: Beginning): Span | undefined {
    const parent = isTrusted ? parseTraceparent(header) : undefined;
    if (parent) return parent.isSampled ? Span.root(this.#take, name, parent, startedAt) : undefined;
    if (this.#rate === 0) return undefined;
    const traceId = newTraceId();
    return isSampled(traceId, this.#rate) ? Span.root(this.#take, name, { traceId, spanId: '' }, startedAt) : undefined;
  }
}

/** By the trace's own id, as OpenTelemetry does: all services of a trace decide alike. */
const isSampled = (traceId: string, rate: number): boolean =>
  Number.parseInt(traceId.slice(-14), 16) / 2 ** 56 < rate / MILLION;

/** Spans of OpenTelemetry: one per traced request, with one below it per stage. A request that is not traced has none. */
import { newSpanId, traceparent, type TraceContext } from './trace-context.ts';

export type AttributeValue = string | number | boolean;
export type SpanKind = 'internal' | 'server' | 'client';

/** What is exported of a span that has ended. */
export interface EndedSpan {
  readonly name: string;
  readonly kind: SpanKind;
  readonly traceId: string;
  readonly spanId: string;
  /** '' of the first span of a trace. */
  readonly parentId: string;
  /** Milliseconds since the epoch, with fractions. */
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: ReadonlyMap<string, AttributeValue>;
  /** Why it failed; undefined when it has not. */
  readonly failure: string | undefined;
}

export type TakeSpan = (span: EndedSpan) => void;

/** A value of a client's is shortened to this. */
export const MAX_VALUE_CHARS = 256;
/** Of one request: a create may try several times, and pass many webhooks. */
const MAX_SPANS_PER_TRACE = 128;

interface Budget {
  left: number;
}

export class Span {
  readonly #take: TakeSpan;
  readonly #name: string;
  readonly #kind: SpanKind;
  readonly #context: TraceContext;
  readonly #parentId: string;
  readonly #startMs: number;
  readonly #attributes = new Map<string, AttributeValue>();
  readonly #budget: Budget;
  #isEnded = false;

  private constructor(
    take: TakeSpan,
    name: string,
    kind: SpanKind,
    of: Pick<TraceContext, 'traceId' | 'spanId'>,
    budget: Budget,
    startedAt: number,
  ) {
    this.#startMs = performance.timeOrigin + startedAt;
    this.#take = take;
    this.#name = name;
    this.#kind = kind;
    this.#context = { traceId: of.traceId, spanId: newSpanId(), isSampled: true };
    this.#parentId = of.spanId;
    this.#budget = budget;
  }

  /** The first span of this process in a trace. @param of `spanId` is that of the caller's span, '' when there is none */
  static root(take: TakeSpan, name: string, of: Pick<TraceContext, 'traceId' | 'spanId'>, startedAt: number): Span {
    return new Span(take, name, 'server', of, { left: MAX_SPANS_PER_TRACE }, startedAt);
  }

  /** Undefined when the trace has as many spans as it may. @param startedAt `performance.now()` when it began */
  child(name: string, kind: SpanKind = 'internal', startedAt = performance.now()): Span | undefined {
    if (this.#budget.left <= 0) return undefined;
    this.#budget.left--;
    return new Span(this.#take, name, kind, this.#context, this.#budget, startedAt);
  }

  /** What a server that is called is to be told. */
  get traceparent(): string {
    return traceparent(this.#context);
  }

  set(name: string, value: AttributeValue): this {
    this.#attributes.set(name, typeof value === 'string' ? value.slice(0, MAX_VALUE_CHARS) : value);
    return this;
  }

  /** Ends it; the first call counts. */
  end(failure?: string): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#take({
      ...{ name: this.#name, kind: this.#kind, parentId: this.#parentId, startMs: this.#startMs, endMs: nowMs() },
      ...{ traceId: this.#context.traceId, spanId: this.#context.spanId, attributes: this.#attributes },
      failure: failure?.slice(0, MAX_VALUE_CHARS),
    });
  }
}

/** Runs `work` as a part of `parent`: with a span of its own where the request is traced, and at no cost where it is not. */
export function spanning<T>(
  parent: Span | undefined,
  name: string,
  work: (span: Span | undefined) => T,
  kind?: SpanKind,
): T {
  const span = parent?.child(name, kind);
  if (!span) return work(undefined);
  const failed = (error: unknown): never => {
    span.end(failureOf(error));
    throw error;
  };
  try {
    const result = work(span);
    if (result instanceof Promise) {
      return result.then((value: unknown) => {
        span.end();
        return value;
      }, failed) as T;
    }
    span.end();
    return result;
  } catch (error) {
    return failed(error);
  }
}

const failureOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const nowMs = (): number => performance.timeOrigin + performance.now();

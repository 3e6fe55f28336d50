/** Spans as OTLP sends them (proto/otlp-trace-v1.proto). Pure. */
import type { AttributeValue, EndedSpan, SpanKind } from './span.ts';

const KINDS: Readonly<Record<SpanKind, string>> = {
  internal: 'SPAN_KIND_INTERNAL',
  server: 'SPAN_KIND_SERVER',
  client: 'SPAN_KIND_CLIENT',
};
/** Who has instrumented the code. */
const SCOPE = { name: 'kedge' };

export type Attributes = ReadonlyMap<string, AttributeValue>;

/** The body of an export. @param resource what the process is */
export const exportRequest = (resource: Attributes, spans: readonly EndedSpan[]): object => ({
  resourceSpans: [
    { resource: { attributes: attributesOf(resource) }, scopeSpans: [{ scope: SCOPE, spans: spans.map(spanOf) }] },
  ],
});

const spanOf = (span: EndedSpan): object => ({
  traceId: Buffer.from(span.traceId, 'hex'),
  spanId: Buffer.from(span.spanId, 'hex'),
  parentSpanId: Buffer.from(span.parentId, 'hex'),
  name: text(span.name),
  kind: KINDS[span.kind],
  startTimeUnixNano: nanoseconds(span.startMs),
  endTimeUnixNano: nanoseconds(span.endMs),
  attributes: attributesOf(span.attributes),
  ...(span.failure !== undefined && { status: { code: 'STATUS_CODE_ERROR', message: text(span.failure) } }),
});

/** Half a character, which what a client sends may have or be cut to, is no UTF-8: a collector would refuse the spans of everybody with it. */
const text = (value: string): string => value.toWellFormed();

/** As text: a number has not enough bits. */
const nanoseconds = (ms: number): string => String(BigInt(Math.round(ms * 1000)) * 1000n);

const attributesOf = (attributes: Attributes): object[] =>
  Array.from(attributes, ([key, value]) => ({ key, value: valueOf(value) }));

function valueOf(value: AttributeValue): object {
  if (typeof value === 'string') return { stringValue: text(value) };
  if (typeof value === 'boolean') return { boolValue: value };
  return Number.isSafeInteger(value) ? { intValue: value } : { doubleValue: value };
}

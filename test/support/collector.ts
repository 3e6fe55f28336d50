/** A collector of OpenTelemetry traces: the gRPC service that spans are exported to. */
import { Server, ServerCredentials, type sendUnaryData, type ServerUnaryCall } from '@grpc/grpc-js';
import { fromJSON, type ServiceDefinition } from '@grpc/proto-loader';
import descriptor from '../../proto/otlp-trace-v1.json' with { type: 'json' };

export interface CollectedSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId: string;
  readonly kind: string;
  readonly durationMs: number;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly failure: string | undefined;
}

interface Attribute {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>> & { readonly value: string };
}
interface SentSpan {
  readonly traceId: Buffer;
  readonly spanId: Buffer;
  readonly parentSpanId: Buffer;
  readonly name: string;
  readonly kind: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly Attribute[];
  readonly status: { readonly message: string } | null;
}
interface Export {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] };
    readonly scopeSpans: readonly { readonly spans: readonly SentSpan[] }[];
  }[];
}

const DEFINITIONS = fromJSON(descriptor as object, { longs: String, enums: String, defaults: true, oneofs: true });
const SERVICE = 'opentelemetry.proto.collector.trace.v1.TraceService';

export class Collector implements AsyncDisposable {
  readonly endpoint: string;
  readonly spans: CollectedSpan[] = [];
  /** Of the process that has sent the last ones. */
  resource: Readonly<Record<string, unknown>> = {};
  /** Exports that have come. */
  exports = 0;
  /** From now on exports are not answered. */
  hangs = false;
  readonly #server: Server;

  private constructor(server: Server, endpoint: string) {
    this.#server = server;
    this.endpoint = endpoint;
  }

  static async start(): Promise<Collector> {
    const server = new Server();
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      );
    });
    const collector = new Collector(server, `127.0.0.1:${port}`);
    server.addService(DEFINITIONS[SERVICE] as ServiceDefinition, {
      Export: (call: ServerUnaryCall<Export, object>, answer: sendUnaryData<object>) => {
        collector.#take(call.request);
        if (!collector.hangs) answer(null, {});
      },
    });
    return collector;
  }

  #take({ resourceSpans }: Export): void {
    this.exports++;
    for (const { resource, scopeSpans } of resourceSpans) {
      this.resource = valuesOf(resource.attributes);
      for (const span of scopeSpans.flatMap(({ spans }) => spans)) this.spans.push(collected(span));
    }
  }

  named(name: string): CollectedSpan | undefined {
    return this.spans.find((span) => span.name === name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.forceShutdown();
  }
}

const collected = (span: SentSpan): CollectedSpan => ({
  name: span.name,
  traceId: span.traceId.toString('hex'),
  spanId: span.spanId.toString('hex'),
  parentId: span.parentSpanId.toString('hex'),
  kind: span.kind,
  durationMs: Number(BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)) / 1e6,
  attributes: valuesOf(span.attributes),
  failure: span.status?.message,
});

const valuesOf = (attributes: readonly Attribute[]): Record<string, unknown> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, value[value.value]]));

/** Bodies of requests to the values that they say: JSON, YAML, or Kubernetes' protobuf, which newer kubectl sends. */
import { parseBody, type Body } from '../../../api/machinery/body.ts';
import { findByKind, travellingKinds } from '../../../api/registry.ts';
import { ProtobufDecoder, type SchemaLookup } from '../../../api/machinery/protobuf/decode.ts';

/** Bodies from this length on take long to read: milliseconds, in which nobody else is served. */
const LONG_BYTES = 64 * 1024;

/**
 * Has long bodies read one after the other, a turn of the event loop apart: those who have come meanwhile wait for one body, not
 * for all that came at the same time.
 */
export class BodyTurns {
  #last: Promise<void> = Promise.resolve();

  /** The body, when it may be read. */
  whenItsTurn(body: Buffer): Buffer | Promise<Buffer> {
    if (body.length < LONG_BYTES) return body;
    this.#last = this.#last.then(() => new Promise((resume) => setImmediate(resume)));
    return this.#last.then(() => body);
  }
}

const PROTOBUF = /^\s*application\/vnd\.kubernetes\.protobuf\s*(;|$)/i;

export class BodyParser {
  readonly turns = new BodyTurns();
  /** Made at the first such body; it compiles the messages that come. */
  #protobuf: ProtobufDecoder | undefined;

  /** @param findDuplicates for fieldValidation Strict and Warn. Throws StatusError: 400 for malformed bodies, 415 for other types. */
  parse(body: Buffer, contentType: string, findDuplicates: boolean): Body {
    if (!PROTOBUF.test(contentType)) return parseBody(body.toString(), contentType, findDuplicates);
    this.#protobuf ??= new ProtobufDecoder();
    return { value: this.#protobuf.decode(body, schemaOf), problems: [] };
  }
}

const schemaOf: SchemaLookup = (apiVersion, kind) => {
  const [version = '', group = ''] = apiVersion.split('/').reverse();
  // Delete options travel under the version of what is deleted.
  return (findByKind(group, version, kind) ?? travellingKinds.find((known) => known.kind === kind))?.schema;
};

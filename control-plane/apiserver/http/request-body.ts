/** Bodies of requests to the values that they say: JSON, YAML, or Kubernetes' protobuf, which newer kubectl sends. */
import { parseBody, type Body } from '../../../api/machinery/body.ts';
import { travellingKinds } from '../../../api/registry.ts';
import { ProtobufDecoder, type SchemaLookup } from '../../../api/machinery/protobuf/decode.ts';
import type { ServedKinds } from '../catalogue/served-kinds.ts';

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
  readonly #kinds: ServedKinds;
  /** It compiles the messages that come. */
  readonly #protobuf: () => ProtobufDecoder;

  constructor(kinds: ServedKinds) {
    this.#kinds = kinds;
    this.#protobuf = kinds.derived(() => new ProtobufDecoder());
  }

  /** @param findDuplicates for fieldValidation Strict and Warn. Throws StatusError: 400 for malformed bodies, 415 for other types. */
  parse(body: Buffer, contentType: string, findDuplicates: boolean): Body {
    if (!PROTOBUF.test(contentType)) return parseBody(body.toString(), contentType, findDuplicates);
    return { value: this.#protobuf().decode(body, this.#schemaOf), problems: [] };
  }

  readonly #schemaOf: SchemaLookup = (apiVersion, kind) => {
    const [version = '', group = ''] = apiVersion.split('/').reverse();
    const served = this.#kinds.findKind(group, version, kind);
    // Delete options travel under the version of what is deleted.
    return (served ?? travellingKinds.find((known) => known.kind === kind))?.schema;
  };
}

/** Bodies of requests to the values that they say: JSON, YAML, or Kubernetes' protobuf, which newer kubectl sends. */
import { parseBody, type Body } from '../../../api/machinery/body.ts';
import { findByKind, travellingKinds } from '../../../api/registry.ts';
import { BodyTurns } from './body-turns.ts';
import { ProtobufDecoder, type SchemaLookup } from '../../../api/protobuf/decode.ts';

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

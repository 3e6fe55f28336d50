/** Reads stored objects, whoever has written them: this server in JSON, kube-apiserver in protobuf or JSON. */
import { deepEqual } from '../../../../api/machinery/deep-equal.ts';
import { decodeObject } from '../../../../api/machinery/decode.ts';
import { apiVersionOf } from '../../../../api/machinery/define-kind.ts';
import type { Decoder, Kind, KubeObject } from '../../../../api/machinery/kind.ts';
import { isJsonObject } from '../../../../api/machinery/own.ts';
import { decoderOf } from '../../../../api/machinery/schema-decoder.ts';
import { MAGIC, ProtobufDecoder } from '../../../../api/machinery/protobuf/decode.ts';

/** What is stored is no object of the kind whose key it has. The message says why, and nothing of what is in it. */
export class UndecodableError extends Error {
  override readonly name = 'UndecodableError';
}

export class StoredObjects {
  readonly #kind: Kind;
  /** Made when the first such object is read: of most stores there are none. */
  #decoder: ProtobufDecoder | undefined;
  #decodeMetadata: Decoder<KubeObject> | undefined;

  constructor(kind: Kind) {
    this.#kind = kind;
  }

  /**
   * The object, decoded as a request's body is: every part of the server relies on the types of fields, and a value that has others is one
   * object's problem. `isWhole`: what is stored lacks nothing that decoding adds. Throws UndecodableError for bytes that are no object, and
   * for one of another kind or version.
   */
  read(stored: Buffer): { readonly object: KubeObject; readonly isWhole: boolean } {
    try {
      const isProtobuf = stored.subarray(0, MAGIC.length).equals(MAGIC);
      const raw = isProtobuf ? this.#readProtobuf(stored) : parsed(stored);
      const object = this.#decoded(raw);
      return { object, isWhole: deepEqual(object, raw) };
    } catch (error) {
      throw new UndecodableError((error as Error).message, { cause: error });
    }
  }

  #readProtobuf(stored: Buffer): Record<string, unknown> {
    this.#decoder ??= new ProtobufDecoder();
    const { schema, kind } = this.#kind;
    const own = apiVersionOf(this.#kind);
    return this.#decoder.decode(stored, (apiVersion, name) =>
      apiVersion === own && name === kind ? schema : undefined,
    );
  }

  /** The version that a CustomResourceDefinition stores may change, and so may its schema. */
  #decoded(object: Readonly<Record<string, unknown>>): KubeObject {
    const { kind, custom } = this.#kind;
    if (object['kind'] !== kind || typeof object['apiVersion'] !== 'string') throw new Error(`it is no ${kind}`);
    if (!custom) return decodeObject(this.#kind, object).object;
    // It has metadata only.
    this.#decodeMetadata ??= decoderOf<KubeObject>(this.#kind.schema);
    this.#decodeMetadata({ metadata: object['metadata'] ?? {} });
    return object;
  }
}

/** The parser's own message quotes what it has read, which may be a Secret. */
function parsed(stored: Buffer): Record<string, unknown> {
  let object: unknown;
  try {
    object = JSON.parse(stored.toString());
  } catch {
    throw new Error('it is neither JSON nor protobuf');
  }
  if (!isJsonObject(object)) throw new Error('it is no object');
  return object;
}

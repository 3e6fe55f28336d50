/** Reads stored objects, whoever has written them: this server in JSON, kube-apiserver in protobuf or JSON. */
import { apiVersionOf } from '../../../../api/machinery/define-kind.ts';
import type { Kind, KubeObject } from '../../../../api/machinery/kind.ts';
import { MAGIC, ProtobufDecoder } from '../../../../api/machinery/protobuf/decode.ts';

export class StoredObjects {
  readonly #kind: Kind;
  /** Made when the first such object is read: of most stores there are none. */
  #decoder: ProtobufDecoder | undefined;

  constructor(kind: Kind) {
    this.#kind = kind;
  }

  /** Throws for bytes that are no object, and for protobuf of another kind or version. */
  read(stored: Buffer): KubeObject {
    if (!stored.subarray(0, MAGIC.length).equals(MAGIC)) return JSON.parse(stored.toString()) as KubeObject;
    this.#decoder ??= new ProtobufDecoder();
    const { schema, kind } = this.#kind;
    const own = apiVersionOf(this.#kind);
    return this.#decoder.decode(stored, (apiVersion, name) =>
      apiVersion === own && name === kind ? schema : undefined,
    );
  }
}

/** Kubernetes' protobuf encoding of request and response bodies: https://kubernetes.io/docs/reference/using-api/api-concepts/ */
import { ProtobufDecoder } from '../../../api/machinery/protobuf/decode.ts';
import { hasProtobuf, ProtobufEncoder, type TypeMeta } from '../../../api/machinery/protobuf/encode.ts';
import { optional, struct, type Shape } from '../../../api/machinery/schema.ts';
import { bodyKinds } from '../../../api/registry.ts';
import { apiVersionOf } from '../../../api/machinery/define-kind.ts';
import type { Kind } from '../../../api/machinery/kind.ts';
import { ObjectMeta, Status } from '../../../api/types/meta/v1.gen.ts';

export const PartialObjectMetadata = struct('io.k8s.apimachinery.pkg.apis.meta.v1.PartialObjectMetadata', () => ({
  metadata: optional(1, ObjectMeta),
}));

type Json = Readonly<Record<string, unknown>>;

/** For a set of kinds. Readers and writers of messages are compiled on first use. */
export class ProtobufBodies {
  readonly encoder = new ProtobufEncoder();
  readonly #decoder = new ProtobufDecoder();
  readonly #shapes = new Map<string, Shape>();

  constructor(kinds: readonly Kind[]) {
    for (const kind of kinds)
      if (hasProtobuf(kind.schema)) this.#shapes.set(`${apiVersionOf(kind)} ${kind.kind}`, kind.schema);
    this.#shapes.set('v1 Status', Status);
    for (const version of ['v1', 'v1beta1'])
      this.#shapes.set(`meta.k8s.io/${version} PartialObjectMetadata`, PartialObjectMetadata);
  }

  /** Throws a 400 StatusError for a malformed body, or one of an unknown kind. */
  decode(body: Buffer): Json {
    return this.#decoder.decode(body, (apiVersion, kind) => this.#shapeOf(apiVersion, kind));
  }

  /** Throws for an object whose kind is not known. */
  encode(object: object): Buffer {
    const { apiVersion = '', kind = '' } = object as Partial<TypeMeta>;
    const shape = this.#shapeOf(apiVersion, kind);
    if (!shape) throw new Error(`${apiVersion} ${kind} has no protobuf encoding`);
    return this.encoder.encode({ ...object, apiVersion, kind }, shape);
  }

  #shapeOf(apiVersion: string, kind: string): Shape | undefined {
    const known = this.#shapes.get(`${apiVersion} ${kind}`);
    // DeleteOptions are sent with the apiVersion of the deleted object.
    return known ?? bodyKinds.find((body) => body.kind === kind)?.schema;
  }
}

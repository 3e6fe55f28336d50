/**
 * Lists in protobuf. The message has its length in front, so that all items are encoded before the first is sent: a first pass adds
 * up their lengths and keeps what fits into the memory that all such lists share; the rest is encoded once more when its turn comes.
 */
import { apiVersionOf, listKindOf } from '../../../api/machinery/define-kind.ts';
import { ListMeta } from '../../../api/types/meta/v1.gen.ts';
import type { Shape } from '../../../api/machinery/schema.ts';
import type { ServedResource } from '../catalogue/served-resource.ts';
import { ChunkedWriter, stillConnected } from '../http/back-pressure.ts';
import type { Exchange } from '../http/exchange.ts';
import { PROTOBUF_TYPE } from '../http/negotiate.ts';
import { PartialObjectMetadata } from '../http/protobuf-bodies.ts';
import type { Entry } from '../storage/cache/entry.ts';

/** Encoded items that all lists under way keep, at most. */
const MAX_KEPT_BYTES = 32 * 1024 * 1024;
/** Bytes of stored objects that are encoded in one turn of the event loop: some milliseconds. */
const TURN_BYTES = 256 * 1024;
const MAX_PENDING_BYTES = 256 * 1024;
/** Fields of all lists. */
const METADATA = 1;
const ITEMS = 2;

/** How an entry is encoded as an item. */
interface ItemForm {
  readonly apiVersion: string;
  readonly kind: string;
  readonly encode: (entry: Entry) => Buffer;
}

export class ProtobufLists {
  #keptBytes = 0;

  /** @param entries their bytes do not change while they are sent. */
  async send(
    exchange: Exchange,
    resource: ServedResource,
    entries: readonly Entry[],
    metadata: ListMeta,
  ): Promise<void> {
    const { encoder } = exchange.protobuf;
    const { encode, ...type } = itemForm(exchange, resource);
    const first = encoder.field(METADATA, { ...metadata }, ListMeta);
    await stillConnected(exchange.response);
    let mine = 0;
    try {
      const kept: (Buffer | undefined)[] = [];
      const turns = new Turns();
      let length = first.length;
      for (const entry of entries) {
        const item = encode(entry);
        length += item.length;
        const fits = this.#keptBytes + item.length <= MAX_KEPT_BYTES;
        kept.push(fits ? item : undefined);
        if (fits) {
          this.#keptBytes += item.length;
          mine += item.length;
        }
        const pause = turns.after(entry);
        if (pause) await pause;
      }
      const { head, tail } = encoder.envelope(type, length);
      const body = exchange.startBody(200, PROTOBUF_TYPE, head.length + length + tail.length);
      const writer = new ChunkedWriter((chunk) => body.write(chunk), MAX_PENDING_BYTES);
      const add = async (piece: Buffer): Promise<void> => writer.add(piece);
      await add(head);
      await add(first);
      for (const [index, entry] of entries.entries()) {
        const pause = kept[index] === undefined ? turns.after(entry) : undefined;
        if (pause) await pause;
        const taken = writer.add(kept[index] ?? encode(entry));
        if (taken) await taken;
      }
      await writer.flush();
      await body.end(tail);
    } finally {
      this.#keptBytes -= mine;
    }
  }
}

function itemForm(exchange: Exchange, resource: ServedResource): ItemForm {
  const { form, metaVersion } = exchange.accepted;
  const { encoder } = exchange.protobuf;
  const { kind } = resource;
  const item = (object: object, shape: Shape): Buffer => encoder.field(ITEMS, { ...object }, shape);
  if (form === 'metadata') {
    const encode = ({ bytes }: Entry): Buffer => {
      const text = resource.bytes.metadata(resource.serve(bytes)).toString();
      return item(JSON.parse(`{${text}}`) as object, PartialObjectMetadata);
    };
    return { apiVersion: metaVersion, kind: 'PartialObjectMetadataList', encode };
  }
  const encode = ({ bytes }: Entry): Buffer => item(resource.parse(bytes), kind.schema);
  return { apiVersion: apiVersionOf(kind), kind: listKindOf(kind), encode };
}

/** Shares the event loop while objects are encoded. */
class Turns {
  #bytes = 0;

  /** To be awaited, where it is returned. */
  after({ bytes }: Entry): Promise<void> | undefined {
    this.#bytes += bytes.length;
    if (this.#bytes < TURN_BYTES) return undefined;
    this.#bytes = 0;
    return new Promise((resume) => setImmediate(resume));
  }
}

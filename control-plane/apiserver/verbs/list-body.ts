/** The bodies of lists: the buffers of the cache in a row, with a few bytes around them. */
import { apiVersionOf, listKindOf } from '../../../api/machinery/define-kind.ts';
import { writeYaml } from '../../../api/machinery/yaml-writer.ts';
import { stillConnected } from '../http/back-pressure.ts';
import { COMPRESSED_ABOVE_BYTES, type ResponseBody } from '../http/compression.ts';
import { indented, type Exchange } from '../http/exchange.ts';
import type { MetaVersion } from '../http/negotiate.ts';
import { PARTIAL_HEADS } from './partial-metadata.ts';
import { ProtobufLists } from './protobuf-list.ts';
import type { ServedResource } from '../catalogue/served-resource.ts';
import type { Entry } from '../storage/cache/entry.ts';
import { columnDefinitions, parseIncludeObject, tableRow } from './table.ts';
import type { ListMeta } from '../../../api/types/meta/v1.gen.ts';

/** Up to this length a list is one buffer and one write. */
const SHORT_BYTES = 64 * 1024;
/** Bytes that are put together before they are handed to TLS, which encrypts large pieces fastest. */
const LARGE_CHUNK_BYTES = 512 * 1024;
/** So many lists at a time are sent in large chunks, and the others in small ones: slow readers hold a chunk each. */
const MAX_LARGE_CHUNKS = 16;
const SMALL_CHUNK_BYTES = 64 * 1024;
/** Large chunks that are kept for the next list. */
const SPARE_CHUNKS = 2;
const COMMA = 0x2c;

/** What a list shows. */
export interface Page {
  readonly entries: readonly Entry[];
  readonly metadata: ListMeta;
}

/** Sends the lists of one api-server; the memory for what is on its way is theirs together. */
export class ListBodies {
  readonly #chunks = new ChunkPool();
  readonly #protobuf = new ProtobufLists();

  async send(exchange: Exchange, resource: ServedResource, page: Page): Promise<void> {
    const { form, metaVersion, encoding, omitsOwners } = exchange.accepted;
    if (exchange.audit?.wantsResponse) exchange.audit.responded(auditedList(resource, page));
    if (encoding === 'protobuf') return this.#protobuf.send(exchange, resource, page.entries, page.metadata);
    if (form === 'table') return sendElements(exchange, ...tableOf(exchange, resource, page));
    const whole = form === 'metadata' ? metadataItems(resource, metaVersion) : objectItems(resource);
    const items = omitsOwners ? withoutOwners(whole, resource) : whole;
    const { kind, apiVersion } = items;
    const envelope = { kind, apiVersion, metadata: page.metadata };
    const asIs = encoding === 'json' && !exchange.indents && !resource.converts;
    if (asIs) return this.#sendItems(exchange, envelope, page.entries, items);
    return sendElements(exchange, envelope, 'items', page.entries, ({ bytes }) => {
      const served = resource.serve(bytes);
      const item = Buffer.allocUnsafe(items.length(served));
      items.write(served, item, 0);
      return item.toString();
    });
  }

  /** The items as they lie in the cache. */
  async #sendItems(exchange: Exchange, envelope: object, entries: readonly Entry[], items: ItemForm): Promise<void> {
    const head = Buffer.from(`${JSON.stringify(envelope).slice(0, -1)},"items":[`);
    const tail = Buffer.from(']}\n');
    let length = head.length + tail.length + Math.max(0, entries.length - 1);
    for (const { bytes } of entries) length += items.length(bytes);
    if (length <= SHORT_BYTES) return exchange.send(200, joined(length, head, entries, items, tail));
    await stillConnected(exchange.response);
    const body = exchange.startBody(200, 'application/json', length);
    // Lists of tens of megabytes in ever new memory would cost more in page faults and garbage than in writing.
    await this.#chunks.lend(async (chunk) => {
      let end = head.copy(chunk);
      for (const [index, { bytes }] of entries.entries()) {
        const itemLength = items.length(bytes) + 1;
        if (end + itemLength > chunk.length) {
          await body.write(chunk.subarray(0, end));
          end = 0;
        }
        if (index > 0) chunk[end++] = COMMA;
        if (itemLength <= chunk.length) {
          end = items.write(bytes, chunk, end);
          continue;
        }
        for (const part of items.parts(bytes)) {
          for (let at = 0; at < part.length;) {
            const copied = part.copy(chunk, end, at);
            at += copied;
            end += copied;
            if (end < chunk.length) continue;
            await body.write(chunk);
            end = 0;
          }
        }
      }
      await body.write(chunk.subarray(0, end));
    });
    await body.end(tail);
  }
}

/** Memory in which lists are put together, so many chunks of it and no more, however many lists are being sent. */
class ChunkPool {
  #lent = 0;
  readonly #spare: Buffer[] = [];

  /** The chunk is the callee's until its promise settles. */
  async lend(use: (chunk: Buffer) => Promise<void>): Promise<void> {
    if (this.#lent === MAX_LARGE_CHUNKS) return use(Buffer.allocUnsafeSlow(SMALL_CHUNK_BYTES));
    this.#lent++;
    const chunk = this.#spare.pop() ?? Buffer.allocUnsafeSlow(LARGE_CHUNK_BYTES);
    try {
      await use(chunk);
      // Only then: after a failure, a write of it may still be under way.
      if (this.#spare.length < SPARE_CHUNKS) this.#spare.push(chunk);
    } finally {
      this.#lent--;
    }
  }
}

/** How the entries of a list become its items. */
interface ItemForm {
  readonly kind: string;
  readonly apiVersion: string;
  length(served: Buffer): number;
  /** Writes the item and returns where it ends. */
  write(served: Buffer, target: Buffer, at: number): number;
  /** What `write` would write; nothing is copied. */
  parts(served: Buffer): readonly Buffer[];
}

const OPEN_BRACE = Buffer.from('{');
const CLOSE_BRACE = Buffer.from('}');

function objectItems({ kind, bytes }: ServedResource): ItemForm {
  return {
    kind: listKindOf(kind),
    apiVersion: apiVersionOf(kind),
    length: (served) => bytes.itemLength(served),
    write: (served, target, at) => bytes.writeItem(served, target, at),
    parts: (served) => [OPEN_BRACE, bytes.fields(served)],
  };
}

function metadataItems({ bytes }: ServedResource, apiVersion: MetaVersion): ItemForm {
  const head = PARTIAL_HEADS[apiVersion];
  return {
    kind: 'PartialObjectMetadataList',
    apiVersion,
    length: (served) => head.length + bytes.metadata(served).length + 1,
    write: (served, target, at) => {
      let end = at + head.copy(target, at);
      end += bytes.metadata(served).copy(target, end);
      return end + CLOSE_BRACE.copy(target, end);
    },
    parts: (served) => [head, bytes.metadata(served), CLOSE_BRACE],
  };
}

function withoutOwners(items: ItemForm, { bytes }: ServedResource): ItemForm {
  return {
    ...items,
    length: (served) => items.length(served) - bytes.ownersLength(served),
    write: (served, target, at) => items.write(bytes.withoutOwners(served), target, at),
    parts: (served) => items.parts(bytes.withoutOwners(served)),
  };
}

function joined(length: number, head: Buffer, entries: readonly Entry[], items: ItemForm, tail: Buffer): Buffer {
  const body = Buffer.allocUnsafe(length);
  let end = head.copy(body);
  for (const [index, { bytes }] of entries.entries()) {
    if (index > 0) body[end++] = COMMA;
    end = items.write(bytes, body, end);
  }
  tail.copy(body, end);
  return body;
}

/** Bytes of objects beyond which the audit log has only the metadata of a list: it would leave out the whole otherwise. */
const MAX_AUDITED_BYTES = 4 * 1024 * 1024;

/** A list as the audit log has it, in whichever form the client gets it. */
function auditedList(resource: ServedResource, { entries, metadata }: Page): object {
  const envelope = { kind: listKindOf(resource.kind), apiVersion: apiVersionOf(resource.kind), metadata };
  let length = 0;
  for (const { bytes } of entries) length += bytes.length;
  if (length > MAX_AUDITED_BYTES) return envelope;
  return { ...envelope, items: entries.map(({ bytes }) => resource.parse(bytes)) };
}

/** What `sendElements` takes, for a table. */
function tableOf(
  exchange: Exchange,
  resource: ServedResource,
  { entries, metadata }: Page,
): [object, string, readonly Entry[], (entry: Entry) => string] {
  const include = parseIncludeObject(exchange.info.query);
  const { metaVersion: apiVersion } = exchange.accepted;
  const { kind } = resource;
  const now = Date.now();
  return [
    { kind: 'Table', apiVersion, metadata, columnDefinitions: columnDefinitions(kind) },
    'rows',
    entries,
    ({ bytes }) => JSON.stringify(tableRow(kind, resource.parse(bytes), include, now, apiVersion)),
  ];
}

/** How a list and its elements, each given as JSON, look in an encoding. */
interface Layout {
  readonly contentType: string;
  head(envelope: object, field: string): string;
  element(json: string, index: number): string;
  tail(envelope: object, field: string): string;
}

const COMPACT: Layout = {
  contentType: 'application/json',
  head: (envelope, field) => `${JSON.stringify(envelope).slice(0, -1)},"${field}":[`,
  element: (json, index) => (index > 0 ? `,${json}` : json),
  tail: () => ']}\n',
};
const INDENTED: Layout = {
  contentType: 'application/json',
  head: (envelope, field) => `${JSON.stringify(envelope, null, 2).slice(0, -2)},\n  "${field}": [`,
  element: (json, index) => `${index > 0 ? ',' : ''}\n    ${indented(json).replaceAll('\n', '\n    ')}`,
  tail: () => '\n  ]\n}',
};
/** Keys are in order there, so that some of the envelope's come before the elements and some after. */
const YAML: Layout = {
  contentType: 'application/yaml',
  head: (envelope, field) => `${yamlOf(envelope, (key) => key < field)}${field}:\n`,
  element: (json) => writeYaml([JSON.parse(json)]),
  tail: (envelope, field) => yamlOf(envelope, (key) => key > field),
};

function yamlOf(envelope: object, wanted: (key: string) => boolean): string {
  const entries = Object.entries(envelope).filter(([key]) => wanted(key));
  return entries.length > 0 ? writeYaml(Object.fromEntries(entries)) : '';
}

/** Element by element: to parse, indent or convert a long list at once would hold up everybody else. */
async function sendElements(
  exchange: Exchange,
  envelope: object,
  field: string,
  entries: readonly Entry[],
  elementOf: (entry: Entry) => string,
): Promise<void> {
  const layout = exchange.accepted.encoding === 'yaml' ? YAML : exchange.indents ? INDENTED : COMPACT;
  let objectBytes = 0;
  for (const { bytes } of entries) objectBytes += bytes.length;
  if (objectBytes <= SHORT_BYTES) {
    const elements = entries.map((entry) => JSON.parse(elementOf(entry)) as unknown);
    return exchange.sendObject(200, { ...envelope, [field]: elements });
  }
  await stillConnected(exchange.response);
  let body: ResponseBody | undefined;
  let text = layout.head(envelope, field);
  for (const [index, entry] of entries.entries()) {
    text += layout.element(elementOf(entry), index);
    // The first chunk is long enough to tell whether the whole is to be compressed.
    if (text.length <= (body ? SMALL_CHUNK_BYTES : COMPRESSED_ABOVE_BYTES)) continue;
    body ??= exchange.startBody(200, layout.contentType, undefined);
    await body.write(Buffer.from(text));
    text = '';
  }
  const last = Buffer.from(text + layout.tail(envelope, field));
  if (body) await body.end(last);
  else exchange.sendBytes(200, layout.contentType, last);
}

/** Lists: the buffers of the cache in a row, with a few bytes around them. */
import { apiVersionOf } from '../../api/machinery/define-kind.ts';
import { gone, StatusError } from '../../api/machinery/status-error.ts';
import type { ListMeta } from '../../api/meta/list-meta.ts';
import { CompactedError } from '../store/store.ts';
import { indented, type Exchange } from './exchange.ts';
import { writeToken } from './continue-token.ts';
import { parseListOptions, waitUntilFresh, type ListOptions } from './list-options.ts';
import type { MetaVersion } from './negotiate.ts';
import type { Registry } from './registry.ts';
import type { Resource } from './resource.ts';
import { keyPrefix, type Entry } from './resource-cache.ts';
import { parseSelection, type Selection } from './selection.ts';
import { columnDefinitions, parseIncludeObject, tableRow } from './table.ts';
import { written } from './back-pressure.ts';

/** Bytes that are put together before they are handed to TLS, which encrypts large pieces fastest. */
const CHUNK_BYTES = 512 * 1024;
const COMMA = 0x2c;
/** Objects that are parsed for a table before others have their turn. */
const TABLE_SLICE = 200;

interface Page {
  readonly entries: readonly Entry[];
  readonly metadata: ListMeta;
}

export async function serveList(exchange: Exchange, registry: Registry, resource: Resource): Promise<void> {
  const { namespace } = exchange;
  const { query } = exchange.info;
  const options = parseListOptions(query, keyPrefix(namespace), registry.revision);
  const selection = parseSelection(resource, exchange.info);
  const page = await findPage(registry, resource, namespace, options, selection);
  switch (exchange.accepted.form) {
    case 'table':
      return sendTable(exchange, resource, page);
    case 'metadata':
      return sendItems(exchange, resource, page, metadataItems(resource, exchange.accepted.metaVersion));
    case 'object':
      return sendItems(exchange, resource, page, objectItems(resource));
  }
}

async function findPage(
  registry: Registry,
  resource: Resource,
  namespace: string,
  options: ListOptions,
  selection: Selection,
): Promise<Page> {
  const { continueFrom, revision, match } = options;
  if (revision !== undefined && revision > registry.revision) await waitUntilFresh(registry, revision);
  const at = continueFrom ? continueFrom.revision : match === 'Exact' ? revision : undefined;
  if (at === undefined || at < 0) return presentPage(registry, resource, namespace, options, selection, at);
  try {
    // Also where nothing has changed since: clients count on it that tokens expire.
    const { compactedRevision } = registry.store;
    if (at < compactedRevision) throw new CompactedError(at, compactedRevision);
    if (resource.cache.changedAt <= at) return presentPage(registry, resource, namespace, options, selection, at);
    return await pastPage(registry, resource, namespace, options, selection, at);
  } catch (error) {
    if (!(error instanceof CompactedError)) throw error;
    throw continueFrom
      ? expiredToken(continueFrom.after, namespace)
      : gone('The resourceVersion for the provided list is too old.');
  }
}

/** From the cache, whose state for this kind is that of `at` too. */
function presentPage(
  registry: Registry,
  resource: Resource,
  namespace: string,
  { limit, continueFrom }: ListOptions,
  selection: Selection,
  at: number | undefined,
): Page {
  const revision = at === undefined || at < 0 ? registry.revision : at;
  const entries: Entry[] = [];
  let more = false;
  for (const entry of resource.cache.entries(namespace, continueFrom?.after)) {
    if (!selection.matches(entry)) continue;
    more = limit > 0 && entries.length === limit;
    if (more) break;
    entries.push(entry);
  }
  const last = entries.at(-1)?.key;
  const remaining =
    more && selection.all && last !== undefined ? resource.cache.countAfter(namespace, last) : undefined;
  return { entries, metadata: pageMeta(revision, namespace, entries, { more, remaining }) };
}

/** From the store's history. */
async function pastPage(
  registry: Registry,
  resource: Resource,
  namespace: string,
  { limit, continueFrom }: ListOptions,
  selection: Selection,
  revision: number,
): Promise<Page> {
  const root = resource.storeKey('', '');
  const prefix = namespace ? resource.storeKey(namespace, '') : root;
  const entries: Entry[] = [];
  const left = selection.all ? continueFrom?.left : undefined;
  let after = continueFrom && root + continueFrom.after;
  for (;;) {
    const count = selection.all && left === undefined;
    const found = await registry.store.list(prefix, { revision, after, ...(limit > 0 && { limit, count }) });
    for (const [index, { key, value, revision: written }] of found.items.entries()) {
      after = key;
      const entry = resource.cache.entryOf(key.slice(root.length), value, written);
      if (selection.matches(entry)) entries.push(entry);
      if (limit > 0 && entries.length === limit) {
        const more = found.more || index < found.items.length - 1;
        const remaining = left === undefined ? found.remaining : Math.max(1, left - entries.length);
        return { entries, metadata: pageMeta(revision, namespace, entries, { more, remaining }) };
      }
    }
    if (!found.more) return { entries, metadata: pageMeta(revision, namespace, entries, { more: false }) };
  }
}

/** @param rest what comes after the page: how much, where that is known */
function pageMeta(
  revision: number,
  namespace: string,
  entries: readonly Entry[],
  { more, remaining }: { readonly more: boolean; readonly remaining?: number },
): ListMeta {
  const last = entries.at(-1);
  return {
    resourceVersion: String(revision),
    ...(more && last && { continue: writeToken({ revision, after: last.key, left: remaining }, keyPrefix(namespace)) }),
    ...(more && { remainingItemCount: remaining }),
  };
}

function expiredToken(after: string, namespace: string): StatusError {
  const { status } = gone(
    'The provided continue parameter is too old to display a consistent list result. You can start a new list without ' +
      'the continue parameter, or use the continue token in this response to retrieve the remainder of the results. ' +
      'Continuing with the provided token results in an inconsistent list - objects that were created, modified, or ' +
      'deleted between the time the first chunk was returned and now may show up in the list.',
  );
  return new StatusError({
    ...status,
    metadata: { continue: writeToken({ revision: -1, after }, keyPrefix(namespace)) },
  });
}

/** How the entries of a list become its items. */
interface ItemWriter {
  readonly kind: string;
  readonly apiVersion: string;
  length(served: Buffer): number;
  /** Writes the item and answers where it ends. */
  write(served: Buffer, target: Buffer, at: number): number;
}

function objectItems({ kind, bytes }: Resource): ItemWriter {
  return {
    kind: `${kind.kind}List`,
    apiVersion: apiVersionOf(kind),
    length: (served) => bytes.itemLength(served),
    write: (served, target, at) => bytes.writeItem(served, target, at),
  };
}

const partialHead = (version: MetaVersion) => Buffer.from(`{"kind":"PartialObjectMetadata","apiVersion":"${version}",`);
const PARTIAL_HEADS: Readonly<Record<MetaVersion, Buffer>> = {
  'meta.k8s.io/v1': partialHead('meta.k8s.io/v1'),
  'meta.k8s.io/v1beta1': partialHead('meta.k8s.io/v1beta1'),
};

function metadataItems({ bytes }: Resource, apiVersion: MetaVersion): ItemWriter {
  const head = PARTIAL_HEADS[apiVersion];
  return {
    kind: 'PartialObjectMetadataList',
    apiVersion,
    length: (served) => head.length + bytes.metadata(served).length + 1,
    write: (served, target, at) => {
      let end = at + head.copy(target, at);
      end += bytes.metadata(served).copy(target, end);
      target[end] = 0x7d;
      return end + 1;
    },
  };
}

/** The metadata of one object, as PartialObjectMetadata. */
export const partialMetadata = ({ bytes }: Resource, served: Buffer, version: MetaVersion): Buffer =>
  Buffer.concat([PARTIAL_HEADS[version], bytes.metadata(served), Buffer.from('}')]);

async function sendItems(exchange: Exchange, resource: Resource, page: Page, items: ItemWriter): Promise<void> {
  const { kind, apiVersion } = items;
  const head = Buffer.from(`${JSON.stringify({ kind, apiVersion, metadata: page.metadata }).slice(0, -1)},"items":[`);
  const tail = Buffer.from(']}\n');
  const served = page.entries.map((entry) => resource.serve(entry.bytes));
  let length = head.length + tail.length + Math.max(0, served.length - 1);
  for (const bytes of served) length += items.length(bytes);
  if (length <= CHUNK_BYTES || exchange.accepted.encoding === 'yaml') {
    const body = Buffer.allocUnsafe(length);
    let end = head.copy(body);
    for (const [index, bytes] of served.entries()) {
      if (index > 0) body[end++] = COMMA;
      end = items.write(bytes, body, end);
    }
    tail.copy(body, end);
    exchange.send(200, body);
    return;
  }
  if (exchange.indents) return sendIndented(exchange, head, served, items);

  exchange.start(200, 'application/json', { 'Content-Length': String(length) });
  const { response } = exchange;
  // Lists of tens of megabytes in ever new memory would cost more in page faults and garbage than in writing.
  let chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  let end = head.copy(chunk);
  for (const [index, bytes] of served.entries()) {
    const itemLength = items.length(bytes) + 1;
    if (end + itemLength > chunk.length) {
      await written(response, chunk.subarray(0, end));
      end = 0;
      if (itemLength > chunk.length) chunk = Buffer.allocUnsafeSlow(itemLength);
    }
    if (index > 0) chunk[end++] = COMMA;
    end = items.write(bytes, chunk, end);
  }
  await written(response, chunk.subarray(0, end));
  response.end(tail);
}

/** Item by item: to indent a long list at once would hold up everybody else. */
async function sendIndented(
  exchange: Exchange,
  head: Buffer,
  served: readonly Buffer[],
  items: ItemWriter,
): Promise<void> {
  exchange.start(200, 'application/json');
  let text = indented(`${head.toString()}]}`).replace(/\]\n\}$/, '');
  for (const [index, bytes] of served.entries()) {
    const item = Buffer.allocUnsafe(items.length(bytes));
    items.write(bytes, item, 0);
    text += `${index > 0 ? ',' : ''}\n    ${indented(item.toString()).replaceAll('\n', '\n    ')}`;
    if (text.length < CHUNK_BYTES) continue;
    await written(exchange.response, Buffer.from(text));
    text = '';
  }
  exchange.response.end(`${text}\n  ]\n}`);
}

async function sendTable(exchange: Exchange, resource: Resource, { entries, metadata }: Page): Promise<void> {
  const include = parseIncludeObject(exchange.info.query);
  const { metaVersion: apiVersion } = exchange.accepted;
  const { kind } = resource;
  const now = Date.now();
  const rows: object[] = [];
  for (const { bytes } of entries) {
    rows.push(tableRow(kind, resource.parse(bytes), include, now, apiVersion));
    if (rows.length % TABLE_SLICE === 0) await new Promise((resume) => setImmediate(resume));
  }
  exchange.sendObject(200, { kind: 'Table', apiVersion, metadata, columnDefinitions: columnDefinitions(kind), rows });
}

/** Lists: which objects one shows. `list-body.ts` sends them. */
import { gone, StatusError } from '../../../api/machinery/status-error.ts';
import { Semaphore } from '../../../client/semaphore.ts';
import { CompactedError } from '../../store/store.ts';
import type { AuthorizedRequest } from '../admission/pipeline.ts';
import { writeToken } from '../storage/continue-token.ts';
import { ListBodies, type Page } from './list-body.ts';
import { parseListOptions, type ListOptions } from './list-options.ts';
import { waitUntilFresh } from '../catalogue/freshness.ts';
import type { ConvertedEntries } from '../catalogue/converted-entries.ts';
import type { Registry } from '../catalogue/registry.ts';
import type { ServedResource } from '../catalogue/served-resource.ts';
import { keyPrefix, type Entry } from '../storage/cache/entry.ts';
import { parseSelection, type Selection } from './selection.ts';
import type { ListMeta } from '../../../api/types/meta/v1.gen.ts';

/** Lists of objects that a webhook has converted are in memory as a whole: so many at a time. */
const MAX_CONVERTED_LISTS = 8;
const CONVERTED_BATCH = 1000;

/** Serves the lists of one api-server. */
export class ListServer {
  readonly #registry: Registry;
  readonly #bodies = new ListBodies();
  readonly #conversions = new Semaphore(MAX_CONVERTED_LISTS);

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  async serve(exchange: AuthorizedRequest, resource: ServedResource): Promise<void> {
    const { info, namespace } = exchange;
    resource.requireReadable(namespace);
    const options = parseListOptions(info.query, keyPrefix(namespace), this.#registry.revision);
    const selection = parseSelection(resource, info);
    const send = async (): Promise<void> => {
      const page = await findPage(this.#registry, resource, namespace, options, selection);
      await this.send(exchange, resource, page);
    };
    await (resource.converted ? this.#conversions.run(exchange.gone, send) : send());
  }

  send(exchange: AuthorizedRequest, resource: ServedResource, page: Page): Promise<void> {
    return this.#bodies.send(exchange, resource, page);
  }
}

async function findPage(
  registry: Registry,
  resource: ServedResource,
  namespace: string,
  options: ListOptions,
  selection: Selection,
): Promise<Page> {
  const { continueFrom, revision, isExact } = options;
  const stale = waitUntilFresh(registry, continueFrom ? 0 : revision);
  if (stale) await stale;
  const at = continueFrom ? continueFrom.revision : isExact ? revision : undefined;
  if (at === undefined || at < 0) return presentPage(registry, resource, namespace, options, selection, at);
  try {
    if (resource.cache.changedAt <= at) {
      // Throws CompactedError also where nothing has changed since: clients count on it that tokens expire.
      await registry.store.list(resource.storeKey('', ''), { revision: at, limit: 1 });
      if (resource.cache.changedAt <= at)
        return await presentPage(registry, resource, namespace, options, selection, at);
    }
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
  resource: ServedResource,
  namespace: string,
  { limit, continueFrom }: ListOptions,
  selection: Selection,
  at: number | undefined,
): Page | Promise<Page> {
  const revision = at === undefined || at < 0 ? registry.revision : at;
  if (resource.converted) {
    const present = [...resource.cache.entries(namespace, continueFrom?.after)];
    return convertedPage(resource.converted, present, limit, selection, revision, namespace);
  }
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

/** Of entries that a webhook converts, a batch at a time: selectors are about what it makes of them. */
async function convertedPage(
  converted: ConvertedEntries,
  present: readonly Entry[],
  limit: number,
  selection: Selection,
  revision: number,
  namespace: string,
): Promise<Page> {
  const entries: Entry[] = [];
  const size = limit > 0 ? limit + 1 : CONVERTED_BATCH;
  for (let from = 0; from < present.length; from += size) {
    for (const [index, entry] of (await converted.all(present.slice(from, from + size))).entries()) {
      if (!selection.matches(entry)) continue;
      if (limit > 0 && entries.length === limit) {
        const remaining = selection.all ? present.length - from - index : undefined;
        return { entries, metadata: pageMeta(revision, namespace, entries, { more: true, remaining }) };
      }
      entries.push(entry);
    }
  }
  return { entries, metadata: pageMeta(revision, namespace, entries, { more: false }) };
}

/** From the store's history. */
async function pastPage(
  registry: Registry,
  resource: ServedResource,
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
    after = found.items.at(-1)?.key ?? after;
    const past = found.items.map((item) => resource.cache.readableEntry(item, root));
    for (const [index, entry] of (resource.converted ? await resource.converted.all(past) : past).entries()) {
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

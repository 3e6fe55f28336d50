/**
 * What an etcd says of itself as the home of a cluster whose objects have come from elsewhere, or have gone: under a key beside
 * the objects. One that has had its objects from the start has none.
 */
import { isJsonObject } from '../../../api/machinery/own.ts';
import { StoreUnavailableError, type Store } from '../store.ts';
import { ShiftedStore } from './shifted-store.ts';

export interface HomeRecord {
  /** `filling`: a copy that has not been completed; `in-use`; `moved`: the objects are elsewhere now. */
  readonly state: 'filling' | 'in-use' | 'moved';
  /** How much higher revisions are than etcd's. */
  readonly revisionOffset: number;
  /** What is copied here, or where the objects have gone: for people. */
  readonly what: string;
  /** RFC 3339. */
  readonly at: string;
  /** The revision of what has been copied here. */
  readonly sourceRevision?: number;
}

export const homeRecordKey = (root: string): string => `${root}kedge/store`;

/** Throws StoreUnavailableError when there is one that cannot be read. */
export async function readHomeRecord(store: Store, root: string): Promise<HomeRecord | undefined> {
  const key = homeRecordKey(root);
  const found = await store.get(key);
  if (!found) return undefined;
  const record = parsed(found.value.toString());
  if (record) return record;
  throw new StoreUnavailableError(`the value of ${key} in etcd is not one that kedge has written`);
}

function parsed(text: string): HomeRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  if (!isJsonObject(value)) return undefined;
  const { state, revisionOffset, what, at } = value;
  const isKnown = state === 'filling' || state === 'in-use' || state === 'moved';
  const isOffset = Number.isSafeInteger(revisionOffset) && Number(revisionOffset) >= 0;
  return isKnown && isOffset && typeof what === 'string' && typeof at === 'string'
    ? (value as unknown as HomeRecord)
    : undefined;
}

export async function writeHomeRecord(store: Store, root: string, record: HomeRecord): Promise<void> {
  await store.put(homeRecordKey(root), Buffer.from(JSON.stringify(record)));
}

/** The store as servers use it. Throws StoreUnavailableError when they must not. @param where the etcd, for messages */
export async function asHome(store: Store, root: string, where: string): Promise<Store> {
  const record = await readHomeRecord(store, root);
  if (!record) return store;
  const { state, what, at, revisionOffset } = record;
  if (state === 'filling')
    throw new StoreUnavailableError(
      `${where} is the unfinished target of ${what}, begun at ${at}: run that again to its end, or use what it came from`,
    );
  if (state === 'moved')
    throw new StoreUnavailableError(`the objects in ${where} were moved to ${what} at ${at}: use that`);
  return revisionOffset > 0 ? new ShiftedStore(store, revisionOffset) : store;
}

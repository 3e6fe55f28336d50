/**
 * Who owns which fields of an object: `metadata.managedFields`. On the write path it is text, of which only what a write may change is
 * parsed. The layout of the text is this file's own: `manager` comes first in an entry and `fieldsV1` last.
 */
import { isJsonObject } from '../own.ts';
import { TextCache } from '../text-cache.ts';
import { EMPTY, fieldSetOf, fieldsText, type FieldSet } from './field-set.ts';
import { FieldsError } from './path-element.ts';

export type Operation = 'Apply' | 'Update';

/** Who a manager is. One that applies is the same one in every version. */
export interface Manager {
  readonly manager: string;
  readonly operation: Operation;
  readonly apiVersion: string;
  readonly subresource: string;
}

/** Identifies a manager. Sorted by it, managers are in the order in which upstream sorts them. */
export const managerId = ({ manager, operation, apiVersion, subresource }: Manager): string =>
  JSON.stringify({
    ...(manager && { manager }),
    operation,
    ...(operation === 'Update' && { apiVersion }),
    ...(subresource && { subresource }),
  });

export class Owner implements Manager {
  readonly manager: string;
  readonly operation: Operation;
  readonly apiVersion: string;
  readonly subresource: string;
  /** RFC 3339; undefined for one that has changed nothing. */
  readonly time: string | undefined;
  #fields: FieldSet | undefined;
  #text: string | undefined;
  #id: string | undefined;
  #entry: string | undefined;

  /** @param entry as `entry` is, when it is known */
  constructor(by: Manager, time: string | undefined, fields: FieldSet | string, entry?: string) {
    this.manager = by.manager;
    this.operation = by.operation;
    this.apiVersion = by.apiVersion;
    this.subresource = by.subresource;
    this.time = time;
    if (typeof fields === 'string') this.#text = fields;
    else this.#fields = fields;
    this.#entry = entry;
  }

  get id(): string {
    return (this.#id ??= managerId(this));
  }

  get fields(): FieldSet {
    return (this.#fields ??= parsedSets.get(this.text, parseSet));
  }

  /** As `FieldsV1`. */
  get text(): string {
    return (this.#text ??= fieldsText(this.#fields ?? EMPTY));
  }

  /** The JSON text of the owner in `metadata.managedFields`. */
  get entry(): string {
    return (this.#entry ??= entryText(this, this.time, this.text));
  }

  /** Whether a field may be among those of the set; a cheap test that needs no parsing. */
  mayHave({ children }: FieldSet): boolean {
    for (const element of children.keys()) if (this.text.includes(JSON.stringify(element))) return true;
    return false;
  }

  with(fields: FieldSet): Owner {
    return new Owner(this, this.time, fields);
  }

  at(time: string | undefined): Owner {
    return time === this.time ? this : new Owner(this, time, this.text);
  }
}

/** By `managerId`. */
export type Owners = Map<string, Owner>;

const ENTRY_START = '{"manager":';
const ENTRIES_SEPARATOR = `},${ENTRY_START}`;
const FIELDS_KEY = ',"fieldsV1":';

interface Head {
  readonly manager: string;
  readonly operation: Operation;
  readonly apiVersion?: string;
  readonly subresource?: string;
  readonly time?: string;
}

/** Parses what `ownersText` has written. Strings are quoted in it, so that no name can look like the structure. */
export function parseOwners(text: string): Owners {
  const owners: Owners = new Map();
  if (!text) return owners;
  for (const entry of text.slice(`[${ENTRY_START}`.length, -'}]'.length).split(ENTRIES_SEPARATOR)) {
    const owner = parsedEntries.get(entry, parseEntry);
    owners.set(owner.id, owner);
  }
  return owners;
}

function parseEntry(entry: string): Owner {
  const at = entry.indexOf(FIELDS_KEY);
  const head = JSON.parse(`${ENTRY_START}${entry.slice(0, at)}}`) as Head;
  const by = { ...head, apiVersion: head.apiVersion ?? '', subresource: head.subresource ?? '' };
  return new Owner(by, head.time, entry.slice(at + FIELDS_KEY.length), `${ENTRY_START}${entry}}`);
}

/** Objects of one workload have the same owners, and are written again and again. */
const parsedEntries = new TextCache<Owner>();
const parsedSets = new TextCache<FieldSet>();
const parseSet = (text: string): FieldSet => fieldSetOf(JSON.parse(text));

/** The JSON text of `metadata.managedFields`; '' when there are none. */
export function ownersText(owners: Owners): string {
  if (owners.size === 0) return '';
  const sorted = [...owners.values()];
  if (!areInOrder(sorted)) sorted.sort(compareOwners);
  return `[${sorted.map(({ entry }) => entry).join(',')}]`;
}

export function entryText(by: Manager, time: string | undefined, fields: string): string {
  const { manager, operation, apiVersion, subresource } = by;
  const at = time === undefined ? '' : `,"time":${JSON.stringify(time)}`;
  const part = subresource && `,"subresource":${JSON.stringify(subresource)}`;
  return `${ENTRY_START}${JSON.stringify(manager)},"operation":"${operation}","apiVersion":${JSON.stringify(apiVersion)}${at}${part},"fieldsType":"FieldsV1"${FIELDS_KEY}${fields}}`;
}

const compareText = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0);
/** Upstream's `sortEncodedManagedFields`. Times are canonical: they sort as text. */
const compareOwners = (one: Owner, other: Owner): number =>
  compareText(one.operation, other.operation) ||
  compareText(one.time ?? '', other.time ?? '') ||
  compareText(one.manager, other.manager) ||
  compareText(one.apiVersion, other.apiVersion) ||
  compareText(one.subresource, other.subresource);

/** They are, unless one that was not the last has written last. */
function areInOrder(owners: readonly Owner[]): boolean {
  for (let index = 1; index < owners.length; index++)
    if (compareOwners(owners[index - 1]!, owners[index]!) > 0) return false;
  return true;
}

/** An entry of `metadata.managedFields`, as a client sends it. */
export interface ManagedFieldsEntry {
  readonly manager?: string;
  readonly operation?: string;
  readonly apiVersion?: string;
  readonly time?: string | null;
  readonly fieldsType?: string;
  readonly fieldsV1?: unknown;
  readonly subresource?: string;
}

/** Upstream's `DecodeManagedFields`. Throws FieldsError for entries that are not valid. */
export function ownersOf(entries: readonly ManagedFieldsEntry[]): Owners {
  const owners: Owners = new Map();
  for (const [index, entry] of entries.entries()) {
    const { manager = '', operation, apiVersion = '', time, fieldsType, fieldsV1, subresource = '' } = entry;
    if (operation !== 'Apply' && operation !== 'Update') throw new FieldsError('operation must be `Apply` or `Update`');
    if (!apiVersion) throw new FieldsError('apiVersion must not be empty');
    if (!fieldsType) throw new FieldsError(`missing fieldsType in managed fields entry ${index}`);
    if (fieldsType !== 'FieldsV1') {
      throw new FieldsError(`invalid fieldsType ${JSON.stringify(fieldsType)} in managed fields entry ${index}`);
    }
    const by = { manager, operation, apiVersion, subresource } as const;
    owners.set(managerId(by), new Owner(by, time ?? undefined, fieldSetOf(fieldsV1 ?? {})));
  }
  return owners;
}

/** Whether a client asks for an object without managers: by an empty list, or by one empty entry. */
export function isReset(entries: readonly unknown[]): boolean {
  if (entries.length === 0) return true;
  const [entry] = entries;
  return entries.length === 1 && isJsonObject(entry) && Object.keys(entry).length === 0;
}

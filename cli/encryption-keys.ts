/** How a key is put into an EncryptionConfiguration, and which step of it comes next. Pure. */
import { isMap, isSeq, parseDocument, type Document, type YAMLSeq } from 'yaml';
import { readEncryptionConfiguration } from '../control-plane/store/encrypted/configuration.ts';
import type { EncryptionStatus } from '../control-plane/store/encrypted/encrypted-store.ts';
import { SettingsError } from './settings.ts';

/** Providers that have their keys in the file. */
const KEYED = ['aesgcm', 'aescbc', 'secretbox'] as const;
/** The names of keys that are made here; the later one is the newer one, as text, too. */
const MADE_HERE = /^key-\d{14}$/;

export const newKeyName = (now: Date): string => `key-${now.toISOString().replace(/\D/g, '').slice(0, 14)}`;

/** The keys of each first provider. Throws SettingsError when there are none. */
function firstKeys(document: Document): readonly YAMLSeq[] {
  const resources = document.get('resources');
  const found: YAMLSeq[] = [];
  for (const entry of isSeq(resources) ? resources.items : []) {
    const providers = isMap(entry) ? entry.get('providers') : undefined;
    const first = isSeq(providers) ? providers.items[0] : undefined;
    for (const provider of KEYED) {
      const keys = isMap(first) ? first.getIn([provider, 'keys']) : undefined;
      if (isSeq(keys)) found.push(keys);
    }
  }
  if (found.length === 0)
    throw new SettingsError(
      'no entry has a key to be replaced: its first provider must be aesgcm, aescbc or secretbox',
    );
  return found;
}

/** Comments stay. Throws SettingsError, or SettingValueError for a text that is wrong before or after. */
function changed(text: string, change: (keys: YAMLSeq, document: Document) => void): string {
  readEncryptionConfiguration(text);
  const document: Document = parseDocument(text);
  for (const keys of firstKeys(document)) change(keys, document);
  const result = document.toString({ lineWidth: 0 });
  readEncryptionConfiguration(result);
  return result;
}

/**
 * The text of a configuration with a new key among those of each first provider: `first`, to be written with, or `second`, to be read with.
 * Throws as `changed`.
 */
export const withNewKey = (text: string, name: string, secret: string, place: 'first' | 'second'): string =>
  changed(text, (keys, document) => {
    keys.items.splice(place === 'first' ? 0 : 1, 0, document.createNode({ name, secret }));
  });

const nameOf = (key: unknown): string => (isMap(key) ? String(key.get('name')) : '');

/** The text with the key of that name in front of the others. Throws as `changed`. */
export const withKeyFirst = (text: string, name: string): string =>
  changed(text, (keys) => {
    const at = keys.items.findIndex((key) => nameOf(key) === name);
    if (at > 0) keys.items.unshift(...keys.items.splice(at, 1));
  });

/** A key that was made here and is not written with yet; undefined when there is none. Throws SettingsError. */
export function preparedKey(text: string): string | undefined {
  for (const { items } of firstKeys(parseDocument(text))) {
    const [first, second] = items.map(nameOf);
    // One that was replaced is behind a newer one.
    const isNewer = !MADE_HERE.test(first ?? '') || (second ?? '') > (first ?? '');
    if (second !== undefined && MADE_HERE.test(second) && isNewer) return second;
  }
  return undefined;
}

/** A server, and what it says of the keys that it has. */
export interface ServersKeys {
  readonly server: string;
  readonly status: Pick<EncryptionStatus, 'entries' | 'stale'>;
}

/**
 * - `prepare`: a new key is put behind the first one.
 * - `wait`: these servers do not read, or write, with the key yet.
 * - `write`: all servers can read what is written with it.
 * - `finish`: all write with it, and what is stored with another one is to be stored again.
 */
export type RotationStep =
  | { readonly kind: 'prepare' }
  | {
      readonly kind: 'wait';
      readonly name: string;
      readonly use: 'read' | 'write';
      readonly servers: readonly string[];
    }
  | { readonly kind: 'write' | 'finish'; readonly name: string };

const hasWay = (way: string, name: string): boolean => way.endsWith(`:${name}`);

/**
 * What is next where several servers share what is stored: each has to be able to read with a key before one of them writes with it.
 * @param text the configuration of this server. Throws SettingsError.
 */
export function nextStep(text: string, servers: readonly ServersKeys[]): RotationStep {
  const without = (name: string, use: 'read' | 'write'): readonly string[] =>
    servers.flatMap(({ server, status: { entries } }) => {
      const knows = entries.some(({ reads, writes }) =>
        (use === 'read' ? reads : [writes]).some((way) => hasWay(way, name)),
      );
      return knows ? [] : [server];
    });
  const prepared = preparedKey(text);
  if (prepared !== undefined) {
    const behind = without(prepared, 'read');
    if (behind.length > 0) return { kind: 'wait', name: prepared, use: 'read', servers: behind };
    return { kind: 'write', name: prepared };
  }
  const [name = ''] = firstKeys(parseDocument(text)).map(({ items }) => nameOf(items[0]));
  if (!MADE_HERE.test(name)) return { kind: 'prepare' };
  const behind = without(name, 'write');
  if (behind.length > 0) return { kind: 'wait', name, use: 'write', servers: behind };
  return servers.some(({ status }) => status.stale.count > 0) ? { kind: 'finish', name } : { kind: 'prepare' };
}

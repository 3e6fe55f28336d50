/** Objects as they may be shown to others: without the values of variables, secrets, commands and what containers say. Pure. */
import type { Pod } from '../../../api/types/core/v1.gen.ts';
import { namesSecret, redact } from '../../recorder/redact.ts';

const REMOVED = '(removed)';
/** Of annotations, those that say where a pod comes from; others may hold anything, the last applied configuration among them. */
const PUBLIC_ANNOTATION = /^kubernetes\.io\/config\.(?:source|hash|mirror|seen)$/;
/** Tables whose values are their author's: names are kept. */
const TABLES: ReadonlySet<string> = new Set(['volumeAttributes', 'options', 'parameters', 'data', 'stringData']);

/** A copy of an object of the API, or of a part of one. */
export function publicObject(value: unknown, key = ''): unknown {
  if (typeof value === 'string') return namesSecret(key) && !isReference(key) ? REMOVED : redact(value);
  if (Array.isArray(value)) return publicList(value, key);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([name]) => name !== 'managedFields');
  return Object.fromEntries(entries.map(([name, entry]) => [name, publicEntry(name, entry, key)]));
}

/** Names of Secrets are none: `secretName`, `imagePullSecrets`, `serviceAccountToken.path`. */
const isReference = (key: string): boolean => /name$/i.test(key);

function publicList(items: readonly unknown[], key: string): unknown[] {
  // The program is kept, and how much it is told.
  if (key === 'command') return items.length === 0 ? [] : [programOf(items[0]), ...removed(items.length - 1)];
  if (key === 'args') return items.length === 0 ? [] : [`(${items.length} removed)`];
  return items.map((item) => publicObject(item, key));
}

const removed = (count: number): string[] => (count === 0 ? [] : [`(${count} more removed)`]);

/** Some write a whole command where the program belongs. */
function programOf(item: unknown): string {
  const [program = '', ...rest] = String(item).split(/\s+/);
  return [redact(program), ...(rest.length === 0 ? [] : ['(more removed)'])].join(' ');
}

function publicEntry(name: string, entry: unknown, within: string): unknown {
  if (within === 'annotations') return PUBLIC_ANNOTATION.test(name) ? entry : REMOVED;
  if (TABLES.has(within)) return REMOVED;
  if (name === 'value' && (within === 'env' || within === 'httpHeaders' || within === 'options')) return REMOVED;
  if (name === 'path' && within === 'httpGet') return redact(String(entry)).replace(/\?.*$/s, `?${REMOVED}`);
  // The last words of a container.
  if (name === 'message' && within === 'terminated') return REMOVED;
  return publicObject(entry, name);
}

const MIN_SECRET = 6;
/** Neither a word nor a number, path, address or sentence. */
const LOOKS_RANDOM = /^(?=.*\d)(?=.*[a-z])[^\s/:.,]{8,}$/i;

/** Values that are to be found nowhere in what is shown: those of variables that look secret by their name or by themselves. */
export function secretValues(pods: readonly Pod[]): string[] {
  const found = new Set<string>();
  for (const { spec } of pods)
    for (const { env = [] } of [
      ...(spec?.initContainers ?? []),
      ...(spec?.containers ?? []),
      ...(spec?.ephemeralContainers ?? []),
    ])
      for (const { name, value = '' } of env)
        if (value.length >= MIN_SECRET && (namesSecret(name) || LOOKS_RANDOM.test(value))) found.add(value);
  return [...found];
}

const MAX_SECRETS = 2_000;

/** Takes these values out of a text, also as they are written in JSON. */
export function scrubber(values: readonly string[]): (text: string) => string {
  const forms = values.slice(0, MAX_SECRETS).flatMap((value) => [value, JSON.stringify(value).slice(1, -1)]);
  // The longest first: one may be a part of another.
  const longest = [...new Set(forms)].filter(Boolean).sort((a, b) => b.length - a.length);
  if (longest.length === 0) return (text) => text;
  const pattern = new RegExp(longest.map((value) => RegExp.escape(value)).join('|'), 'g');
  return (text) => text.replace(pattern, '***');
}

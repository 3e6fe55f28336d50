/** What parsing JSON loses: duplicate keys, and unpaired UTF-16 surrogates. */
import { MAX_PROBLEMS } from './limits.ts';

/** The messages of upstream's decoder about fields. */
export const unknownField = (path: string): string => `unknown field ${JSON.stringify(path)}`;
const duplicateField = (path: string): string => `duplicate field ${JSON.stringify(path)}`;

/** Limits the messages about fields: a path may be as long as the body. */
const MAX_PROBLEM_CHARS = 65_536;
/** The paths of known fields are shorter. */
const MAX_KNOWN_PATH = 512;

const SURROGATE_ESCAPES =
  /\\u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|\\u[dD][89a-fA-F][\da-fA-F]{2}|\\./gs;
const PAIR_LENGTH = '\\ud800\\udc00'.length;
const REPLACEMENT = '\\ufffd';

/** Replaces escapes of unpaired surrogates, which UTF-8 cannot encode, by U+FFFD, as upstream does. */
export function replaceLoneSurrogates(text: string): string {
  // A cheap test first: hardly any body has such escapes.
  if (!text.includes('\\u') || !/\\u[dD][89a-fA-F]/.test(text)) return text;
  return text.replace(SURROGATE_ESCAPES, (escape) =>
    escape.length > '\\n'.length && escape.length < PAIR_LENGTH ? REPLACEMENT : escape,
  );
}

/**
 * A cheap test that suffices for nearly every body. A key ends in `":`, so when there are no more of those in the text than keys in
 * the parsed value, there are no duplicates; strings that contain `":` and whitespace before a colon only cost the full test.
 */
export function mayRepeatKeys(text: string, keys: number): boolean {
  let ends = 0;
  for (let at = text.indexOf(':'); at >= 0; at = text.indexOf(':', at + 1)) {
    const before = text[at - 1];
    if (before === '"') ends++;
    else if (before === ' ' || before === '\t' || before === '\r' || before === '\n') return true;
  }
  return ends > keys;
}

/** An object or array that encloses the current position. */
interface Level {
  /** Of an object; undefined for an array. */
  readonly keys: Set<string> | undefined;
  /** Its path; undefined below an unknown field, and where there can be no known one. */
  readonly knownPath: string | undefined;
  readonly isUnknown: boolean;
  index: number;
  /** The key of the next value in an object. */
  key: string;
  /** Whether a key comes next in an object. */
  atKey: boolean;
}

/**
 * The duplicate keys of valid JSON and the given unknown fields, in the order of the text. A duplicate key that is unknown, or below
 * an unknown one, is reported as unknown only.
 */
export function fieldProblems(text: string, unknown: readonly string[] = []): string[] {
  return new TextReader(text, unknown).read();
}

class TextReader {
  readonly #text: string;
  readonly #unknown: Set<string>;
  readonly #levels: Level[] = [];
  readonly #problems = new Set<string>();
  #problemChars = 0;

  constructor(text: string, unknown: readonly string[]) {
    this.#text = text;
    this.#unknown = new Set(unknown);
  }

  read(): string[] {
    const text = this.#text;
    for (let at = 0; at < text.length && !this.#isFull(); at++) {
      const level = this.#levels.at(-1);
      switch (text[at]) {
        case '{':
          this.#enter(new Set());
          break;
        case '[':
          this.#enter(undefined);
          break;
        case '}':
        case ']':
          this.#levels.pop();
          break;
        case ',':
          if (level) {
            level.index++;
            level.atKey = level.keys !== undefined;
          }
          break;
        case '"': {
          const end = endOfString(text, at);
          if (level?.atKey) this.#readKey(level, text.slice(at + 1, end));
          at = end;
          break;
        }
        default:
      }
    }
    // The others are where positions were not tracked.
    for (const problem of this.#unknown) this.#report(problem);
    return [...this.#problems];
  }

  #isFull(): boolean {
    return this.#problems.size >= MAX_PROBLEMS || this.#problemChars >= MAX_PROBLEM_CHARS;
  }

  #report(problem: string): void {
    if (this.#isFull() || this.#problems.has(problem)) return;
    this.#problems.add(problem);
    this.#problemChars += problem.length;
  }

  #enter(keys: Set<string> | undefined): void {
    const parent = this.#levels.at(-1);
    const isUnknown = parent?.isUnknown === true || (parent?.keys !== undefined && this.#isKnownUnknown(parent));
    this.#levels.push({
      keys,
      knownPath: parent ? this.#knownPath(parent) : '',
      isUnknown,
      index: 0,
      key: '',
      atKey: keys !== undefined,
    });
  }

  #knownPath({ keys, knownPath, key, index }: Level): string | undefined {
    if (this.#unknown.size === 0 || knownPath === undefined || knownPath.length > MAX_KNOWN_PATH) return undefined;
    if (!keys) return `${knownPath}[${index}]`;
    return knownPath ? `${knownPath}.${key}` : key;
  }

  #isKnownUnknown(level: Level): boolean {
    const path = this.#knownPath(level);
    return path !== undefined && this.#unknown.has(unknownField(path));
  }

  #readKey(level: Level, written: string): void {
    const key = written.includes('\\') ? (JSON.parse(`"${written}"`) as string) : written;
    level.key = key;
    level.atKey = false;
    if (!level.isUnknown) {
      if (this.#isKnownUnknown(level)) this.#report(unknownField(this.#knownPath(level) ?? key));
      else if (level.keys?.has(key)) this.#report(duplicateField(this.#path()));
    }
    level.keys?.add(key);
  }

  /** The path of the current key. */
  #path(): string {
    let path = '';
    for (const { keys, key, index } of this.#levels) path += !keys ? `[${index}]` : path ? `.${key}` : key;
    return path;
  }
}

/** The position of the closing quote of the string that begins at `start`. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at;
}

/** What the text of JSON tells and its parsed value does not: keys that are given twice, and halves of UTF-16 pairs. */
import { MAX_PROBLEMS } from './limits.ts';

/** What is wrong with a field, as upstream's decoder words it. */
export const unknownField = (path: string): string => `unknown field ${JSON.stringify(path)}`;
const duplicateField = (path: string): string => `duplicate field ${JSON.stringify(path)}`;

/** Text that is told of fields stops here: a path may be as long as the body. */
const MAX_PROBLEM_CHARS = 65_536;
/** Of the fields that schemas know, paths are shorter. */
const MAX_KNOWN_PATH = 512;

const SURROGATE_ESCAPES =
  /\\u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|\\u[dD][89a-fA-F][\da-fA-F]{2}|\\./gs;
const PAIR_LENGTH = '\\ud800\\udc00'.length;
const REPLACEMENT = '\\ufffd';

/** JSON text without escapes of half a pair, which no UTF-8 can say: they become U+FFFD, as with upstream. */
export function withSoundEscapes(text: string): string {
  // The first look is the cheap one: nearly no body has such escapes.
  if (!text.includes('\\u') || !/\\u[dD][89a-fA-F]/.test(text)) return text;
  return text.replace(SURROGATE_ESCAPES, (escape) =>
    escape.length > '\\n'.length && escape.length < PAIR_LENGTH ? REPLACEMENT : escape,
  );
}

/**
 * A cheap test that clears nearly every body. A key of the text ends in `":`, so when there are no more of those than the
 * parsed value has keys, none was lost; strings that contain `":` and blanks before a colon only cost a closer look.
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

/** One object or array around the place that is being read. */
interface Level {
  /** Of an object; undefined for an array. */
  readonly keys: Set<string> | undefined;
  /** How the text says where this is; undefined below a field that is not known, and where no known field can be. */
  readonly knownPath: string | undefined;
  readonly isUnknown: boolean;
  index: number;
  /** The key of the value that comes next in an object. */
  key: string;
  /** Whether what comes next in an object is a key. */
  atKey: boolean;
}

/**
 * The repeated keys of text that is known to be valid JSON, and the given unknown fields, in the order of the text. A repeated
 * key that is not known, or that is below one, counts as unknown alone.
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
    // What is left is where its place was not looked for.
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

  /** Where the key that is being read is. */
  #path(): string {
    let path = '';
    for (const { keys, key, index } of this.#levels) path += !keys ? `[${index}]` : path ? `.${key}` : key;
    return path;
  }
}

/** Where the string that begins at `start` has its closing quote. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at;
}

/**
 * Parses YAML into JSON values, as upstream's YAML library and its conversion to JSON: YAML 1.1, where `yes` is true and 0644 octal;
 * merge keys; the first document only.
 */
import {
  Composer,
  LineCounter,
  Parser,
  Scalar,
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  type Alias,
  type CST,
  type CollectionTag,
  type Document,
  type Node,
  type ScalarTag,
  type Tags,
  type YAMLMap,
} from 'yaml';
import { MAX_DEPTH, MAX_PROBLEMS, MAX_YAML_TOKENS } from './limits.ts';
import { tooLarge } from './status-error.ts';

export interface YamlText {
  /** The keys of objects are sorted, as after upstream's conversion. */
  readonly value: unknown;
  /** Duplicate keys, as `line 4: key "a" already set in map`. The last one counts. */
  readonly repeated: string[];
}

/** The text is not YAML, or cannot be converted to JSON. */
export class YamlError extends Error {
  override readonly name = 'YamlError';
}

/** The library's messages quote what it cannot parse, however long. */
const MAX_MESSAGE = 256;
/** Of all scalars that aliases stand for: as much as a body may have. The guard below counts nodes, however long each is. */
const MAX_ALIASED_CHARS = 3 * 1024 * 1024;
/** Characters that are not printable in YAML. */
const UNPRINTABLE = /[^\t\n\r\x20-\x7e\x85\xa0-\ufffd]/;
const TOO_DEEP = 'yaml: exceeded max depth';

/** Tags without an equivalent in JSON; times and sexagesimal numbers stay strings, and merge keys are merged here. */
const UNWANTED_TAGS = new Set(
  ['timestamp', 'set', 'omap', 'pairs', 'merge'].map((name) => `tag:yaml.org,2002:${name}`),
);
const isWanted = (tag: Tags[number] | CollectionTag | ScalarTag): boolean =>
  typeof tag === 'string' || !(UNWANTED_TAGS.has(tag.tag) || ('format' in tag && tag.format === 'TIME'));

/**
 * go-yaml's guard against alias bombs: of few decoded nodes nearly all may come from aliases, of many only a tenth.
 */
const FREE_ALIAS_NODES = 100;
const FREE_NODES = 1_000;
const FEW_NODES = 400_000;
const MANY_NODES = 4_000_000;
const RATIO_OF_FEW = 0.99;
const RATIO_OF_MANY = 0.1;

function allowedAliasRatio(nodes: number): number {
  const place = Math.min(1, Math.max(0, (nodes - FEW_NODES) / (MANY_NODES - FEW_NODES)));
  return RATIO_OF_FEW - (RATIO_OF_FEW - RATIO_OF_MANY) * place;
}

/** Throws YamlError, and a 413 StatusError for text that would take too long to parse. */
export function parseYaml(text: string): YamlText {
  if (UNPRINTABLE.test(text)) throw new YamlError('yaml: control characters are not allowed');
  const lines = new LineCounter();
  const document = firstDocument(text, lines);
  const [failure] = document.errors;
  if (failure) {
    if (failure.code === 'RESOURCE_EXHAUSTION') throw new YamlError(TOO_DEEP);
    const { line } = lines.linePos(failure.pos[0]);
    const message = failure.message.slice(0, MAX_MESSAGE).split('\n', 1)[0];
    throw new YamlError(`yaml: line ${line}: ${message}`);
  }
  const converter = new Converter(lines);
  const value = document.contents === null ? null : converter.valueOf(document.contents, 0);
  return { value, repeated: converter.repeated };
}

class BoundedParser extends Parser {
  #tokens = 0;

  override *next(source: string): Generator<CST.Token, void> {
    if (++this.#tokens > MAX_YAML_TOKENS) {
      throw tooLarge(`YAML of more than ${MAX_YAML_TOKENS} tokens is not read, JSON of the same size is`);
    }
    // Open collections cost time at each further level; a level takes two entries at most.
    if (this.stack.length > 2 * MAX_DEPTH) throw new YamlError(TOO_DEEP);
    yield* super.next(source);
  }
}

function firstDocument(text: string, lines: LineCounter): Document.Parsed {
  const composer = new Composer({
    version: '1.1',
    customTags: (tags) => tags.filter(isWanted),
    uniqueKeys: false,
    logLevel: 'silent',
    prettyErrors: false,
    lineCounter: lines,
  });
  try {
    for (const document of composer.compose(new BoundedParser(lines.addNewLine).parse(text), true, text.length)) {
      return document;
    }
  } catch (error) {
    // The library is recursive.
    if (error instanceof RangeError) throw new YamlError(TOO_DEEP);
    throw error;
  }
  throw new YamlError('yaml: no document');
}

/** Converts the nodes in the order of the text. */
class Converter {
  readonly repeated: string[] = [];
  readonly #lines: LineCounter;
  readonly #anchors = new Map<string, Node>();
  readonly #targets = new Map<Alias, Node>();
  /** The aliases that are being resolved. */
  readonly #within = new Set<Node>();
  #nodes = 0;
  #aliasNodes = 0;
  #aliasedChars = 0;

  constructor(lines: LineCounter) {
    this.#lines = lines;
  }

  valueOf(node: unknown, depth: number): unknown {
    if (depth > MAX_DEPTH) throw new YamlError(TOO_DEEP);
    this.#count();
    if (isAlias(node)) return this.#follow(node, (target) => this.valueOf(target, depth));
    this.#remember(node);
    if (isScalar(node)) return this.#scalar(node);
    if (isSeq(node)) return node.items.map((item) => this.valueOf(item, depth + 1));
    if (isMap(node)) return inOrder(this.#entriesOf(node, depth));
    return null;
  }

  #count(): void {
    this.#nodes++;
    if (this.#within.size > 0) this.#aliasNodes++;
    if (
      this.#aliasNodes > FREE_ALIAS_NODES &&
      this.#nodes > FREE_NODES &&
      this.#aliasNodes / this.#nodes > allowedAliasRatio(this.#nodes)
    ) {
      throw new YamlError('yaml: document contains excessive aliasing');
    }
  }

  #scalar({ value, source = '' }: Scalar): unknown {
    if (this.#within.size > 0) this.#aliasedChars += source.length;
    if (this.#aliasedChars > MAX_ALIASED_CHARS)
      throw tooLarge(`Request entity too large: aliases stand for more than ${MAX_ALIASED_CHARS} characters`);
    return scalarValue(value);
  }

  #remember(node: unknown): void {
    if ((isScalar(node) || isMap(node) || isSeq(node)) && node.anchor && this.#within.size === 0) {
      this.#anchors.set(node.anchor, node);
    }
  }

  #follow<T>(alias: Alias, read: (target: Node) => T): T {
    const { source } = alias;
    const target = this.#targets.get(alias) ?? this.#anchors.get(source);
    if (!target) throw new YamlError(`yaml: unknown anchor '${source}' referenced`);
    if (this.#within.has(target)) throw new YamlError(`yaml: anchor '${source}' value contains itself`);
    this.#targets.set(alias, target);
    this.#within.add(target);
    const value = read(target);
    this.#within.delete(target);
    return value;
  }

  #entriesOf(map: YAMLMap, depth: number): Map<string, unknown> {
    const entries = new Map<string, unknown>();
    const given = new Set<string>();
    for (const pair of map.items) {
      if (!isPair(pair)) continue;
      if (isMergeKey(pair.key)) {
        this.#merge(pair.value, entries, depth);
        continue;
      }
      const key = keyText(this.valueOf(pair.key, depth + 1));
      if (given.has(key)) this.#reportRepeated(pair.key, key);
      given.add(key);
      entries.set(key, this.valueOf(pair.value, depth + 1));
    }
    return entries;
  }

  /** Later keys override earlier ones, merged or not, as in upstream's library. */
  #merge(source: unknown, into: Map<string, unknown>, depth: number): void {
    if (depth > MAX_DEPTH) throw new YamlError(TOO_DEEP);
    this.#count();
    if (isAlias(source)) return this.#follow(source, (target) => this.#merge(target, into, depth + 1));
    this.#remember(source);
    if (isMap(source)) {
      for (const [key, value] of this.#entriesOf(source, depth)) into.set(key, value);
    } else if (isSeq(source)) {
      // In a list, the first map that has a key wins.
      for (const item of [...source.items].reverse()) this.#merge(item, into, depth + 1);
    } else {
      throw new YamlError('yaml: map merge requires map or sequence of maps as the value');
    }
  }

  #reportRepeated(node: unknown, key: string): void {
    if (this.#within.size > 0 || this.repeated.length >= MAX_PROBLEMS) return;
    const start = isScalar(node) || isMap(node) || isSeq(node) ? node.range?.[0] : undefined;
    const { line } = this.#lines.linePos(start ?? 0);
    this.repeated.push(`line ${line}: key ${JSON.stringify(key)} already set in map`);
  }
}

const isMergeKey = (key: unknown): boolean => isScalar(key) && key.value === '<<' && key.type === Scalar.PLAIN;

function scalarValue(value: unknown): unknown {
  if (typeof value === 'string' && !value.isWellFormed()) {
    throw new YamlError('yaml: found invalid Unicode character escape code');
  }
  if (typeof value === 'number' && !Number.isFinite(value)) throw new YamlError(`json: unsupported value: ${value}`);
  if (typeof value === 'bigint') return Number(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString();
  return value ?? null;
}

function keyText(key: unknown): string {
  if (typeof key === 'string') return key;
  if (typeof key === 'number' || typeof key === 'boolean') return String(key);
  throw new YamlError(`unsupported map key: ${JSON.stringify(key)}`);
}

/** `Object.fromEntries` makes `__proto__` an ordinary key. */
const inOrder = (entries: ReadonlyMap<string, unknown>): unknown =>
  Object.fromEntries([...entries].sort(([one], [other]) => (one < other ? -1 : 1)));

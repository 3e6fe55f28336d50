/** Request bodies: JSON or YAML text to values, with the duplicate keys that field validation wants to hear of. */
import { YAMLParseError, isMap, isPair, isScalar, isSeq, parseDocument } from 'yaml';
import { badRequest, unsupportedMediaType } from './status-error.ts';

export interface Body {
  readonly value: unknown;
  /** Keys that are given twice, as `duplicate field "spec.foo"` (YAML: with the line). The last one counts. */
  readonly problems: string[];
  /** Of JSON with such keys: where in the text each problem is, and where there would be one if a field were unknown. */
  readonly positions?: ReadonlyMap<string, number>;
}

const mediaType = (contentType: string): string => (contentType.split(';', 1)[0] ?? '').trim().toLowerCase();

/** What is wrong with a path, as upstream's decoder words it. */
type Complaint = 'unknown' | 'duplicate';
const complain = (what: Complaint, path: string): string => `${what} field ${JSON.stringify(path)}`;

/**
 * Everything that is wrong with a body whose decoding found fields that are not known, in upstream's order: that of the
 * text for JSON. A repeated key that is not known, or that is below one, counts as unknown alone.
 */
export function allProblems({ problems, positions }: Body, unknown: readonly string[]): string[] {
  if (!positions) return [...problems, ...unknown];
  const unknownPaths = unknown.map((problem) => problem.slice(complain('unknown', '').length - 1, -1));
  const isWithin = (problem: string) =>
    unknownPaths.some((path) => {
      const start = `duplicate field "${path}`;
      return problem.startsWith(start) && '".['.includes(problem.charAt(start.length));
    });
  const at = (problem: string) => positions.get(problem) ?? 0;
  return [...problems.filter((problem) => !isWithin(problem)), ...unknown].sort((one, other) => at(one) - at(other));
}

/** Whether `parseBody` takes this Content-Type; an absent one is JSON. */
export function isParsable(contentType: string): boolean {
  const type = mediaType(contentType);
  return (
    type === '' ||
    type === 'application/json' ||
    type === 'application/yaml' ||
    type.endsWith('+json') ||
    type.endsWith('+yaml')
  );
}

/**
 * Parses a body by its Content-Type. `findDuplicates` is for fieldValidation Strict and Warn.
 * Throws StatusError: 400 for a malformed body, 415 for another media type.
 */
export function parseBody(text: string, contentType: string, findDuplicates: boolean): Body {
  if (!isParsable(contentType)) {
    throw unsupportedMediaType(
      `the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf`,
    );
  }
  return mediaType(contentType).endsWith('yaml') ? parseYaml(text) : parseJson(text, findDuplicates);
}

function parseJson(text: string, findDuplicates: boolean): Body {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const detail = text.trim() === '' ? 'unexpected end of JSON input' : error instanceof Error ? error.message : '';
    throw badRequest(`couldn't get version/kind; json parse error: ${detail}`);
  }
  return findDuplicates && mayRepeatKeys(text, value) ? { value, ...repeatedKeys(text) } : { value, problems: [] };
}

/**
 * A cheap test that clears nearly every body. A key of the text ends in `":`, so when there are no more of those than the
 * parsed value has keys, none was lost; strings that contain `":` and blanks before a colon only cost a closer look.
 */
function mayRepeatKeys(text: string, value: unknown): boolean {
  if (/"[ \t\r\n]+:/.test(text)) return true;
  let colons = 0;
  for (let at = text.indexOf('":'); at >= 0; at = text.indexOf('":', at + 2)) colons++;
  return colons > countKeys(value);
}

function countKeys(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  let count = 0;
  if (Array.isArray(value)) {
    for (const item of value) count += countKeys(item);
    return count;
  }
  const object = value as Record<string, unknown>;
  for (const key in object) {
    const inner = object[key];
    count += typeof inner === 'object' ? 1 + countKeys(inner) : 1;
  }
  return count;
}

/** One object or array around the place that is being read. */
interface Level {
  /** Of an object; undefined for an array. */
  readonly keys: Set<string> | undefined;
  readonly path: string;
  index: number;
  /** The path of the value that comes next in an object. */
  next: string;
}

/** Finds the repeated keys of text that is known to be valid JSON. */
function repeatedKeys(text: string): Omit<Body, 'value'> {
  const problems: string[] = [];
  const positions = new Map<string, number>();
  const levels: Level[] = [];
  const token = /"((?:[^"\\]|\\.)*)"(\s*:)?|[[\]{},]/gs;
  for (const match of text.matchAll(token)) {
    const level = levels.at(-1);
    switch (match[0][0]) {
      case '{':
      case '[': {
        const path = !level ? '' : level.keys ? level.next : `${level.path}[${level.index}]`;
        levels.push({ keys: match[0] === '{' ? new Set() : undefined, path, index: 0, next: '' });
        break;
      }
      case '}':
      case ']':
        levels.pop();
        break;
      case ',':
        if (level) level.index++;
        break;
      default: {
        if (!match[2] || !level?.keys) break;
        const key = JSON.parse(`"${match[1]}"`) as string;
        level.next = level.path ? `${level.path}.${key}` : key;
        if (level.keys.has(key)) {
          const problem = complain('duplicate', level.next);
          positions.set(problem, match.index);
          problems.push(problem);
        } else {
          positions.set(complain('unknown', level.next), match.index);
        }
        level.keys.add(key);
      }
    }
  }
  return problems.length > 0 ? { problems, positions } : { problems };
}

const isTimeTag = (tag: { readonly tag: string; readonly format?: string }): boolean =>
  tag.tag === 'tag:yaml.org,2002:timestamp' || tag.format === 'TIME';

function parseYaml(text: string): Body {
  const document = parseDocument(text, {
    // Kubernetes reads YAML 1.1, where `yes` is true and 0644 octal, but leaves times and 1:30 as text.
    version: '1.1',
    customTags: (tags) => tags.filter((tag) => typeof tag === 'string' || !isTimeTag(tag)),
    uniqueKeys: false,
    logLevel: 'silent',
    merge: true,
  });
  const failure = document.errors[0];
  if (failure) {
    const at = failure instanceof YAMLParseError && failure.linePos ? `line ${failure.linePos[0].line}: ` : '';
    throw badRequest(`error converting YAML to JSON: yaml: ${at}${failure.message.split('\n', 1)[0]}`);
  }
  const problems: string[] = [];
  findRepeatedYamlKeys(document.contents, text, problems);
  return { value: toJson(document.toJS()), problems };
}

function findRepeatedYamlKeys(node: unknown, text: string, problems: string[]): void {
  if (isSeq(node)) for (const item of node.items) findRepeatedYamlKeys(item, text, problems);
  if (!isMap(node)) return;
  const seen = new Set<unknown>();
  for (const pair of node.items) {
    if (!isPair(pair) || !isScalar(pair.key)) continue;
    const { value, range } = pair.key;
    if (seen.has(value)) {
      const line = text.slice(0, range?.[0] ?? 0).split('\n').length;
      problems.push(`line ${line}: key ${JSON.stringify(value)} already set in map`);
    }
    seen.add(value);
    findRepeatedYamlKeys(pair.value, text, problems);
  }
}

/** What JSON can say: timestamps become text, keys become strings; in the order of upstream's conversion, that of the keys. */
function toJson(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value ?? null), (_key, inner: unknown) => inOrder(inner)) as unknown;
}

function inOrder(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)));
}

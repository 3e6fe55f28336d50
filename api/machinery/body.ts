/** Parsing of request bodies, JSON or YAML, with the duplicate keys that field validation reports. */
import { fieldProblems, mayRepeatKeys, replaceLoneSurrogates } from './json-text.ts';
import { Extent } from './extent.ts';
import { StatusError, badRequest, unsupportedMediaType } from './status-error.ts';
import { YamlError, parseYaml } from './yaml.ts';

export interface Body {
  readonly value: unknown;
  /** Duplicate keys, as `duplicate field "spec.foo"` (YAML: with the line). The last one counts. */
  readonly problems: string[];
  /** The text of JSON with duplicate keys, which gives their order among unknown fields. */
  readonly text?: string;
}

const mediaType = (contentType: string): string => (contentType.split(';', 1)[0] ?? '').trim().toLowerCase();

/**
 * Duplicate and unknown fields of a body in upstream's order: for JSON, that of the text.
 */
export function allProblems({ problems, text }: Body, unknown: readonly string[]): string[] {
  if (text === undefined) return [...problems, ...unknown];
  return unknown.length > 0 ? fieldProblems(text, unknown) : problems;
}

/** Whether `parseBody` accepts this Content-Type; the default is JSON. */
function isParsable(contentType: string): boolean {
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
  return isYaml(contentType) ? yamlBody(text) : jsonBody(text, findDuplicates);
}

const isYaml = (contentType: string): boolean => mediaType(contentType).endsWith('yaml');

function jsonBody(given: string, findDuplicates: boolean): Body {
  const text = replaceLoneSurrogates(given);
  let value: unknown;
  let keys: number;
  try {
    value = JSON.parse(text);
    keys = Extent.of(value).keys;
  } catch (error) {
    if (error instanceof StatusError) throw error;
    const detail = text.trim() === '' ? 'unexpected end of JSON input' : error instanceof Error ? error.message : '';
    throw badRequest(`couldn't get version/kind; json parse error: ${detail}`);
  }
  if (!findDuplicates || !mayRepeatKeys(text, keys)) return { value, problems: [] };
  const problems = fieldProblems(text);
  return problems.length > 0 ? { value, problems, text } : { value, problems };
}

function yamlBody(text: string): Body {
  const json = asJson(text);
  if (json) return json;
  try {
    const { value, repeated } = parseYaml(text);
    Extent.of(value);
    return { value, problems: repeated };
  } catch (error) {
    if (error instanceof YamlError) throw badRequest(`error converting YAML to JSON: ${error.message}`);
    throw error;
  }
}

/** JSON is YAML, and parsed a hundred times faster; duplicate keys are reported as for YAML. */
function asJson(text: string): Body | undefined {
  if (!/^\s*\{/.test(text)) return undefined;
  try {
    const body = jsonBody(text, true);
    return body.problems.length === 0 ? { value: inKeyOrder(body.value), problems: [] } : undefined;
  } catch (error) {
    if (error instanceof StatusError && error.code === 400) return undefined;
    throw error;
  }
}

/** The order of keys that upstream's conversion from YAML produces. */
function inKeyOrder(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(inKeyOrder);
  const entries = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, inKeyOrder(inner)]));
}

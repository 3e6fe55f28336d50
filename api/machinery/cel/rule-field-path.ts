/** The `fieldPath` of a rule: a JSON path of names, below where the rule is. */
import type { JSONSchemaProps } from '../../types/apiextensions/v1.gen.ts';
import { isJsonObject, own } from '../own.ts';

const TOKEN = /\.([^.[\]]+)|\['((?:[^'\\]|\\.)*)'\]/y;
const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['a', '\x07'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['v', '\v'],
  ["'", "'"],
  ['\\', '\\'],
]);

/** Returns undefined for an escape that there is not. */
function unescape(text: string): string | undefined {
  let isValid = true;
  const name = text.replace(/\\([^])/g, (_, character: string) => {
    const found = ESCAPES.get(character);
    if (found === undefined) isValid = false;
    return found ?? '';
  });
  return isValid ? name : undefined;
}

/** The path as errors show it, without a leading dot; undefined for one that names no field of the schema. */
export function ruleFieldPath(path: string, schema: JSONSchemaProps): string | undefined {
  let at = schema;
  let shown = '';
  TOKEN.lastIndex = 0;
  let end = 0;
  while (end < path.length) {
    const found = TOKEN.exec(path);
    if (!found) return undefined;
    end = TOKEN.lastIndex;
    const name = found[1] ?? unescape(found[2] ?? '');
    if (name === undefined) return undefined;
    const isNamed: boolean = Object.keys(at.properties ?? {}).length > 0;
    const next: unknown = isNamed ? own(at.properties, name) : at.additionalProperties;
    if (!isJsonObject(next)) return undefined;
    at = next;
    shown += isNamed ? `${shown === '' ? '' : '.'}${name}` : `[${name}]`;
  }
  return shown === '' ? undefined : shown;
}

/** The `fieldPath` of a rule: a JSON path of names, below where the rule is. */
import type { Structural } from '../structural/structural.ts';

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
export function ruleFieldPath(path: string, schema: Structural): string | undefined {
  let at: Structural | true | undefined = schema;
  let shown = '';
  TOKEN.lastIndex = 0;
  let end = 0;
  while (end < path.length) {
    const found = TOKEN.exec(path);
    if (!found) return undefined;
    end = TOKEN.lastIndex;
    const name = found[1] ?? unescape(found[2] ?? '');
    if (name === undefined || at === undefined || at === true) return undefined;
    const isNamed: boolean = at.properties.size > 0;
    at = isNamed ? at.properties.get(name) : at.additional;
    if (at === undefined) return undefined;
    shown += isNamed ? `${shown === '' ? '' : '.'}${name}` : `[${name}]`;
  }
  return shown === '' ? undefined : shown;
}

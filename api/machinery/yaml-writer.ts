/**
 * Formats JSON values as YAML, fast enough for lists of ten thousand objects: sorted keys, block style, and strings in JSON's quotes
 * where they could be parsed as something else.
 */

/** Longer strings are quoted without further checks. */
const MAX_PLAIN = 128;
const PLAIN = /^[A-Za-z][\w./@-]*(?:[ :][\w./@-]+)*$/;
/** What YAML 1.1 or 1.2 parses as a boolean or null. */
const WORDS = /^(?:y|yes|n|no|on|off|true|false|null)$/i;
/** Characters that YAML strings must escape, but JSON does not. */
const UNSEEN = /[\x7f-\x9f\u2028\u2029\ufeff]/g;

export function writeYaml(value: unknown): string {
  const lines: string[] = [];
  if (isEmpty(value) || typeof value !== 'object') return `${scalar(value)}\n`;
  writeBlock(value as object, '', '', lines);
  return `${lines.join('\n')}\n`;
}

const isEmpty = (value: unknown): boolean =>
  value === null || (typeof value === 'object' && (Array.isArray(value) ? value : Object.keys(value)).length === 0);

function scalar(value: unknown): string {
  if (typeof value !== 'string') return JSON.stringify(value ?? null);
  if (value.length <= MAX_PLAIN && PLAIN.test(value) && !WORDS.test(value)) return value;
  return JSON.stringify(value).replace(UNSEEN, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

/** @param first precedes the first line, in place of the indentation */
function writeBlock(value: object, first: string, indent: string, lines: string[]): void {
  let lead = first;
  if (Array.isArray(value)) {
    for (const item of value as unknown[]) {
      if (typeof item !== 'object' || isEmpty(item)) lines.push(`${lead}- ${scalar(item)}`);
      else writeBlock(item as object, `${lead}- `, `${indent}  `, lines);
      lead = indent;
    }
    return;
  }
  for (const [key, inner] of Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1))) {
    if (typeof inner !== 'object' || isEmpty(inner)) {
      lines.push(`${lead}${scalar(key)}: ${scalar(inner)}`);
    } else {
      lines.push(`${lead}${scalar(key)}:`);
      const within = Array.isArray(inner) ? indent : `${indent}  `;
      writeBlock(inner as object, within, within, lines);
    }
    lead = indent;
  }
}

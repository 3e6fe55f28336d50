/**
 * Names of properties as identifiers of CEL:
 * https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#escaping
 */

const RESERVED: ReadonlySet<string> = new Set([
  ...['true', 'false', 'null', 'in', 'as', 'break', 'const', 'continue', 'else', 'for', 'function', 'if', 'import'],
  ...['let', 'loop', 'package', 'namespace', 'return', 'var', 'void', 'while'],
]);
const WORDS: ReadonlyMap<string, string> = new Map([
  ['__', '__underscores__'],
  ['.', '__dot__'],
  ['-', '__dash__'],
  ['/', '__slash__'],
]);
const SEQUENCES: ReadonlyMap<string, string> = new Map([...WORDS].map(([text, word]) => [word, text]));

/** The field of a name: words of the language may be written as they are after a dot, since fields cannot be mistaken for them. */
export const fieldNamed = <T>(fields: ReadonlyMap<string, T>, name: string): T | undefined =>
  fields.get(name) ?? (RESERVED.has(name) ? fields.get(`__${name}__`) : undefined);

/** Returns undefined for a name that no identifier stands for. */
export function escapeName(name: string): string | undefined {
  if (RESERVED.has(name)) return `__${name}__`;
  if (!/^[A-Za-z_./-][A-Za-z0-9_./-]*$/.test(name)) return undefined;
  return name.replace(/__|[./-]/g, (text) => WORDS.get(text) ?? text);
}

/** Returns undefined for an identifier that stands for no name. */
export function unescapeName(escaped: string): string | undefined {
  if (!escaped.includes('__')) return escaped;
  let isValid = true;
  const name = escaped.replace(/__[^_]+__/g, (sequence) => {
    const text = SEQUENCES.get(sequence);
    if (text !== undefined) return text;
    const word = sequence.slice(2, -2);
    if (!RESERVED.has(word) || sequence.length !== escaped.length) isValid = false;
    return word;
  });
  return isValid ? name : undefined;
}

/** What programs print, made fit for others to read. Pure. */
import { oneLine, redact } from '../../recorder/redact.ts';

const MAX_LINE = 4_096;

/** The end of a text, from the beginning of a line on. */
export function tail(text: string, maxCharacters: number): string {
  if (text.length <= maxCharacters) return text;
  const part = text.slice(-maxCharacters);
  return `(${text.length - maxCharacters} characters before this are left out)\n${part.slice(part.indexOf('\n') + 1)}`;
}

/** Without what looks like a secret or moves the cursor of a terminal; lines and tabs stay. */
export const publicText = (text: string): string =>
  redact(text)
    .split('\n')
    .map((line) =>
      line
        .split('\t')
        .map((part) => oneLine(part, MAX_LINE))
        .join('\t'),
    )
    .join('\n');

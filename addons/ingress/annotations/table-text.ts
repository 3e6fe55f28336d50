/** The table of annotations in `docs/ingress.md`, which a test compares with this. */
import { ANNOTATIONS } from './main.ts';

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('*', '\\*');

/** Its lines, without head. */
export const annotationTable = (): readonly string[] =>
  ANNOTATIONS.map(({ name, does, differs = '' }) => `| \`${name}\` | ${cell(does)} | ${cell(differs)} |`);

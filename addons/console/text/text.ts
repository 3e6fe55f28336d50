/** The console's own words, in the language that the user has chosen. */
import { language } from '../preferences.ts';
import { chinese } from './chinese.ts';
import { english, type TextKey } from './english.ts';
import { fill } from './fill.ts';

/** Follows the language when a view calls it. */
export const t = (key: TextKey, values: Readonly<Record<string, string | number>> = {}): string =>
  fill((language.value === 'zh' ? chinese : english)[key], values);

/**
 * Settings of the daemons: a flag, the same key in the YAML file, and `KEDGE_...` in the environment, in that order of
 * precedence. A daemon declares them once as a plain object of defaults with a line of help for each; the type of a default
 * is the type of its setting.
 */
import { readFile } from 'node:fs/promises';
import { Command } from 'commander';
import { parse } from 'yaml';
import { own } from '../api/machinery/own.ts';

export type SettingValue = string | number | boolean | readonly string[];
export type Settings = Readonly<Record<string, SettingValue>>;
/** A line of help for every setting, by its camelCase name. */
export type SettingsHelp<S extends Settings> = Readonly<Record<keyof S, string>>;

/** A setting that cannot be used; the message says what, where and what to do. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
}

/** `nodeName` -> `node-name`: how it is written as a flag and in YAML. */
const kebab = (name: string): string => name.replace(/[A-Z]+/g, (capitals) => `-${capitals.toLowerCase()}`);
/** `nodeName` -> `KEDGE_NODE_NAME`. */
const environmentKey = (name: string): string => `KEDGE_${kebab(name).replaceAll('-', '_').toUpperCase()}`;

/** How many single-character edits apart two words are. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(
        Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)),
      );
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

const nearest = (word: string, known: readonly string[]): string =>
  known.reduce((best, candidate) => (distance(word, candidate) < distance(word, best) ? candidate : best));

/** The value of a setting given as text or YAML, in the type of its default. */
function coerce(where: string, given: unknown, fallback: SettingValue): SettingValue {
  if (typeof fallback === 'string' && (typeof given === 'string' || typeof given === 'number')) return String(given);
  if (typeof fallback === 'number') {
    const number = typeof given === 'string' && given.trim() !== '' ? Number(given) : given;
    if (typeof number === 'number' && Number.isFinite(number)) return number;
    throw new SettingsError(`${where} must be a number, not ${JSON.stringify(given)}`);
  }
  if (typeof fallback === 'boolean') {
    if (given === true || given === 'true' || given === '1') return true;
    if (given === false || given === 'false' || given === '0') return false;
    throw new SettingsError(`${where} must be true or false, not ${JSON.stringify(given)}`);
  }
  if (Array.isArray(fallback)) {
    if (Array.isArray(given) && given.every((item): item is string => typeof item === 'string')) return given;
    if (typeof given === 'string') return given.split(',').filter((item) => item !== '');
    throw new SettingsError(`${where} must be a list of texts, not ${JSON.stringify(given)}`);
  }
  throw new SettingsError(`${where} must be a text, not ${JSON.stringify(given)}`);
}

/** Adds a flag for every setting, and `--config FILE`. */
export function settingsFlags<S extends Settings>(command: Command, defaults: S, help: SettingsHelp<S>): Command {
  command.option('--config <file>', 'YAML file with settings; its keys are the flags without dashes in front');
  for (const [name, fallback] of Object.entries(defaults)) {
    const shown = Array.isArray(fallback) ? fallback.join(',') : String(fallback);
    const text = `${own(help, name)}${shown === '' ? '' : ` (default: ${shown})`}`;
    if (typeof fallback === 'boolean') command.option(`--${kebab(name)} [true|false]`, text);
    else command.option(`--${kebab(name)} <${Array.isArray(fallback) ? 'a,b,...' : 'value'}>`, text);
  }
  return command;
}

async function readSettingsFile(file: string): Promise<Record<string, unknown>> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new SettingsError(`cannot read the settings file ${file}: ${(error as Error).message}`, { cause: error });
  }
  let document: unknown;
  try {
    document = parse(text);
  } catch (error) {
    throw new SettingsError(`${file} is not valid YAML: ${(error as Error).message}`, { cause: error });
  }
  if (document === null || document === undefined) return {};
  if (typeof document !== 'object' || Array.isArray(document)) {
    throw new SettingsError(`${file} must hold settings as "key: value" lines`);
  }
  return document as Record<string, unknown>;
}

/** Puts the settings together: flags (as commander parsed them), then the file, then the environment, then the defaults. */
export async function loadSettings<S extends Settings>(
  defaults: S,
  flags: Readonly<Record<string, unknown>>,
  environment: NodeJS.ProcessEnv,
): Promise<S> {
  const names = Object.keys(defaults);
  const byKey = new Map(names.map((name) => [kebab(name), name]));
  const file = typeof flags.config === 'string' ? flags.config : environment.KEDGE_CONFIG;
  const fromFile = new Map<string, unknown>();
  for (const [key, value] of Object.entries(file ? await readSettingsFile(file) : {})) {
    const name = byKey.get(key);
    if (name === undefined) {
      throw new SettingsError(
        `${file}: there is no setting "${key}"; the nearest is "${nearest(key, [...byKey.keys()])}"`,
      );
    }
    fromFile.set(name, value);
  }
  const settings = new Map<string, SettingValue>();
  for (const [name, fallback] of Object.entries(defaults)) {
    const flag = own(flags, name);
    const variable = own(environment, environmentKey(name));
    if (flag !== undefined) settings.set(name, coerce(`--${kebab(name)}`, flag, fallback));
    else if (fromFile.has(name)) settings.set(name, coerce(`${file}: ${kebab(name)}`, fromFile.get(name), fallback));
    else if (variable !== undefined) settings.set(name, coerce(environmentKey(name), variable, fallback));
    else settings.set(name, fallback);
  }
  return Object.fromEntries(settings) as S;
}

/**
 * Settings of the daemons, in order of precedence: a flag, the same key in the YAML file, `KEDGE_...` in the environment, the
 * default. A daemon declares its settings as a plain object of defaults, a line of help for each, and validation rules; the
 * type of a setting is the type of its default.
 */
import { readFile } from 'node:fs/promises';
import { Command } from 'commander';
import { parse } from 'yaml';
import { own } from '../api/machinery/own.ts';
import type { SettingRule, SettingRules } from '../daemon/setting-rules.ts';
import { yamlProblem } from '../client/yaml-problem.ts';
import { suggestion } from './nearest.ts';
import { SettingsError } from './settings-error.ts';
import { environmentKey, kebab } from './setting-names.ts';
import { reasonOf } from './system-error.ts';
import { UsageError } from './usage.ts';

export type SettingValue = string | number | boolean | readonly string[];
export type Settings = Readonly<Record<string, SettingValue>>;
/** A line of help per setting, keyed by its camelCase name. */
export type SettingsHelp<S extends Settings> = Readonly<Record<keyof S, string>>;

export interface SettingsDeclaration<S extends Settings> {
  readonly defaults: S;
  readonly help: SettingsHelp<S>;
  readonly rules: SettingRules<S>;
}

export { SettingsError } from './settings-error.ts';

/** Of a flag, wrong usage of the command line; of a file or the environment, a setting that is wrong. */
const invalid = (where: string, problem: string): SettingsError =>
  new (where.startsWith('--') ? UsageError : SettingsError)(`${where} ${problem}`);

/** Converts a value from a flag, YAML or the environment to the type of the setting's default. Throws SettingsError. */
function coerce(where: string, given: unknown, fallback: SettingValue): SettingValue {
  if (typeof fallback === 'string' && (typeof given === 'string' || typeof given === 'number')) return String(given);
  if (typeof fallback === 'number') {
    const number = typeof given === 'string' && given.trim() !== '' ? Number(given) : given;
    if (typeof number === 'number' && Number.isFinite(number)) return number;
    throw invalid(where, `must be a number, not ${JSON.stringify(given)}`);
  }
  if (typeof fallback === 'boolean') {
    if (given === true || given === 'true' || given === '1') return true;
    if (given === false || given === 'false' || given === '0') return false;
    throw invalid(where, `must be true or false, not ${JSON.stringify(given)}`);
  }
  if (Array.isArray(fallback)) {
    if (Array.isArray(given) && given.every((item): item is string => typeof item === 'string')) return given;
    if (typeof given === 'string') return given.split(',').filter((item) => item !== '');
    throw invalid(where, `must be a list of strings, not ${JSON.stringify(given)}`);
  }
  throw invalid(where, `must be a string, not ${JSON.stringify(given)}`);
}

/** Adds a flag per setting, and `--config FILE`. */
export function settingsFlags<S extends Settings>(
  command: Command,
  { defaults, help }: SettingsDeclaration<S>,
): Command {
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
    throw new SettingsError(`failed to read configuration file ${file}: ${reasonOf(error)}`, { cause: error });
  }
  let document: unknown;
  try {
    document = parse(text, { logLevel: 'error' });
  } catch (error) {
    throw new SettingsError(`${file} is not valid YAML: ${yamlProblem(error)}; write "key: value" lines`, {
      cause: error,
    });
  }
  if (document === null || document === undefined) return {};
  if (typeof document !== 'object' || Array.isArray(document)) {
    throw new SettingsError(`${file} must hold settings as "key: value" lines`);
  }
  return document as Record<string, unknown>;
}

/** A value, and where it was given as the user spells it there. */
export interface Given {
  readonly where: string;
  readonly value: SettingValue;
}

const fileOf = (flags: Readonly<Record<string, unknown>>, environment: NodeJS.ProcessEnv): string | undefined =>
  typeof flags.config === 'string' ? flags.config : environment.KEDGE_CONFIG;

/** Those that flags (as parsed by commander), the file or the environment give a value, by name. Throws SettingsError. */
export async function givenSettings<S extends Settings>(
  { defaults }: Pick<SettingsDeclaration<S>, 'defaults'>,
  flags: Readonly<Record<string, unknown>>,
  environment: NodeJS.ProcessEnv,
): Promise<Map<string, Given>> {
  const names = Object.keys(defaults);
  const byKey = new Map(names.map((name) => [kebab(name), name]));
  const file = fileOf(flags, environment);
  const fromFile = new Map<string, unknown>();
  for (const [key, value] of Object.entries(file ? await readSettingsFile(file) : {})) {
    const name = byKey.get(key);
    if (name === undefined) {
      const hint = suggestion(key, byKey.keys()) || '; --help lists the settings';
      throw new SettingsError(`${file}: unknown setting ${JSON.stringify(key)}${hint}`);
    }
    fromFile.set(name, value);
  }
  const given = (name: string): { where: string; value: unknown } | undefined => {
    const flag = own(flags, name);
    if (flag !== undefined) return { where: `--${kebab(name)}`, value: flag };
    if (fromFile.has(name)) return { where: `${file}: ${kebab(name)}`, value: fromFile.get(name) };
    const variable = own(environment, environmentKey(name));
    return variable === undefined ? undefined : { where: environmentKey(name), value: variable };
  };
  const found = new Map<string, Given>();
  for (const [name, fallback] of Object.entries(defaults)) {
    const source = given(name);
    if (source) found.set(name, { where: source.where, value: coerce(source.where, source.value, fallback) });
  }
  return found;
}

/**
 * Merges flags (as parsed by commander), file, environment and defaults. Throws SettingsError when a value breaks its rule or
 * one of the `required` settings is empty.
 */
export async function loadSettings<S extends Settings>(
  declaration: SettingsDeclaration<S>,
  flags: Readonly<Record<string, unknown>>,
  environment: NodeJS.ProcessEnv,
  required: readonly (keyof S & string)[] = [],
): Promise<S> {
  const sources = await givenSettings(declaration, flags, environment);
  const given = [...sources].map(([name, { value }]) => [name, value]);
  const settings = { ...declaration.defaults, ...Object.fromEntries(given) } as S;
  for (const name of required)
    if (settings[name] === '')
      throw new SettingsError(`${kebab(name)} is not set: ${howToSet(name, fileOf(flags, environment))}`);
  checkSettings(declaration, settings, (name) => sources.get(name)?.where ?? `--${kebab(name)}`);
  return settings;
}

/** Throws SettingsError for the first that breaks its rule. @param where says where a setting comes from */
export function checkSettings<S extends Settings>(
  { rules }: Pick<SettingsDeclaration<S>, 'rules'>,
  settings: S,
  where: (name: string) => string,
): void {
  // `rules` maps each setting to a rule of its own type; Object.entries loses that.
  for (const [name, rule] of Object.entries(rules) as [string, SettingRule<SettingValue, S>][]) {
    const problem = rule(own(settings, name) ?? '', settings);
    if (problem !== undefined) throw invalid(where(name), problem);
  }
}

function howToSet(name: string, file: string | undefined): string {
  const where = file ? `in ${file}` : 'in the file that --config names';
  return `give --${kebab(name)}, ${environmentKey(name)}, or a line "${kebab(name)}: ..." ${where}`;
}

/** Files that a setting names, in YAML or JSON: read with a limit, and parsed strictly. */
import { readFile, stat } from 'node:fs/promises';
import { parseBody } from '../api/machinery/body.ts';
import { isJsonObject } from '../api/machinery/own.ts';
import { StatusError } from '../api/machinery/status-error.ts';
import { SettingValueError } from './setting-rules.ts';

const MAX_FILE_BYTES = 1024 * 1024;
const MAX_PROBLEMS_SHOWN = 10;

/** Throws SettingValueError, whose message begins with `what`, for a file that cannot be read or has more than a megabyte. */
export async function readConfigurationFile(file: string, what: string): Promise<Buffer> {
  try {
    const { size } = await stat(file);
    if (size > MAX_FILE_BYTES) throw new SettingValueError(`${what}: is larger than ${MAX_FILE_BYTES} bytes`);
    return await readFile(file);
  } catch (error) {
    if (error instanceof SettingValueError) throw error;
    throw new SettingValueError(`${what}: ${(error as Error).message}`, { cause: error });
  }
}

/** Throws SettingValueError, whose message names the file and what is wrong with it. @param what such as `inventory` */
export async function loadConfiguration<T>(
  file: string,
  what: string,
  parse: (text: string) => T | Promise<T>,
): Promise<T> {
  const text = await readConfigurationFile(file, `${what} ${file}`);
  try {
    return await parse(text.toString());
  } catch (error) {
    if (!(error instanceof SettingValueError)) throw error;
    throw new SettingValueError(`${what} ${file}: ${error.message}`, { cause: error });
  }
}

/** The one object of a text, and its duplicate keys. Throws SettingValueError. @param what such as `KubeSchedulerConfiguration` */
export function parseConfiguration(
  text: string,
  what: string,
): { readonly value: Record<string, unknown>; readonly problems: readonly string[] } {
  try {
    const { value, problems } = parseBody(text, 'application/yaml', true);
    if (isJsonObject(value)) return { value, problems };
  } catch (error) {
    if (error instanceof StatusError) throw new SettingValueError(error.message, { cause: error });
    throw error;
  }
  throw new SettingValueError(`it holds no ${what}`);
}

/** Throws SettingValueError when there are problems: the first ones are its message. */
export function throwProblems(problems: readonly string[]): void {
  if (problems.length === 0) return;
  const shown = problems.slice(0, MAX_PROBLEMS_SHOWN).join('; ');
  const more = problems.length - MAX_PROBLEMS_SHOWN;
  throw new SettingValueError(more > 0 ? `${shown}; and ${more} more` : shown);
}

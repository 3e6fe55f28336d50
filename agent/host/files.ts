/** Small files of the agent's own, on the local disk. */
import { readdir, readFile, stat } from 'node:fs/promises';

export const hasCode = (error: unknown, ...codes: string[]): boolean =>
  error instanceof Error && 'code' in error && codes.includes(String(error.code));

/** Follows links. Not for the contents of volumes. */
export async function fileExists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false;
    throw error;
  }
}

/** The file's text; undefined when there is none. */
export async function readTextIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** Something else than the record that was written. */
export class DamagedRecord extends Error {
  override readonly name = 'DamagedRecord';
}

/**
 * Reads a record that the agent has written as a JSON object; undefined when there is none. Throws DamagedRecord for what a power
 * loss, a full disk or a hand has made of it: such a record must not stop what does not depend on it.
 */
export async function readRecord(path: string): Promise<ReadonlyMap<string, unknown> | undefined> {
  try {
    const text = await readTextIfThere(path);
    return text === undefined ? undefined : fieldsOf(JSON.parse(text));
  } catch (error) {
    if (error instanceof SyntaxError || hasCode(error, 'EISDIR'))
      throw new DamagedRecord(String(error), { cause: error });
    throw error;
  }
}

/** Throws DamagedRecord when the value is no JSON object. */
export function fieldsOf(value: unknown): ReadonlyMap<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new DamagedRecord('not an object');
  return new Map<string, unknown>(Object.entries(value));
}

/** The names of a directory's entries; none when there is no such directory. */
export async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  }
}

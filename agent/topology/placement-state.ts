/** What the files that remember who has what have in common: how they are read, and what is said of one that cannot be gone on with. */
import { isJsonObject } from '../../api/machinery/own.ts';

/** A file of who has what is not one that can be gone on with; the message says why. */
export class PlacementStateError extends Error {
  override readonly name = 'PlacementStateError';
}

/** All throw PlacementStateError. */
export function parseState(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new PlacementStateError(`it is no JSON: ${(error as Error).message}`, { cause: error });
  }
}

export function fieldsOf(value: unknown): ReadonlyMap<string, unknown> {
  if (!isJsonObject(value)) throw new PlacementStateError('it has something else where a JSON object is due');
  return new Map(Object.entries(value));
}

/** What a verb asks the write path to do with an object that is there. */
import type { Stored } from '../catalogue/object-meta.ts';
import type { OwnedPart } from './ownership.ts';
import type { UpdatedPart } from './update-strategy.ts';

interface UpdateTarget {
  readonly namespace: string;
  readonly name: string;
  readonly part: UpdatedPart;
}

export interface ChangeRequest extends UpdateTarget {
  /**
   * Returns the new object, or the new Scale of it where `part` is `scale`. `old` (undefined when a PUT may create the object) must
   * not be changed: `reparse` returns a copy that may. Called again after a conflict. The result shares nothing with `old`, and its
   * resourceVersion, if any, must be that of `old`.
   */
  readonly change: (old: Stored | undefined, reparse: () => Stored) => Stored | Promise<Stored>;
  readonly apply?: undefined;
}

export interface ApplyRequest extends UpdateTarget {
  /**
   * Applies a configuration. `live` is what travels for the part, undefined when there is no object, and `owners` the text of its
   * managedFields. Called again after a conflict.
   */
  readonly apply: (live: Stored | undefined, owners: string, part: OwnedPart) => AppliedChange;
}

export type UpdateRequest = ChangeRequest | ApplyRequest;

export interface AppliedChange {
  readonly object: Stored;
  readonly owners: string;
}

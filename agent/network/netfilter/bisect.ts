/** How one item that is rejected is kept from keeping out all others that share a transaction with it. */
import { ProgramError } from '../../host/run.ts';

/** A transaction that is tried with some items. */
export interface Trial<Item> {
  /** Puts the items in force. Throws when that fails; what was in force before is then. */
  admit(items: readonly Item[]): Promise<void>;
  /** Called for an item that is rejected alone. */
  leaveOut(item: Item, error: ProgramError): Promise<void>;
  /** Whether the error judges the items: others of them may pass. */
  isRejection(error: unknown): error is ProgramError;
  /** Called after the program was killed at a transaction. Resolves to whether smaller ones pass. Throws when nothing does. */
  isTooMuch(): Promise<boolean>;
}

/** Puts all items in force, less those that are rejected alone. Throws what is no rejection: nothing can be written at all. */
export async function admitAll<Item>(items: readonly Item[], trial: Trial<Item>): Promise<void> {
  const [first] = items;
  if (first === undefined) return;
  try {
    await trial.admit(items);
    return;
  } catch (error) {
    if (!trial.isRejection(error) && !(await isTooMuch(error, trial))) throw error;
    if (items.length === 1) return trial.leaveOut(first, error as ProgramError);
  }
  // Smaller transactions take less time: one after the other passes, or the one item that takes too long is alone.
  const middle = Math.ceil(items.length / 2);
  await admitAll(items.slice(0, middle), trial);
  await admitAll(items.slice(middle), trial);
}

const isTooMuch = async <Item>(error: unknown, trial: Trial<Item>): Promise<boolean> =>
  error instanceof ProgramError && error.wasKilled && (await trial.isTooMuch());

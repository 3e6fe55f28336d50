/**
 * What one part of the agent has in the kernel, as units: each change writes the difference, and a unit that is rejected is left
 * out alone. Calls must not overlap.
 */
import type { ProgramError } from '../../host/run.ts';
import { admitAll } from './bisect.ts';

/** By the object's key; undefined for one that has nothing in the kernel. */
export type Units<Unit> = ReadonlyMap<string, Unit | undefined>;

/** What units are in: what they want, what the kernel has, and the way to write the difference. */
export interface UnitDriver<Unit> {
  /** Replaces, adds or removes units; returns their state before, which undoes this when it is put. */
  put(units: Units<Unit>): Units<Unit>;
  /** Learns what the kernel has: what differs from it is pending. Returns the units that it lacks. Throws ProgramError. */
  read(): Promise<Units<Unit>>;
  /** Whether something has to be written. */
  isPending(): boolean;
  /** Writes what is pending, and resolves to whether that was anything. Throws ProgramError: all of it is pending then, still. */
  write(): Promise<boolean>;
  /** Writes what changes nothing: throws ProgramError where nothing at all can be written. */
  probe(): Promise<void>;
  /** Whether the error judges what was written: parts of it may pass. */
  isRejection(error: unknown): error is ProgramError;
}

export interface UnitsOutcome {
  readonly wrote: boolean;
  /** Units that are left out, with the program's words. All others are in force. */
  readonly rejected: ReadonlyMap<string, ProgramError>;
}

interface Outcome {
  wrote: boolean;
  readonly rejected: Map<string, ProgramError>;
  /** Whether the kernel was read in this call, so that a rejection cannot be due to what others have changed. */
  isFresh: boolean;
}

type Item<Unit> = readonly [key: string, unit: Unit | undefined];

/** All methods throw ProgramError when the kernel cannot be accessed. */
export class OwnedUnits<Unit> {
  readonly #driver: UnitDriver<Unit>;
  /** Whether the driver knows what the kernel has. */
  #isKnown = false;

  constructor(driver: UnitDriver<Unit>) {
    this.#driver = driver;
  }

  /** Adds, changes and removes units. When this throws they are kept, and the next call compares all with what the kernel has. */
  async apply(units: Units<Unit>): Promise<UnitsOutcome> {
    const driver = this.#driver;
    const outcome: Outcome = { wrote: false, rejected: new Map(), isFresh: false };
    let items: readonly Item<Unit>[] = [...units];
    try {
      if (!this.#isKnown) {
        driver.put(units);
        // All units are on trial of which the kernel may not have the rules; those that it has stay in force meanwhile.
        items = [...(await this.#read())];
        outcome.isFresh = true;
        driver.put(new Map(items.map(([key]) => [key, undefined])));
      }
      if (items.length === 0) await this.#write(outcome);
      await admitAll(items, {
        admit: (some) => this.#admit(some, outcome),
        leaveOut: (item, error) => this.#leaveOut(item, error, outcome),
        isRejection: (error) => driver.isRejection(error),
        isTooMuch: () => this.#answers(),
      });
      return outcome;
    } catch (error) {
      // The next call begins with all of them.
      driver.put(new Map(items));
      this.#isKnown = false;
      throw error;
    }
  }

  /** Whether the kernel still has what was written; otherwise the next `apply` restores it. */
  async verify(): Promise<boolean> {
    if (!this.#isKnown) return false;
    const missing = await this.#read();
    return (this.#isKnown = missing.size === 0 && !this.#driver.isPending());
  }

  /** The next `apply` reads what the kernel has. */
  forget(): void {
    this.#isKnown = false;
  }

  /** Whether the program works at all; what one that was killed has written is read. */
  async #answers(): Promise<boolean> {
    await this.#driver.probe();
    await this.#read();
    return true;
  }

  /** Puts the items in force; what was in force before is when this throws. */
  async #admit(items: readonly Item<Unit>[], outcome: Outcome): Promise<void> {
    const before = this.#driver.put(new Map(items));
    try {
      await this.#write(outcome);
    } catch (error) {
      this.#driver.put(before);
      throw error;
    }
  }

  /** Writes all but the item; where that is rejected as well, it was not the item's fault. */
  async #leaveOut([key]: Item<Unit>, error: ProgramError, outcome: Outcome): Promise<void> {
    this.#driver.put(new Map([[key, undefined]]));
    // With nothing to write, it has to be asked whether anything is accepted.
    if (this.#driver.isPending()) await this.#write(outcome);
    else await this.#driver.probe();
    outcome.rejected.set(key, error);
  }

  async #write(outcome: Outcome): Promise<void> {
    const driver = this.#driver;
    try {
      if (await driver.write()) outcome.wrote = true;
    } catch (error) {
      if (outcome.isFresh || !driver.isRejection(error)) throw error;
      // Somebody else may have changed what the kernel has, so that what is to be removed is not there.
      outcome.isFresh = true;
      await this.#read();
      if (await driver.write()) outcome.wrote = true;
    }
  }

  async #read(): Promise<Units<Unit>> {
    const missing = await this.#driver.read();
    this.#isKnown = true;
    return missing;
  }
}

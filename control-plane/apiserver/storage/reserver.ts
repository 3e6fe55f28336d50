/** What has to be unique among objects: addresses and ports of Services. */
import type { Kind } from '../../../api/machinery/kind.ts';
import type { Stored } from '../catalogue/object-meta.ts';

/** Reserves unique resources (addresses, ports) while an object of its kind is written. */
export interface Reserver {
  /** Sets what the object lacks. Throws StatusError when a requested resource is taken. A dry run reserves nothing. */
  reserve(object: Stored, old: Stored | undefined, dryRun: boolean): Promise<Reservation>;
  /** Called when the object has been deleted. Never rejects. */
  release(object: Stored): Promise<void>;
}

export interface Reservation {
  /** Called after the write: releases what only the old object had. Never rejects. */
  commit(): Promise<void>;
  /** Called when nothing was written: releases what was reserved. Never rejects. */
  rollback(): Promise<void>;
}

/** By the kinds of the objects, which must be the served ones: a kind that has a reserver is not replaced while the server runs. */
export type Reservers = ReadonlyMap<Kind, Reserver>;

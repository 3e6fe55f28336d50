import type { ObjectMeta } from '../../../../api/types/meta/v1.gen.ts';

/** What matters of an object that a token is bound to. */
export interface ObjectLifetime {
  readonly uid: string;
  /** When its deletion was requested (plus grace), in ms since the epoch; undefined while it is to stay. */
  readonly endsAt: number | undefined;
}

export const lifetimeOf = (metadata: ObjectMeta | undefined): ObjectLifetime => ({
  uid: metadata?.uid ?? '',
  endsAt: metadata?.deletionTimestamp === undefined ? undefined : Date.parse(metadata.deletionTimestamp),
});

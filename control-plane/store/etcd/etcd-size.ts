import type { StorageSize } from '../storage-size.ts';
import type { Members } from './members.ts';
import { METHODS, type StatusResponse } from './messages.ts';

/** A scrape is not kept waiting for an etcd that is away. */
const STATUS_LIMIT_MS = 2_000;

/** @param signal ends the calls */
export const sizeOfEtcd = (members: Members, signal: AbortSignal): StorageSize => ({
  cluster: 'etcd-0',
  read: async () => {
    const call = { limitMs: STATUS_LIMIT_MS, signal, repeatable: true, hasRevision: false, needsLeader: false };
    return Number((await members.call<StatusResponse>(METHODS.status, {}, call)).dbSize);
  },
});

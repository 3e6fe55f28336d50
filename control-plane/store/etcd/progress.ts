/**
 * How a watch learns that there is nothing for it up to a revision. Pure.
 *
 * etcd answers a request for progress since 3.4, but before 3.4.25 and 3.5.8 its answer may overtake events of earlier revisions
 * (https://github.com/etcd-io/etcd/issues/15220), and a cache that believes it serves stale reads. Of such an etcd, the store watches
 * all keys: each revision then has an event of its own, and the events that concern nobody are the progress.
 */
const FIRST_RELIABLE: ReadonlyMap<string, number> = new Map([
  ['3.4', 25],
  ['3.5', 8],
]);

/** @param version of a member, as 3.4.23 */
export function hasReliableProgress(version: string): boolean {
  const [, major = '', minor = '', patch = ''] = /^(\d+)\.(\d+)\.(\d+)/.exec(version) ?? [];
  const first = FIRST_RELIABLE.get(`${major}.${minor}`);
  if (first !== undefined) return Number(patch) >= first;
  return Number(major) > 3 || (Number(major) === 3 && Number(minor) > 5);
}

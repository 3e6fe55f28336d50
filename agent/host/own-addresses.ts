import { networkInterfaces } from 'node:os';

/** The addresses of this host's links as they are now, without running a program. */
export const ownAddresses = (): ReadonlySet<string> =>
  new Set(Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address)));

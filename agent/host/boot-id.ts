import { readTextIfThere } from './files.ts';

/** Tells one boot of this host from another: what was measured since a boot is compared within it only. */
export const readBootId = async (): Promise<string> =>
  ((await readTextIfThere('/proc/sys/kernel/random/boot_id')) ?? '').trim();

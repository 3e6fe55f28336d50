/** Kernel settings that Services need beside their rules, and what they were before: `kedge reset` restores that. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomically } from '../../../daemon/atomic-file.ts';
import { DamagedRecord, readRecord } from '../../host/files.ts';
import { readSysctl, writeSysctl } from '../../host/sysctl.ts';

export interface Sysctl {
  readonly key: string;
  readonly value: string;
  /** What follows when it cannot be set. */
  readonly without: string;
}

/** For every proxy mode. kube-proxy's defaults, in seconds: the kernel's minute for the second cuts off answers that take longer. */
const CONNTRACK: readonly Sysctl[] = [
  {
    key: 'net.netfilter.nf_conntrack_tcp_timeout_established',
    value: '86400',
    without: 'idle connections are closed early',
  },
  {
    key: 'net.netfilter.nf_conntrack_tcp_timeout_close_wait',
    value: '3600',
    without: 'half-closed connections are closed early',
  },
];

const RECORD_MODE = 0o600;
const recordFile = (dataDir: string): string => join(dataDir, 'kernel-settings.json');

/** Throws DamagedRecord. */
async function recorded(dataDir: string): Promise<ReadonlyMap<string, string>> {
  const values = new Map<string, string>();
  for (const [key, value] of (await readRecord(recordFile(dataDir))) ?? []) {
    if (typeof value !== 'string') throw new DamagedRecord(`${key} must be a string`);
    values.set(key, value);
  }
  return values;
}

export class KernelTuning {
  readonly #dataDir: string;
  readonly #warn: (error: Error, consequence: string) => void;
  /** The IP families write one record: they take turns. */
  #last: Promise<void> = Promise.resolve();

  /**
   * @param dataDir where the record of the values before is kept.
   * @param warn called for each setting that could not be made, with the consequence.
   */
  constructor(dataDir: string, warn: (error: Error, consequence: string) => void) {
    this.#dataDir = dataDir;
    this.#warn = warn;
  }

  /** Makes the settings of all proxy modes and those of a backend. Does not throw. */
  apply(ofBackend: readonly Sysctl[]): Promise<void> {
    return (this.#last = this.#last.then(async () => {
      for (const sysctl of [...ofBackend, ...CONNTRACK]) await this.#set(sysctl);
    }));
  }

  async #set({ key, value, without }: Sysctl): Promise<void> {
    try {
      const before = await readSysctl(key);
      if (before === value) return;
      if (before !== undefined) await this.#record(key, before);
      await writeSysctl(key, value);
    } catch (error) {
      this.#warn(error as Error, without);
    }
  }

  async #record(key: string, before: string): Promise<void> {
    let values: ReadonlyMap<string, string> = new Map();
    try {
      values = await recorded(this.#dataDir);
    } catch (error) {
      if (!(error instanceof DamagedRecord)) throw error;
      this.#warn(error, 'kedge reset does not restore kernel settings that were made before');
    }
    const record = JSON.stringify(Object.fromEntries(new Map([...values, [key, before]])));
    await writeFileAtomically(recordFile(this.#dataDir), record, RECORD_MODE);
  }
}

/** Before the rules are removed: loopback must not be reachable from elsewhere for a moment. */
export async function restoreKernel(dataDir: string): Promise<void> {
  for (const [key, value] of await recorded(dataDir)) {
    // Those of a module go with it.
    if ((await readSysctl(key)) !== undefined) await writeSysctl(key, value);
  }
  await rm(recordFile(dataDir), { force: true });
}

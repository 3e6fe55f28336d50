/** What the service rules need of the kernel beside themselves, and what it was before: `kedge reset` puts that back. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readTextIfThere, writeFileAtomically } from '../host/files.ts';
import { readSysctl, writeSysctl } from '../host/sysctl.ts';

const SETTINGS: readonly { readonly key: string; readonly value: string; readonly without: string }[] = [
  // Only behind the rule that keeps others from the addresses of loopback.
  { key: 'net.ipv4.conf.all.route_localnet', value: '1', without: 'node ports are unavailable on 127.0.0.1' },
  // kube-proxy's defaults, in seconds. The kernel's minute for the second cuts off answers that take longer.
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

type Values = Readonly<Record<string, string>>;

async function recorded(dataDir: string): Promise<Values> {
  return JSON.parse((await readTextIfThere(recordFile(dataDir))) ?? '{}') as Values;
}

/** `warn` is told of each setting that could not be made, with what follows from that. */
export async function tuneKernel(dataDir: string, warn: (error: Error, consequence: string) => void): Promise<void> {
  for (const { key, value, without } of SETTINGS) {
    try {
      const before = await readSysctl(key);
      if (before === value) continue;
      if (before !== undefined) {
        const record = JSON.stringify({ ...(await recorded(dataDir)), [key]: before });
        await writeFileAtomically(recordFile(dataDir), record, RECORD_MODE);
      }
      await writeSysctl(key, value);
    } catch (error) {
      warn(error as Error, without);
    }
  }
}

/** Before the rules are removed: loopback must not be reachable from elsewhere for a moment. */
export async function restoreKernel(dataDir: string): Promise<void> {
  for (const [key, value] of Object.entries(await recorded(dataDir))) await writeSysctl(key, value);
  await rm(recordFile(dataDir), { force: true });
}

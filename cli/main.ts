/**
 * Entry point of every process and thread of Kedge. Only what the process needs is loaded: threads and the agent's
 * short-lived helpers never load the command line.
 */
import { isMainThread, workerData } from 'node:worker_threads';
import type { DnsThreadOptions } from '../agent/network/dns/dns-thread.ts';
import type { RoleOptions } from '../control-plane/role-thread.ts';

const WRITABLE_BY_OTHERS = 0o022;

/** Runs one of the agent's helpers; returns false when `name` is not one. */
async function runHelper(name: string | undefined): Promise<boolean> {
  if (name === 'volume-helper') {
    const { runVolumeHelper } = await import('../agent/host/volume-helper/main.ts');
    await runVolumeHelper();
  } else if (name === 'host-facts') {
    const { printHostFacts } = await import('../agent/host/host-facts.ts');
    await printHostFacts();
  } else if (name === 'remove-mounted-file') {
    const { removeFromOwnNamespace } = await import('../agent/host/mounted-file.ts');
    await removeFromOwnNamespace(process.argv[3] ?? '');
  } else if (name === 'nfs-directory') {
    const { runNfsDirectory } = await import('../agent/host/nfs-directory.ts');
    await runNfsDirectory();
  } else if (name === 'trace-probe') {
    const { runTraceProbe } = await import('../agent/network/trace/probe.ts');
    await runTraceProbe(process.argv.slice(3));
  } else return false;
  return true;
}

async function runThread(options: RoleOptions | DnsThreadOptions): Promise<void> {
  if (options.role === 'dns') {
    const { runDnsThread } = await import('../agent/network/dns/dns-thread.ts');
    return runDnsThread(options);
  }
  const { runRoleThread } = await import('../control-plane/role-thread.ts');
  return runRoleThread(options);
}

// Whatever shell it was started from: nothing that is written can be changed by others. Threads have the process's.
if (isMainThread) process.umask(process.umask() | WRITABLE_BY_OTHERS);

if (!isMainThread) {
  await runThread(workerData as RoleOptions | DnsThreadOptions);
} else if (!(await runHelper(process.argv[2]))) {
  const { runProgram } = await import('./program.ts');
  await runProgram();
}

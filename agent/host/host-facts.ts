/**
 * What a host is: read once, in a short-lived process (`kedge host-facts`) since systeminformation takes 13 MB of memory
 * that the agent would never release.
 */
import { writeFileSync } from 'node:fs';
import { readBootId } from './boot-id.ts';
import { run } from './run.ts';
import { readTextIfThere } from './files.ts';

/** The facts that end up in a Node's `status.nodeInfo`. */
export interface HostFacts {
  readonly osImage: string;
  readonly kernelVersion: string;
  readonly machineId: string;
  readonly systemUuid: string;
  readonly bootId: string;
}

/** A second on an idle host; the agent does not start without them, and hosts are busy when they boot. */
const FACTS_TIMEOUT_MS = 60_000;

/** Runs `command` (the program and the arguments that lead to `printHostFacts`). */
export async function readHostFacts(command: readonly string[], signal: AbortSignal): Promise<HostFacts> {
  const [program = process.execPath, ...args] = command;
  const { stdout } = await run(program, args, { timeoutMs: FACTS_TIMEOUT_MS, signal });
  return JSON.parse(stdout) as HostFacts;
}

/** The child's side. */
export async function printHostFacts(): Promise<void> {
  const { default: systeminformation } = await import('systeminformation');
  const [os, ids, release, machineId, bootId] = await Promise.all([
    systeminformation.osInfo(),
    systeminformation.uuid(),
    readTextIfThere('/etc/os-release'),
    readTextIfThere('/etc/machine-id'),
    readBootId(),
  ]);
  const pretty = /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(release ?? '')?.[1];
  const id = machineId?.trim() || ids.os;
  const facts: HostFacts = {
    osImage: pretty ?? `${os.distro} ${os.release}`,
    kernelVersion: os.kernel,
    machineId: id,
    // A machine without DMI (small VMs, boards) has no UUID of its own.
    systemUuid: ids.hardware || id,
    bootId,
  };
  writeFileSync(1, JSON.stringify(facts));
}

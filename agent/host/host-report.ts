/** What the programs and files of the host say of it, for people to read elsewhere. Nothing is changed. */
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { namesIn } from './files.ts';
import { HostError } from './host-error.ts';
import { isIpv6Enabled } from './sysctl.ts';
import { ProgramError, run } from './run.ts';

const LIMIT_MS = 20_000;
const UNITS = ['kedge-agent', 'kedge-containerd', 'kedge-server'];
/** Of each unit; environment and command lines are left out: they may hold tokens. */
const UNIT_PROPERTIES =
  'Id,LoadState,ActiveState,SubState,Result,ExecMainStatus,ExecMainPID,NRestarts,ActiveEnterTimestamp,InactiveEnterTimestamp,MemoryCurrent,CPUUsageNSec,TasksCurrent';
const MAX_LINES = 20_000;
/** Where daemons without systemd write, and how much of each is taken. */
const LOG_DIRECTORY = '/var/log/kedge';
const LOG_BYTES = 2 * 1024 * 1024;
const FILES = ['version', 'uptime', 'loadavg', 'meminfo', 'mounts', 'pressure/cpu', 'pressure/memory', 'pressure/io'];

const output = async (program: string, args: readonly string[], signal: AbortSignal): Promise<string> =>
  (await run(program, args, { signal, timeoutMs: LIMIT_MS })).stdout;

/** The text of several commands, each after its own line; one that fails says so. */
async function outputs(commands: readonly (readonly [string, ...string[]])[], signal: AbortSignal): Promise<string> {
  let text = '';
  for (const [program, ...args] of commands) {
    const words = await output(program, args, signal).catch((error: Error) => {
      signal.throwIfAborted();
      return `${error.message}\n`;
    });
    text += `# ${[program, ...args].join(' ')}\n${words}\n`;
  }
  return text;
}

export async function networkReport(signal: AbortSignal): Promise<string> {
  const families = (await isIpv6Enabled()) ? ['-4', '-6'] : ['-4'];
  const perFamily = families.flatMap((family) =>
    [['rule'], ['route', 'show', 'table', 'all'], ['neigh']].map((args) => ['ip', family, ...args] as const),
  );
  return outputs([['ip', '-s', 'link'], ['ip', 'address'], ...perFamily], signal);
}

/** Versions of the programs that the node is made of. */
export const programVersions = (signal: AbortSignal): Promise<string> =>
  outputs(
    [
      ['uname', '-a'],
      ['containerd', '--version'],
      ['runc', '--version'],
      ['iptables', '-V'],
      ['nft', '--version'],
      ['ip', '-V'],
    ],
    signal,
  );

/** The state of the units, where systemd has them. Throws ProgramError elsewhere. */
export const unitStates = (signal: AbortSignal): Promise<string> =>
  output(
    'systemctl',
    ['show', '--no-pager', `--property=${UNIT_PROPERTIES}`, ...UNITS.map((unit) => `${unit}.service`)],
    signal,
  );

/** The journal of the units; where they write none, the ends of their log files. Throws HostError where there are neither. */
export async function unitLogs(sinceMs: number, signal: AbortSignal): Promise<string> {
  const journal = await unitJournal(sinceMs, signal).catch((error: unknown) => {
    if (!(error instanceof ProgramError)) throw error;
    return '';
  });
  if (journal !== '') return journal;
  let text = '';
  for (const name of await namesIn(LOG_DIRECTORY))
    if (name.endsWith('.log')) text += `# ${name}\n${await readEnd(join(LOG_DIRECTORY, name))}\n`;
  if (text === '') throw new HostError(`neither the journal nor ${LOG_DIRECTORY} has logs of the units`);
  return text;
}

/** The last of a file. */
async function readEnd(path: string): Promise<string> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const { buffer, bytesRead } = await file.read(Buffer.alloc(LOG_BYTES), 0, LOG_BYTES, Math.max(0, size - LOG_BYTES));
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await file.close();
  }
}

const unitJournal = (sinceMs: number, signal: AbortSignal): Promise<string> =>
  output(
    'journalctl',
    [
      ...['--no-pager', '--quiet', '--output=short-iso-precise', `--lines=${MAX_LINES}`],
      ...[`--since=@${Math.floor(sinceMs / 1000)}`, ...UNITS.map((unit) => `--unit=${unit}.service`)],
    ],
    signal,
  );

export const kernelLog = (signal: AbortSignal): Promise<string> => output('dmesg', ['--time-format', 'iso'], signal);

/** What the kernel says of load, memory and mounts. */
export async function kernelFiles(): Promise<string> {
  let text = '';
  for (const name of FILES) {
    const path = `/proc/${name}`;
    text += `# ${path}\n${await readFile(path, 'utf8').catch((error: Error) => `${error.message}\n`)}\n`;
  }
  return text;
}

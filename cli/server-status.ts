/** `kedge server status`: the members of etcd, as each says itself, and what to do about what is wrong. */
import { Command } from 'commander';
import type { Finding } from '../agent/inspect/doctor/finding.ts';
import { requireRoot } from './daemon.ts';
import { readEtcdFacts } from './etcd-facts.ts';
import { judgeEtcd, lagOf, type EtcdFacts } from './etcd-health.ts';
import { managedFlags, type ManagedFlags } from './managed-cluster.ts';
import { print, printJson } from './output.ts';
import { ending } from './run-command.ts';
import { givenServerConfig } from './server-config.ts';
import { SettingsError } from './settings.ts';
import { printTable } from './table.ts';

/** Something fails; 1 is that of a command that failed. */
const EXIT_UNWELL = 2;
const MEGABYTE = 2 ** 20;

interface Flags extends ManagedFlags {
  readonly output?: string;
}

export interface MemberRow {
  readonly name: string;
  readonly id: string;
  readonly role: 'leader' | 'follower' | 'learner' | 'away';
  readonly version: string;
  /** Bytes. */
  readonly databaseSize: number;
  readonly inUse: number;
  /** Bytes; undefined where the member does not say. */
  readonly quota: number | undefined;
  readonly revision: number;
  /** Entries of the log that others have and this one has not. */
  readonly lag: number;
  /** Within which 99 % were done, in seconds. */
  readonly fsync: number | undefined;
  readonly commit: number | undefined;
  readonly certificateEnd: string | undefined;
  readonly alarms: readonly string[];
  /** Why it does not answer, or what it complains of. */
  readonly problem: string;
}

/** What `kedge server status` shows. Pure. */
export function memberRows({ members, alarms, metrics }: EtcdFacts): readonly MemberRow[] {
  return members.map((one) => {
    const { member, status, problem } = one;
    const common = {
      name: member.name || member.peerURLs.join(),
      id: BigInt(member.ID).toString(16),
      alarms: alarms.flatMap(({ memberID, alarm }) => (memberID === member.ID ? [alarm] : [])),
    };
    const nothing = { quota: undefined, fsync: undefined, commit: undefined, certificateEnd: undefined };
    if (!status)
      return {
        ...common,
        ...nothing,
        role: 'away',
        version: '',
        databaseSize: 0,
        inUse: 0,
        revision: 0,
        lag: 0,
        problem,
      };
    const role = status.leader === member.ID ? 'leader' : 'follower';
    const measured = metrics.get(member.ID);
    return {
      ...common,
      role: member.isLearner ? 'learner' : role,
      version: status.version,
      databaseSize: Number(status.dbSize),
      inUse: Number(status.dbSizeInUse),
      revision: Number(status.header.revision),
      lag: lagOf(members, one).entries,
      ...(measured === undefined || measured instanceof Error
        ? nothing
        : {
            quota: measured.quotaBytes,
            fsync: measured.fsyncSeconds,
            commit: measured.commitSeconds,
            certificateEnd:
              measured.certificateEndMs === undefined ? undefined : new Date(measured.certificateEndMs).toISOString(),
          }),
      problem: status.leader === '0' ? 'it knows no leader' : '',
    };
  });
}

const megabytes = (bytes: number): string => `${(bytes / MEGABYTE).toFixed(1)} MB`;
const milliseconds = (seconds: number | undefined): string =>
  seconds === undefined ? '-' : `${Math.round(seconds * 1000)} ms`;

async function status(flags: Flags): Promise<void> {
  if (flags.output !== undefined && flags.output !== 'json') throw new SettingsError('--output must be json');
  requireRoot('server status', 'uses keys of the cluster');
  const controller = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.once(signal, () => controller.abort(new SettingsError(`ended by ${signal}`)));
  const config = await givenServerConfig({ config: flags.config, dataDir: flags.dataDir });
  const facts = await readEtcdFacts(config, controller.signal);
  const findings = judgeEtcd(facts);
  if (flags.output === 'json') printJson(memberRows(facts));
  else show(memberRows(facts), findings);
  if (findings.some(({ level }) => level === 'failure')) process.exitCode = EXIT_UNWELL;
}

function show(rows: readonly MemberRow[], findings: readonly Finding[]): void {
  printTable([
    ['SERVER', 'ETCD', 'VERSION', 'DATABASE', 'IN USE', 'QUOTA', 'LAG', 'FSYNC', 'COMMIT', 'ALARMS'],
    ...rows.map(({ name, role, version, databaseSize, inUse, quota, lag, fsync, commit, alarms }) => [
      ...[name, role, version || '-', megabytes(databaseSize), megabytes(inUse)],
      ...[quota === undefined ? '-' : megabytes(quota), String(lag), milliseconds(fsync), milliseconds(commit)],
      alarms.join() || '-',
    ]),
  ]);
  for (const { level, found, mend } of findings)
    if (level !== 'ok') print(mend === undefined ? found : `${found}. To mend it: ${mend}`);
}

export const serverStatusCommand = (): Command =>
  managedFlags(new Command('status'))
    .description(
      `show the members of etcd, what is wrong with them and what to do about it; exits with ${EXIT_UNWELL} when one is away, has an alarm or no room`,
    )
    .option('-o, --output <form>', 'json')
    .action(ending(status));

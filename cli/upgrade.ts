import { realpath } from 'node:fs/promises';
import { Command, Option } from 'commander';
import { HostError } from '../agent/host/host-error.ts';
import { runUnit, startUnit } from '../agent/host/service-units.ts';
import { isSystemdRunning } from '../agent/host/survey.ts';
import { carryOut } from '../agent/upgrade/carry-out.ts';
import { unpackPackage } from '../agent/upgrade/package-file.ts';
import { upgradeHost } from '../agent/upgrade/upgrade-host.ts';
import {
  outcomeSentence,
  PROGRAM_LINK,
  UPGRADE_UNIT,
  Versions,
  type UpgradeOutcome,
} from '../agent/upgrade/versions.ts';
import { daemonLogger } from '../daemon/daemon-logger.ts';
import { requireRoot } from './daemon.ts';
import { nodeSettings } from './node-settings.ts';
import { print } from './output.ts';
import { upgradeNodesCommand } from './upgrade-nodes/command.ts';
import { UsageError } from './usage.ts';

/** As scripts/host.sh has it. */
const DEBIAN = '/usr/lib/kedge/';
/** Besides the time that the new version is given: to go back. */
const BACK_MS = 300_000;
const HEALTHY_SECONDS = 120;

interface UpgradeFlags {
  readonly to?: string;
  readonly checksum?: string;
  readonly back?: true;
  readonly carryOut?: true;
  readonly begin?: string;
  readonly healthyWithin: string;
}

async function upgrade(flags: UpgradeFlags): Promise<void> {
  requireRoot('upgrade', 'replaces the program and restarts it');
  await requireManagedHost();
  const versions = new Versions(PROGRAM_LINK);
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  if (flags.carryOut) return carryOutHere(versions, stop.signal);
  const healthySeconds = secondsOf(flags.healthyWithin);
  const current = await currentOf(versions);
  if (flags.to === undefined && !flags.back) return tell(versions, current);
  if (flags.to !== undefined && flags.back) throw new UsageError('--to and --back are two different ways');
  await requireNoOther(versions);
  const to =
    flags.to === undefined
      ? await previousOf(versions)
      : await unpackPackage(flags.to, flags.checksum, versions, stop.signal);
  if (to === current) return print(`kedge: ${to} runs already`);
  stop.signal.throwIfAborted();
  print(`kedge: from ${current} to ${to}`);
  // Unpacking takes its time.
  await requireNoOther(versions);
  await versions.setCarrier(current);
  await versions.begin({ from: current, to, healthySeconds, ...(flags.begin && { attempt: flags.begin }) });
  await versions.clearOutcome();
  if (flags.begin !== undefined) return startUnit(UPGRADE_UNIT, stop.signal);
  // By systemd, whatever becomes of this process: it may be a session that ends with its connection.
  const limitMs = 2 * healthySeconds * 1000 + BACK_MS;
  const failed = await runUnit(UPGRADE_UNIT, limitMs, stop.signal).then(
    () => undefined,
    (error: Error) => error,
  );
  const outcome = await versions.outcome();
  if (!outcome)
    throw new HostError(`the upgrade has not come to an end: journalctl -u ${UPGRADE_UNIT} says why`, {
      cause: failed,
    });
  report(outcome);
}

async function requireNoOther(versions: Versions): Promise<void> {
  if (await versions.record())
    throw new HostError(`another upgrade is being carried out: journalctl -u ${UPGRADE_UNIT} says what it does`);
}

function report(outcome: UpgradeOutcome): void {
  const { from, to, reason } = outcome;
  if (reason !== undefined) throw new HostError(outcomeSentence(outcome));
  print(`kedge: ${to} runs; kedge upgrade --back goes back to ${from}`);
}

/** What the unit runs. */
async function carryOutHere(versions: Versions, signal: AbortSignal): Promise<void> {
  const { dataDir } = await nodeSettings(undefined);
  await carryOut(versions, upgradeHost(dataDir, signal), daemonLogger('kedge-upgrade', 'info'), signal);
}

async function tell(versions: Versions, current: string): Promise<void> {
  const [previous, record] = [await versions.previous(), await versions.record()];
  print(`kedge: ${current} runs${previous === undefined ? '' : `, and ${previous} ran before`}`);
  if (record) print(`kedge: an upgrade from ${record.from} to ${record.to} is being carried out`);
}

/** Debian's package is upgraded by Debian's tools; and without systemd nobody restarts what is killed. */
async function requireManagedHost(): Promise<void> {
  if ((await realpath(process.argv[1] ?? '')).startsWith(DEBIAN))
    throw new HostError(
      'this is the Debian package: apt install ./kedge_VERSION_ARCH.deb upgrades it, also to an older one',
    );
  if (!(await isSystemdRunning()))
    throw new HostError('kedge upgrade needs systemd: unpack the package and run its scripts/install.sh instead');
}

async function currentOf(versions: Versions): Promise<string> {
  const current = await versions.current();
  if (current === undefined)
    throw new HostError(
      `${PROGRAM_LINK} was not made by scripts/install.sh of this version: run that of the package once`,
    );
  return current;
}

async function previousOf(versions: Versions): Promise<string> {
  const previous = await versions.previous();
  if (previous === undefined) throw new HostError('there is no version before the present one on this host');
  return previous;
}

function secondsOf(text: string): number {
  if (!/^[1-9]\d{0,3}$/.test(text))
    throw new UsageError(`--healthy-within must be seconds such as ${HEALTHY_SECONDS}, not "${text}"`);
  return Number(text);
}

/** `kedge upgrade`: another version of the program on this host; pods run on. */
export const upgradeCommand = (): Command =>
  new Command('upgrade')
    // `nodes` has some of its options, too.
    .enablePositionalOptions()
    .description(
      'install another version beside the present one and switch to it, or back when it is not well; pods run on',
    )
    .option('--to <file>', 'package to upgrade to: kedge-VERSION-linux-ARCH.tar.gz, with its .sha256 beside it')
    .option('--checksum <sha256>', 'checksum of the package, instead of the file beside it')
    .option('--back', 'go back to the version before')
    .option(
      '--healthy-within <seconds>',
      'how long the new version may take until all is well',
      String(HEALTHY_SECONDS),
    )
    .option('--carry-out', 'carry out what has been begun: for the unit kedge-upgrade')
    .addOption(new Option('--begin <attempt>', 'begin, and do not wait for the end: for the agent').hideHelp())
    .addCommand(upgradeNodesCommand())
    .action(upgrade);

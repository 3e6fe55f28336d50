import { realpath } from 'node:fs/promises';
import { Command } from 'commander';
import { HostError } from '../agent/host/host-error.ts';
import { runUnit } from '../agent/host/service-units.ts';
import { isSystemdRunning } from '../agent/host/survey.ts';
import { carryOut } from '../agent/upgrade/carry-out.ts';
import { unpackPackage } from '../agent/upgrade/package-file.ts';
import { upgradeHost } from '../agent/upgrade/upgrade-host.ts';
import { Versions, type UpgradeOutcome } from '../agent/upgrade/versions.ts';
import { daemonLogger } from '../daemon/daemon-logger.ts';
import { requireRoot } from './daemon.ts';
import { nodeSettings } from './node-settings.ts';
import { SettingsError } from './settings.ts';

/** As scripts/host.sh has them. */
const LINK = '/usr/local/lib/kedge';
const DEBIAN = '/usr/lib/kedge/';
const UNIT = 'kedge-upgrade.service';
/** Besides the time that the new version is given: to go back. */
const BACK_MS = 300_000;
const HEALTHY_SECONDS = 120;

interface UpgradeFlags {
  readonly to?: string;
  readonly checksum?: string;
  readonly back?: true;
  readonly carryOut?: true;
  readonly healthyWithin: string;
}

async function upgrade(flags: UpgradeFlags): Promise<void> {
  requireRoot('upgrade', 'replaces the program and restarts it');
  await requireManagedHost();
  const versions = new Versions(LINK);
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  if (flags.carryOut) return carryOutHere(versions, stop.signal);
  const healthySeconds = secondsOf(flags.healthyWithin);
  const current = await currentOf(versions);
  if (flags.to === undefined && !flags.back) return tell(versions, current);
  if (flags.to !== undefined && flags.back) throw new SettingsError('--to and --back are two different ways');
  if (await versions.record())
    throw new HostError(`another upgrade is being carried out: journalctl -u ${UNIT} says what it does`);
  const to =
    flags.to === undefined
      ? await previousOf(versions)
      : await unpackPackage(flags.to, flags.checksum, versions, stop.signal);
  if (to === current) return console.log(`kedge: ${to} runs already`);
  stop.signal.throwIfAborted();
  console.log(`kedge: from ${current} to ${to}`);
  await versions.clearOutcome();
  await versions.setCarrier(current);
  await versions.setRecord({ from: current, to, healthySeconds });
  // By systemd, whatever becomes of this process: it may be a session that ends with its connection.
  const limitMs = 2 * healthySeconds * 1000 + BACK_MS;
  const failed = await runUnit(UNIT, limitMs, stop.signal).then(
    () => undefined,
    (error: Error) => error,
  );
  const outcome = await versions.outcome();
  if (!outcome)
    throw new HostError(`the upgrade has not come to an end: journalctl -u ${UNIT} says why`, { cause: failed });
  report(outcome);
}

function report({ from, to, reason, trouble }: UpgradeOutcome): void {
  if (reason === undefined) return console.log(`kedge: ${to} runs; kedge upgrade --back goes back to ${from}`);
  const also = trouble === undefined ? 'which is well' : `which is not well either: ${trouble}`;
  throw new HostError(`${to} was not well, so that ${from} runs again, ${also}. The reason: ${reason}`);
}

/** What the unit runs. */
async function carryOutHere(versions: Versions, signal: AbortSignal): Promise<void> {
  const { dataDir } = await nodeSettings(undefined);
  await carryOut(versions, upgradeHost(dataDir, signal), daemonLogger('kedge-upgrade', 'info'), signal);
}

async function tell(versions: Versions, current: string): Promise<void> {
  const [previous, record] = [await versions.previous(), await versions.record()];
  console.log(`kedge: ${current} runs${previous === undefined ? '' : `, and ${previous} ran before`}`);
  if (record) console.log(`kedge: an upgrade from ${record.from} to ${record.to} is being carried out`);
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
    throw new HostError(`${LINK} was not made by scripts/install.sh of this version: run that of the package once`);
  return current;
}

async function previousOf(versions: Versions): Promise<string> {
  const previous = await versions.previous();
  if (previous === undefined) throw new HostError('there is no version before the present one on this host');
  return previous;
}

function secondsOf(text: string): number {
  if (!/^[1-9]\d{0,3}$/.test(text))
    throw new SettingsError(`--healthy-within must be seconds such as ${HEALTHY_SECONDS}, not "${text}"`);
  return Number(text);
}

/** `kedge upgrade`: another version of the program on this host; pods run on. */
export const upgradeCommand = (): Command =>
  new Command('upgrade')
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
    .action(upgrade);

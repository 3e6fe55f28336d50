/**
 * Carries an upgrade out that has been recorded: switches, restarts, looks whether the daemons are well, and goes back when they are not.
 * Every step may be repeated. Whoever is killed at it is started again by systemd, also after a reboot, and does it from the beginning.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../../client/logger.ts';
import type { UnitState } from '../host/service-units.ts';
import type { UpgradeOutcome, Versions } from './versions.ts';

/** What an upgrade needs of the host. */
export interface UpgradeHost {
  /** The daemons that this host runs: they are restarted, and have to be well. */
  units(): Promise<readonly string[]>;
  /** Puts the unit files of a version in place. */
  installUnits(folder: string): Promise<void>;
  restart(unit: string): Promise<void>;
  state(unit: string): Promise<UnitState>;
  /** The words that a process was started with. */
  command(pid: number): Promise<readonly string[] | undefined>;
  /** Why a daemon that runs does not do its work; undefined when it does. */
  unhealthy(unit: string): Promise<string | undefined>;
}

export interface Pace {
  readonly lookMs: number;
  /** A daemon that ends soon after its start is not well: it has to be so for as long. */
  readonly settledMs: number;
}

const PACE: Pace = { lookMs: 250, settledMs: 3_000 };
/** The version before has run here: if it takes longer than this, something else is wrong. */
const BACK_LIMIT_MS = 120_000;

/** Resolves with how it ended; undefined when there was none to carry out. Rejects when the host does not let it. */
export async function carryOut(
  versions: Versions,
  host: UpgradeHost,
  logger: Logger,
  signal: AbortSignal,
  pace = PACE,
): Promise<UpgradeOutcome | undefined> {
  const record = await versions.record();
  if (!record) return undefined;
  const { from, to, healthySeconds, attempt } = record;
  let { reason } = record;
  const limitMs = healthySeconds * 1000;
  if (reason === undefined) {
    logger.info({ from, to }, 'switching');
    reason = await putInPlace(to, { limitMs, ...pace }, versions, host, signal);
    if (reason !== undefined) {
      logger.warn({ from, to, reason }, 'the new version is not well, going back');
      // From now on this is what is carried out, whatever happens.
      await versions.setRecord({ ...record, reason });
    }
  }
  const backMs = Math.max(limitMs, BACK_LIMIT_MS);
  const trouble =
    reason === undefined ? undefined : await putInPlace(from, { limitMs: backMs, ...pace }, versions, host, signal);
  if (reason === undefined) await versions.setPrevious(from);
  const outcome: UpgradeOutcome = {
    ...{ from, to },
    ...(reason !== undefined && { reason }),
    ...(trouble !== undefined && { trouble }),
    ...(attempt !== undefined && { attempt }),
  };
  await versions.finish(outcome);
  await versions.prune();
  logger.info(outcome, reason === undefined ? 'upgraded' : 'the version before runs again');
  return outcome;
}

/** Makes a version the one that runs; resolves with why it does not do its work, undefined when it does. */
async function putInPlace(
  id: string,
  { limitMs, ...pace }: Pace & { readonly limitMs: number },
  versions: Versions,
  host: UpgradeHost,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (!(await versions.has(id))) return `${id} is not on this host any more`;
  await versions.switchTo(id);
  await host.installUnits(versions.pathOf(id));
  const units = await host.units();
  for (const unit of units) await host.restart(unit);
  const deadline = performance.now() + limitMs;
  for (const unit of units) {
    const why = await untilWell(unit, versions.pathOf(id), { deadline, ...pace }, host, signal);
    if (why !== undefined) return why;
  }
  return undefined;
}

async function untilWell(
  unit: string,
  folder: string,
  { deadline, lookMs, settledMs }: Pace & { readonly deadline: number },
  host: UpgradeHost,
  signal: AbortSignal,
): Promise<string | undefined> {
  let wellSince: { readonly pid: number; readonly at: number } | undefined;
  for (;;) {
    signal.throwIfAborted();
    const { active, mainPid, status } = await host.state(unit);
    let why = active === 'active' ? undefined : `${unit} is ${active}${status === '' ? '' : `: ${status}`}`;
    if (why === undefined && !(await host.command(mainPid))?.some((word) => word.startsWith(`${folder}/`)))
      why = `${unit} does not run the program in ${folder}`;
    why ??= await host.unhealthy(unit);
    const now = performance.now();
    if (why !== undefined) wellSince = undefined;
    else if (wellSince?.pid !== mainPid) wellSince = { pid: mainPid, at: now };
    else if (now - wellSince.at > settledMs) return undefined;
    if (now > deadline && wellSince === undefined) return why ?? `${unit} does not stay up`;
    await delay(lookMs, undefined, { signal });
  }
}

import { failure, ok, warning, type Finding } from './finding.ts';

export interface ClockFacts {
  readonly nowMs: number;
  /** How far this clock is ahead of the api-server's; undefined when that was not asked, or did not answer. */
  readonly aheadMs?: number;
  /** Whether the kernel is told the time by somebody; undefined when it is not known. */
  readonly isSynchronized?: boolean;
}

/** Tokens and Leases bear a few seconds. */
const TOLERATED_MS = 5_000;
/** Leases run out after 40 s. */
const FATAL_MS = 30_000;
/** No host that this was made for has ever seen an earlier time. */
const EARLIEST_MS = Date.UTC(2025, 0);

/** Pure. */
export function judgeClock({ nowMs, aheadMs, isSynchronized }: ClockFacts): Finding[] {
  const mend = 'apt-get install systemd-timesyncd (or chrony), and timedatectl set-ntp true';
  if (nowMs < EARLIEST_MS)
    return [failure(`the clock says ${new Date(nowMs).toISOString()}`, 'the time: no certificate is valid then', mend)];
  if (aheadMs !== undefined && Math.abs(aheadMs) > TOLERATED_MS) {
    const found = `the clock is ${Math.round(Math.abs(aheadMs) / 1000)} s ${aheadMs > 0 ? 'ahead of' : 'behind'} that of the api-server`;
    const judged = Math.abs(aheadMs) > FATAL_MS ? failure : warning;
    return [judged(found, 'the same time on all hosts: certificates, tokens and Leases are judged by it', mend)];
  }
  if (isSynchronized === false) return [warning('nothing keeps the clock right', 'a time service (NTP)', mend)];
  return [ok(aheadMs === undefined ? new Date(nowMs).toISOString() : "the same time as the api-server's")];
}

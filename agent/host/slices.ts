/**
 * systemd's slices, where systemd owns the cgroup tree: direct writes are reverted at its next reload. They are
 * transient units: they leave no file behind when stopped, and need no reload of systemd.
 */
import { rm } from 'node:fs/promises';
import { ProgramError, run } from './run.ts';

/** In systemd's terms; absent means no limit. */
export interface SliceLimits {
  readonly cpuWeight: number;
  /** Microseconds in each second. */
  readonly cpuQuotaPerSecond?: number;
  readonly memoryMaxBytes?: number;
}

const MANAGER = ['org.freedesktop.systemd1', '/org/freedesktop/systemd1', 'org.freedesktop.systemd1.Manager'];
/** D-Bus represents no limit as the largest number. */
const NO_LIMIT = String(2n ** 64n - 1n);
/** Where systemd keeps the properties of existing slices. */
const RUNTIME_SETTINGS = '/run/systemd/system.control';

/** Creates the slice and its parents by name, with its limits. Idempotent. */
export async function ensureSlice(slice: string, limits: SliceLimits): Promise<void> {
  const properties = [
    ['CPUWeight', String(limits.cpuWeight)],
    ['CPUQuotaPerSecUSec', limits.cpuQuotaPerSecond === undefined ? NO_LIMIT : String(limits.cpuQuotaPerSecond)],
    ['MemoryMax', limits.memoryMaxBytes === undefined ? NO_LIMIT : String(limits.memoryMaxBytes)],
  ].flatMap(([name = '', value = '']) => [name, 't', value]);
  const count = String(properties.length / 3);
  try {
    const signature = 'ssa(sv)a(sa(sv))';
    await run('busctl', [
      'call',
      ...MANAGER,
      'StartTransientUnit',
      signature,
      slice,
      'fail',
      count,
      ...properties,
      '0',
    ]);
  } catch (error) {
    if (!(error instanceof ProgramError) || !error.stderr.includes('was already loaded')) throw error;
    await run('busctl', ['call', ...MANAGER, 'SetUnitProperties', 'sba(sv)', slice, 'true', count, ...properties]);
  }
}

/** Kills what runs in the slice and removes it. Idempotent. */
export async function removeSlice(slice: string): Promise<void> {
  await run('systemctl', ['stop', slice]);
  await rm(`${RUNTIME_SETTINGS}/${slice}.d`, { recursive: true, force: true });
}

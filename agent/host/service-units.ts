/** The units of systemd that this host runs Kedge with. https://www.freedesktop.org/software/systemd/man/latest/systemctl.html */
import { readTextIfThere } from './files.ts';
import { run } from './run.ts';

const LIMIT_MS = 30_000;

export interface UnitState {
  /** `active`, `activating`, `failed`, ... */
  readonly active: string;
  /** `enabled`, `disabled`, ...; empty for a unit that is not there. */
  readonly enabled: string;
  /** 0 while there is none. */
  readonly mainPid: number;
  /** What the daemon says of itself. */
  readonly status: string;
}

const PROPERTIES = ['ActiveState', 'UnitFileState', 'MainPID', 'StatusText'];

export async function unitState(unit: string, signal: AbortSignal): Promise<UnitState> {
  const args = ['show', '--property', PROPERTIES.join(','), '--', unit];
  const { stdout } = await run('systemctl', args, { timeoutMs: LIMIT_MS, signal });
  const values = new Map(
    stdout.split('\n').map((line): [string, string] => {
      const at = line.indexOf('=');
      return [line.slice(0, Math.max(0, at)), line.slice(at + 1)];
    }),
  );
  const value = (name: string): string => values.get(name) ?? '';
  return {
    ...{ active: value('ActiveState'), enabled: value('UnitFileState'), status: value('StatusText') },
    mainPid: Number(value('MainPID')),
  };
}

/** Does not wait until it has started: that may take for ever. */
export async function restartUnit(unit: string, signal: AbortSignal): Promise<void> {
  await run('systemctl', ['restart', '--no-block', '--', unit], { timeoutMs: LIMIT_MS, signal });
}

/** Waits until a unit that comes to an end has done so; throws ProgramError when it fails. */
export async function runUnit(unit: string, timeoutMs: number, signal: AbortSignal): Promise<void> {
  await run('systemctl', ['start', '--', unit], { timeoutMs, signal });
}

/** Does not wait for it: it may restart its caller. */
export async function startUnit(unit: string, signal: AbortSignal): Promise<void> {
  await run('systemctl', ['start', '--no-block', '--', unit], { timeoutMs: LIMIT_MS, signal });
}

/** After unit files have changed. */
export async function reloadUnits(signal: AbortSignal): Promise<void> {
  await run('systemctl', ['daemon-reload'], { timeoutMs: LIMIT_MS, signal });
}

/** The words that a process was started with; undefined when there is no such process. */
export async function commandOf(pid: number): Promise<string[] | undefined> {
  return (await readTextIfThere(`/proc/${pid}/cmdline`))?.split('\0');
}

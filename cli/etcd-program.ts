/** The etcd of this host, as a program. */
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import path from 'node:path';
import { run } from '../agent/host/run.ts';
import { SettingsError } from './settings.ts';

const PROGRAM = 'etcd';
const VERSION_LIMIT_MS = 10_000;
/** Of the other etcd that may be in the environment, and of Kedge. */
const NOT_ETCDS = /^(ETCD|KEDGE|NODE)_/;

/** The first of the PATH, as a shell finds it. Throws SettingsError. */
export async function findEtcd(): Promise<string> {
  for (const directory of (process.env['PATH'] ?? '').split(':')) {
    if (!path.isAbsolute(directory)) continue;
    const file = path.join(directory, PROGRAM);
    const isThere = await access(file, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return file;
  }
  throw new SettingsError('etcd is not installed: apt-get install etcd-server, or scripts/install.sh --etcd');
}

/** As 3.4.23. Throws SettingsError or ProgramError. */
export async function versionOf(program: string): Promise<string> {
  const { stdout } = await run(program, ['--version'], { timeoutMs: VERSION_LIMIT_MS, env: etcdsEnvironment() });
  const [, version] = /^etcd Version: (\d+\.\d+\.\d+)/.exec(stdout) ?? [];
  if (version === undefined) throw new SettingsError(`${program} --version does not say which etcd it is`);
  return version;
}

/** What systemd has said for this process goes to etcd, which tells it when it is ready. */
export function etcdsEnvironment(): Record<string, string> {
  const kept = Object.entries(process.env).flatMap(([name, value]) =>
    value === undefined || NOT_ETCDS.test(name) ? [] : [[name, value] as const],
  );
  // etcd 3.4 does not start on arm64 without it; 3.5 takes no notice.
  return { ...Object.fromEntries(kept), ...(process.arch === 'arm64' && { ETCD_UNSUPPORTED_ARCH: 'arm64' }) };
}

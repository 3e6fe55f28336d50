/** How the agent begins an upgrade of its own host: by its own program, as an administrator does, which verifies the package. */
import { realpath } from 'node:fs/promises';
import path from 'node:path';
import type { UpgradeRequest } from '../../api/domain/node-upgrade.ts';
import { kedgeVersion } from '../../api/version.ts';
import { ownCommand } from '../host/own-command.ts';
import { ProgramError, run } from '../host/run.ts';
import { HostError } from '../host/host-error.ts';
import { isVersionId } from './versions.ts';

/** A package is read twice and unpacked to disk, and its program is tried. */
const BEGIN_LIMIT_MS = 10 * 60_000;

/** `1.2.3-0123abcd`; of a program that was installed otherwise, its version. */
export async function ownProgram(): Promise<string> {
  const folder = path.basename(path.dirname(await realpath(process.argv[1] ?? '.')));
  return isVersionId(folder) ? folder : kedgeVersion;
}

/** Resolves when the unit that carries it out has been started. Throws HostError with the sentence of the command. */
export async function beginUpgrade(file: string, request: UpgradeRequest, signal: AbortSignal): Promise<void> {
  const [program = '', ...args] = ownCommand('upgrade');
  const { attempt, sha256, healthySeconds } = request;
  const flags = ['--to', file, '--checksum', `sha256:${sha256}`, '--healthy-within', `${healthySeconds}`];
  try {
    await run(program, [...args, ...flags, '--begin', attempt], { timeoutMs: BEGIN_LIMIT_MS, signal });
  } catch (error) {
    if (!(error instanceof ProgramError)) throw error;
    const said = error.stderr
      .trim()
      .split('\n')
      .at(-1)
      ?.replace(/^kedge: /, '');
    throw new HostError(said || error.message, { cause: error });
  }
}

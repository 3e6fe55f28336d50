/** Debian's builds of kubectl, whatever the host has: 1.20 (SPDY, no server-side apply) of Debian 12, 1.32 of Debian 13. */
import path from 'node:path';
import { run } from '../../agent/host/run.ts';
import { debianPackage, type Suite } from './debian-package.ts';

const PACKAGES: Readonly<Record<Suite, string>> = { bookworm: 'kubernetes-client', trixie: 'kubectl' };
/** The first version with everything that the tests use; the newest feature is `kubectl wait --for=create`. */
const MINIMUM_MINOR = 31;

/** Returns the folder of `kubectl`. */
export const debianKubectl = (suite: Suite): Promise<string> =>
  debianPackage(suite, PACKAGES[suite], `kubectl-${suite}`);

/** A PATH on which `kubectl` is the host's own if it is new enough for the tests, otherwise Debian 13's. */
export async function pathWithKubectl(searchPath: string): Promise<string> {
  const { stdout } = await run('kubectl', ['version', '--client', '-o', 'json']);
  const { clientVersion } = JSON.parse(stdout) as { clientVersion: { major: string; minor: string } };
  if (Number(clientVersion.major) > 1 || Number.parseInt(clientVersion.minor, 10) >= MINIMUM_MINOR) return searchPath;
  return [await debianKubectl('trixie'), searchPath].join(path.delimiter);
}

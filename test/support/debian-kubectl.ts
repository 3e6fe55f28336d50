/** Debian's builds of kubectl, whatever the host has: 1.20 (SPDY, no server-side apply) of Debian 12, 1.32 of Debian 13. */
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { run } from '../../agent/host/run.ts';
import { FETCH_LIMIT_MS, fetchedOnce } from './fetched-once.ts';

const MIRROR = 'http://deb.debian.org/debian';
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
const PACKAGES = { bookworm: 'kubernetes-client', trixie: 'kubectl' };
/** The first version with everything that the tests use; the newest feature is `kubectl wait --for=create`. */
const MINIMUM_MINOR = 31;

/** Returns the folder of `kubectl`; downloaded once per machine, and verified with Debian's keys. */
export async function debianKubectl(suite: keyof typeof PACKAGES): Promise<string> {
  const folder = await fetchedOnce(`kubectl-${suite}`, (work) => fetch(suite, work));
  return path.join(folder, 'usr/bin');
}

async function fetch(suite: keyof typeof PACKAGES, work: string): Promise<void> {
  const lists = path.join(work, 'lists');
  const sources = path.join(work, 'sources.list');
  await mkdir(path.join(lists, 'partial'), { recursive: true });
  await writeFile(sources, `deb [signed-by=${KEYRING}] ${MIRROR} ${suite} main\n`);
  const options = Object.entries({
    'Dir::Etc::SourceList': sources,
    'Dir::Etc::SourceParts': '-',
    'Dir::State::Lists': lists,
    // Ignore the packages installed on the host.
    'Dir::State::Status': '/dev/null',
    'Dir::Cache::pkgcache': '',
    'Dir::Cache::srcpkgcache': '',
    'APT::Sandbox::User': 'root',
  }).flatMap(([key, value]) => ['-o', `${key}=${value}`]);
  const limits = { timeoutMs: FETCH_LIMIT_MS };
  await run('apt-get', [...options, '-qq', 'update'], limits);
  // It downloads to the working directory.
  await run('env', ['-C', work, 'apt-get', ...options, '-qq', 'download', PACKAGES[suite]], limits);
  const [deb = ''] = (await readdir(work)).filter((name) => name.endsWith('.deb'));
  await run('dpkg-deb', ['-x', path.join(work, deb), work]);
  await rm(lists, { recursive: true });
}

/** A PATH on which `kubectl` is the host's own if it is new enough for the tests, otherwise Debian 13's. */
export async function pathWithKubectl(searchPath: string): Promise<string> {
  const { stdout } = await run('kubectl', ['version', '--client', '-o', 'json']);
  const { clientVersion } = JSON.parse(stdout) as { clientVersion: { major: string; minor: string } };
  if (Number(clientVersion.major) > 1 || Number.parseInt(clientVersion.minor, 10) >= MINIMUM_MINOR) return searchPath;
  return [await debianKubectl('trixie'), searchPath].join(path.delimiter);
}

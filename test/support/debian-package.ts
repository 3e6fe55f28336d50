/** Programs of Debian's packages, without installing them: downloaded once per machine, and verified with Debian's keys. */
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { run } from '../../agent/host/run.ts';
import { FETCH_LIMIT_MS, fetchedOnce } from './fetched-once.ts';

const MIRROR = 'http://deb.debian.org/debian';
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

export type Suite = 'bookworm' | 'trixie';

/** Returns the folder of what the package has in `usr/bin`. */
export async function debianPackage(suite: Suite, name: string, folder = `${name}-${suite}`): Promise<string> {
  return path.join(await fetchedOnce(folder, (work) => fetch(suite, name, work)), 'usr/bin');
}

async function fetch(suite: Suite, name: string, work: string): Promise<void> {
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
  await run('env', ['-C', work, 'apt-get', ...options, '-qq', 'download', name], limits);
  const [deb = ''] = (await readdir(work)).filter((file) => file.endsWith('.deb'));
  await run('dpkg-deb', ['-x', path.join(work, deb), work]);
  await rm(lists, { recursive: true });
}

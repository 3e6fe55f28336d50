/** The kubectl of Debian 12 (1.20: SPDY, no server-side apply), whatever kubectl the host has. */
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { isThere } from '../../agent/host/files.ts';
import { run } from '../../agent/host/run.ts';

const CACHE = path.join(os.tmpdir(), 'kedge-test-kubectl-1.20');

/** Answers the path of the program; fetched from Debian once a machine. */
export async function oldKubectl(): Promise<string> {
  const program = path.join(CACHE, 'usr/bin/kubectl');
  if (await isThere(program)) return program;
  const work = `${CACHE}.${process.pid}`;
  await mkdir(work, { recursive: true });
  await run('sh', ['-c', 'cd "$1" && apt-get download -qq kubernetes-client', 'sh', work], { timeoutMs: 120_000 });
  const [deb = ''] = (await readdir(work)).filter((name) => name.endsWith('.deb'));
  await run('dpkg-deb', ['-x', path.join(work, deb), work]);
  await rm(CACHE, { recursive: true, force: true });
  await rename(work, CACHE);
  return program;
}

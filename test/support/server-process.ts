/** `kedge server` as a process on this host, from the sources. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { Daemon } from './daemon.ts';

const PROGRAM = path.join(import.meta.dirname, '../../cli/main.ts');

/** Its data and log are in the folder. */
export function serverProcess(folder: string, ...args: string[]): Daemon {
  const all = [
    PROGRAM,
    'server',
    `--data-dir=${folder}`,
    '--bind-address=127.0.0.1',
    '--advertise-address=192.0.2.1',
    '--disable=ingress',
  ];
  return new Daemon(process.execPath, [...all, ...args], { log: path.join(folder, 'log') });
}

/** Whether one of its roles has become the leader. */
export const leads = async ({ log }: Daemon): Promise<boolean> =>
  (await readFile(log, 'utf8')).includes('became leader');

/** Failed system calls (files, ports, programs) as messages that say what failed, where, and how to fix it. */
import { dirname, resolve } from 'node:path';
import { kebab } from './setting-names.ts';

/** The error that Node.js throws for a failed system call. */
interface SystemError extends NodeJS.ErrnoException {
  readonly syscall: string;
  readonly address?: string;
  readonly port?: number;
}

export const isSystemError = (error: unknown): error is SystemError =>
  error instanceof Error && typeof (error as NodeJS.ErrnoException).syscall === 'string';

const REASONS: ReadonlyMap<string | undefined, string> = new Map([
  ['ENOENT', 'no such file or directory'],
  ['EACCES', 'permission denied'],
  ['EPERM', 'operation not permitted'],
  ['ENOTDIR', 'a part of the path is not a directory'],
  ['EISDIR', 'is a directory'],
  ['EROFS', 'the file system is read-only'],
  ['ENOSPC', 'the disk is full'],
  ['EADDRINUSE', 'address already in use'],
  ['EADDRNOTAVAIL', 'the address is not assigned to this host'],
]);
const NOT_ALLOWED: ReadonlySet<string | undefined> = new Set(['EACCES', 'EPERM']);

/** The reason of a failed system call, without its arguments. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return REASONS.get(code) ?? message;
}

/** The setting that a path derives from: the path is its value, is below it, or is its parent folder. */
function settingOf(path: string, settings: Readonly<Record<string, unknown>>): string | undefined {
  const wanted = resolve(path);
  const [found] = Object.entries(settings)
    .filter((entry): entry is [string, string] => typeof entry[1] === 'string' && entry[1].includes('/'))
    .map(([name, value]) => ({ name, value: resolve(value) }))
    .filter(({ value }) => wanted === value || wanted.startsWith(`${value}/`) || wanted === dirname(value))
    .sort((a, b) => b.value.length - a.value.length);
  return found && kebab(found.name);
}

/** The message for a failed system call. `settings` are those of the failed daemon. */
export function systemErrorMessage(error: SystemError, settings: Readonly<Record<string, unknown>>): string {
  const { syscall, path, address, port, code } = error;
  const reason = reasonOf(error);
  if (syscall === 'listen' || syscall === 'bind') {
    const remedy =
      code === 'EADDRNOTAVAIL'
        ? 'choose another with --bind-address'
        : 'stop the program that uses it, or choose another --port';
    const isPrivileged = NOT_ALLOWED.has(code);
    const where = port === undefined ? address : `${address}:${port}`;
    return `cannot listen on ${where}: ${reason}; ${isPrivileged ? 'run this as root (sudo)' : remedy}`;
  }
  if (path === undefined) return error.message;
  if (syscall.startsWith('spawn')) return `the program ${path} failed to start: ${reason}; install it`;
  const setting = settingOf(path, settings);
  const subject = setting === undefined ? path : `${setting}: ${path}`;
  const other = setting === undefined ? '' : `, or choose another --${setting}`;
  return NOT_ALLOWED.has(code)
    ? `${subject}: ${reason} (${syscall}); run this as root (sudo)${other}`
    : `${subject}: ${reason} (${syscall})`;
}

/** What an operator has to know about a backup that cannot be made, read or restored: the message is one sentence. */
export class BackupError extends Error {
  override readonly name = 'BackupError';
}

const FULL: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT']);

/** The error for a failed write below a directory. */
export function writeFailure(directory: string, error: unknown): Error {
  const { code, syscall, message } = error as NodeJS.ErrnoException;
  if (FULL.has(code))
    return new BackupError(`the disk of ${directory} is full: nothing has been changed there`, { cause: error });
  return syscall === undefined
    ? (error as Error)
    : new BackupError(`failed to write to ${directory}: ${message}`, { cause: error });
}

/** Where backups are kept. */
export interface StoredBackup {
  readonly name: string;
  readonly bytes: number;
  /** Milliseconds since the epoch, of its name. */
  readonly createdAt: number;
}

export interface Destination {
  /** For messages: a directory, or `s3://bucket/prefix`. */
  readonly where: string;
  /** The backups there, oldest first. Other files are not among them. */
  list(signal: AbortSignal): Promise<readonly StoredBackup[]>;
  /** Makes the file `name` of what `write` writes to the path that it is given. Rejects: then it is not there. */
  save(name: string, write: (file: string) => Promise<void>, signal: AbortSignal): Promise<void>;
  /** Calls `use` with a local file that has the content of the backup. */
  use<T>(name: string, use: (file: string) => Promise<T>, signal: AbortSignal): Promise<T>;
  delete(name: string, signal: AbortSignal): Promise<void>;
}

const NAME = /^kedge-[0-9a-f]{12}-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(\d{3})Z\.backup$/;

/** @param caHash of the cluster @param now milliseconds since the epoch */
export function backupName(caHash: string, now: number): string {
  const id = caHash.replace(/^sha256:/, '').slice(0, 12);
  return `kedge-${id}-${new Date(now).toISOString().replace(/[-:.]/g, '')}.backup`;
}

/** Whether a backup is of the cluster with this CA, as far as its name says. */
export const isOf = (caHash: string, name: string): boolean =>
  name.startsWith(`kedge-${caHash.replace(/^sha256:/, '').slice(0, 12)}-`);

/** Undefined for a file that is no backup. */
export function storedBackup(name: string, bytes: number): StoredBackup | undefined {
  const [, year, month, day, hour, minute, second, ms] = NAME.exec(name) ?? [];
  if (year === undefined) return undefined;
  const createdAt = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}.${ms}Z`);
  return Number.isNaN(createdAt) ? undefined : { name, bytes, createdAt };
}

export const oldestFirst = (backups: readonly StoredBackup[]): StoredBackup[] =>
  [...backups].sort((a, b) => a.createdAt - b.createdAt);

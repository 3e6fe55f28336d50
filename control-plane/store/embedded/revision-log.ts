import { crc32 } from 'node:zlib';
import { open, type Database, type RootDatabase } from 'lmdb';
import { StoreUnavailableError } from '../store.ts';

/** One write. */
export interface LogEntry {
  readonly revision: number;
  readonly type: 'put' | 'delete';
  readonly key: string;
  /** The revision of the key's previous entry, put or delete; 0 when there was none. */
  readonly previousRevision: number;
  /** Whether the key existed before this write. */
  readonly replaces: boolean;
  readonly checksum: number;
}

export interface NewLogEntry {
  readonly revision: number;
  readonly type: 'put' | 'delete';
  readonly key: string;
  readonly previousRevision: number;
  readonly replaces: boolean;
  /** Written to disk without a copy: it must not be changed. */
  readonly value: Buffer | undefined;
}

/** What a commit removes: superseded entries, and the new compacted revision. */
export interface LogTrim {
  readonly compactedRevision: number;
  readonly revisions: readonly number[];
}

export interface FileUsage {
  readonly bytes: number;
  readonly usedBytes: number;
}

/** lmdb's statistics of a tree and of the whole file, which its types omit. */
interface TreeStats {
  readonly treeBranchPageCount: number;
  readonly treeLeafPageCount: number;
  readonly overflowPages: number;
}

interface EnvironmentStats extends TreeStats {
  readonly pageSize: number;
  readonly lastPageNumber: number;
  readonly free: TreeStats;
}

const META_PAGES = 2;
const pagesOf = ({ treeBranchPageCount, treeLeafPageCount, overflowPages }: TreeStats): number =>
  treeBranchPageCount + treeLeafPageCount + overflowPages;

/** Reserved address space for the file, in bytes. It costs nothing until used, and the map never has to be moved. */
const MAP_SIZE_BYTES = 256 * 2 ** 30;
/**
 * Maximum number of LMDB readers. With so few, the lock file is a single page, allocated when it is first opened: allocating
 * another page of this writable mapping on a full disk would kill the process with SIGBUS.
 */
const MAX_READERS = 32;
/** The file holds secrets: readable by its owner only. */
const FILE_MODE = 0o600;
const COMPACTED_KEY = 'compactedRevision';
/** Entry types of stores from before headers had a checksum; newer entries have these plus `CHECKED`. */
const TYPE_CREATE = 1;
const TYPE_UPDATE = 2;
const TYPE_DELETE = 3;
const CHECKED = 3;
/** Layout: type (1), checksum of the value (4), previous revision (6), checksum of the header (4), then the key. */
const HEADER_BYTES = 15;
const HEADER_CHECKSUM_AT = 11;
/** Maximum size of a key, so that a header fits well into a page. */
export const MAX_KEY_BYTES = 1024;

/** Data on disk is not what was written. */
export class DamagedStoreError extends StoreUnavailableError {
  override readonly name = 'DamagedStoreError';
}

/**
 * The log on disk: `revision -> header` and, separately, `revision -> value`, so that startup and compaction scan headers
 * without reading any value. Both are append-only in key order, so a commit of many writes touches only a few dozen pages.
 *
 * LMDB runs in its default mode (no `overlappingSync`): a commit writes its pages, syncs, and only then writes the meta
 * page that makes them visible. Visible data is on disk, the commit's promise includes the flush, and a failed commit
 * leaves nothing.
 */
export class RevisionLog {
  readonly #root: RootDatabase<Buffer, string>;
  readonly #headers: Database<Buffer, number>;
  readonly #values: Database<Buffer, number>;
  readonly #meta: Database<Buffer, string>;
  #closed = false;

  /** Throws lmdb's errors: their message begins with LMDB's name of the error, or with the system's message. */
  static async open(path: string): Promise<RevisionLog> {
    // A separate variable, since lmdb's types omit `permissionsMode`.
    const options = {
      path,
      noSubdir: false,
      encoding: 'binary' as const,
      mapSize: MAP_SIZE_BYTES,
      maxDbs: 3,
      maxReaders: MAX_READERS,
      overlappingSync: false,
      // Batches are made here, one commit at a time; lmdb-js must not start others per event-loop turn.
      eventTurnBatching: false,
      permissionsMode: FILE_MODE,
    };
    const root = open<Buffer, string>(options);
    try {
      return new RevisionLog(root);
    } catch (error) {
      await root.close();
      throw error;
    }
  }

  private constructor(root: RootDatabase<Buffer, string>) {
    this.#root = root;
    this.#headers = root.openDB<Buffer, number>({ name: 'headers', encoding: 'binary' });
    this.#values = root.openDB<Buffer, number>({ name: 'values', encoding: 'binary' });
    this.#meta = root.openDB<Buffer, string>({ name: 'meta', encoding: 'binary' });
  }

  get compactedRevision(): number {
    const stored = this.#meta.get(COMPACTED_KEY);
    return stored ? stored.readUIntBE(0, 6) : 0;
  }

  /** The revision of the latest write; kept even when compaction has removed its entry. */
  get lastRevision(): number {
    const [latest = 0] = this.#headers.getKeys({ reverse: true, limit: 1 });
    return Math.max(latest, this.compactedRevision);
  }

  /** Entries in revision order, both bounds inclusive. */
  *entries(from: number, to: number): Generator<LogEntry> {
    for (const { key: revision, value } of this.#headers.getRange({ start: from, end: to + 1 })) {
      yield decodeHeader(revision, value);
    }
  }

  entry(revision: number): LogEntry | undefined {
    const header = this.#headers.get(revision);
    return header && decodeHeader(revision, header);
  }

  /** The revision of a key's value as of `at`, found by following the log back from its latest write; 0: it did not exist. */
  revisionAt({ revision, deleted }: { readonly revision: number; readonly deleted: boolean }, at: number): number {
    while (revision > at) {
      const entry = this.entry(revision);
      if (!entry) throw new DamagedStoreError(`the log entry of revision ${revision} is missing; restore a backup`);
      revision = entry.previousRevision;
      deleted = !entry.replaces;
    }
    return deleted ? 0 : revision;
  }

  /** The value written at a revision. Throws DamagedStoreError when its checksum does not match. */
  value(revision: number): Buffer | undefined {
    const header = this.#headers.get(revision);
    if (!header) return undefined;
    const entry = decodeHeader(revision, header);
    if (entry.type === 'delete') return undefined;
    const value = this.#values.get(revision);
    if (!value || crc32(value) !== entry.checksum) {
      throw new DamagedStoreError(
        `the value of ${entry.key} at revision ${revision} on disk does not match what was written; ` +
          'restore the data directory from a backup',
      );
    }
    return value;
  }

  /** Commits atomically; resolves once it is on disk. One commit at a time. */
  async commit(entries: readonly NewLogEntry[], trim: LogTrim | undefined): Promise<void> {
    try {
      // Only the promise of the batch matters; those of its writes never reject.
      await this.#root.batch(() => {
        for (const entry of entries) {
          void this.#headers.put(entry.revision, encodeHeader(entry));
          if (entry.value) void this.#values.put(entry.revision, entry.value);
        }
        if (!trim) return;
        for (const revision of trim.revisions) {
          void this.#headers.remove(revision);
          void this.#values.remove(revision);
        }
        const compacted = Buffer.allocUnsafe(6);
        compacted.writeUIntBE(trim.compactedRevision, 0, 6);
        void this.#meta.put(COMPACTED_KEY, compacted);
      });
    } catch (error) {
      throw await commitFailure(error);
    }
  }

  /** The size of the file and how much of it is in use. */
  get usage(): FileUsage {
    const stats = this.#root.getStats() as EnvironmentStats;
    const pages = [this.#headers, this.#values, this.#meta].map((database) => database.getStats() as TreeStats);
    const used = [stats, stats.free, ...pages].reduce((sum, tree) => sum + pagesOf(tree), META_PAGES);
    return { bytes: (stats.lastPageNumber + 1) * stats.pageSize, usedBytes: used * stats.pageSize };
  }

  /**
   * Copies the used pages to a new data file in a directory, without free ones, and returns it opened. Also writes the
   * second meta page, which LMDB leaves empty in a copy until its next commit.
   */
  async copyTo(directory: string): Promise<RevisionLog> {
    await this.#root.backup(directory, true);
    const copy = await RevisionLog.open(directory);
    try {
      await copy.commit([], { compactedRevision: this.compactedRevision, revisions: [] });
      return copy;
    } catch (error) {
      await copy.close();
      throw error;
    }
  }

  /** Throws when LMDB refuses all operations after a failure that it could not roll back; then the log must be reopened. */
  probe(): void {
    this.#root.transactionSync(() => undefined);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#root.close();
  }
}

/** lmdb-js rejects with "Commit failed" and keeps the reason in a separate promise, which has to be handled as well. */
async function commitFailure(error: unknown): Promise<unknown> {
  if (!(error instanceof Error) || !('commitError' in error)) return error;
  try {
    await error.commitError;
  } catch (reason) {
    return reason;
  }
  return error;
}

function encodeHeader(entry: NewLogEntry): Buffer {
  const header = Buffer.allocUnsafe(HEADER_BYTES + Buffer.byteLength(entry.key));
  header.writeUInt8(CHECKED + (entry.type === 'delete' ? TYPE_DELETE : entry.replaces ? TYPE_UPDATE : TYPE_CREATE), 0);
  header.writeUInt32BE(entry.value ? crc32(entry.value) : 0, 1);
  header.writeUIntBE(entry.previousRevision, 5, 6);
  header.write(entry.key, HEADER_BYTES, 'utf8');
  header.writeUInt32BE(headerChecksum(entry.revision, header), HEADER_CHECKSUM_AT);
  return header;
}

/** Covers the revision, which is the header's key in the tree: it may be damaged like anything else. */
function headerChecksum(revision: number, header: Buffer): number {
  return crc32(header.subarray(HEADER_BYTES), crc32(header.subarray(0, HEADER_CHECKSUM_AT), revision >>> 0));
}

function decodeHeader(revision: number, header: Buffer): LogEntry {
  const written = header.length > 0 ? header.readUInt8(0) : 0;
  const checked = written > CHECKED;
  const type = checked ? written - CHECKED : written;
  const keyAt = checked ? HEADER_BYTES : HEADER_CHECKSUM_AT;
  if (
    header.length <= keyAt ||
    (type !== TYPE_CREATE && type !== TYPE_UPDATE && type !== TYPE_DELETE) ||
    (checked && header.readUInt32BE(HEADER_CHECKSUM_AT) !== headerChecksum(revision, header))
  ) {
    throw new DamagedStoreError(
      `the log entry of revision ${revision} is damaged; restore the data directory from a backup`,
    );
  }
  return {
    revision,
    type: type === TYPE_DELETE ? 'delete' : 'put',
    replaces: type !== TYPE_CREATE,
    checksum: header.readUInt32BE(1),
    previousRevision: header.readUIntBE(5, 6),
    key: header.toString('utf8', keyAt),
  };
}

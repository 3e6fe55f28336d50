/**
 * Checks whether an LMDB data file (format version 2) is safe to map. LMDB trusts its file: one flipped bit in a page
 * number makes it read unmapped memory, which kills the process, or overwrite pages in use. So the file is read here first:
 * both meta pages, every page that a tree reaches, and the list of free pages. The content of values is covered by the
 * checksums of `revision-log.ts`.
 */
import { readSync } from 'node:fs';

export class FileDamagedError extends Error {
  override readonly name = 'FileDamagedError';
}

const MAGIC = 0xbeefc0de;
const VERSION = 2;
const META_PAGES = 2;
const HEADER_BYTES = 24;
const NODE_HEADER_BYTES = 8;
/** Offsets in `struct MDB_meta`, which follows the page header, and in `struct MDB_db` within it. */
const META = {
  magic: 0,
  version: 4,
  address: 8,
  mapSize: 16,
  free: 24,
  main: 72,
  lastPage: 120,
  transaction: 128,
} as const;
const DB = { pageSize: 0, flags: 4, depth: 6, root: 40, bytes: 48 } as const;
const PAGE = { number: 0, transaction: 8, flags: 18, lower: 20, upper: 22, overflowPages: 20 } as const;
const BRANCH = 0x01;
const LEAF = 0x02;
const OVERFLOW = 0x04;
const META_PAGE = 0x08;
/** The page-type flags; other flags are LMDB's bookkeeping. */
const KINDS = 0x6f;
const BIG_DATA = 0x01;
const SUB_DATABASE = 0x02;
const PAGE_SIZES = new Set([4096, 8192, 16384, 32768, 65536]);
const NO_PAGE = 0xffffffffffffffffn;
/** LMDB's `CURSOR_STACK`. */
const MAX_DEPTH = 32;
/** Free pages at the end of the file may never have been written; a larger gap is taken as damage. */
const MAX_UNWRITTEN_BYTES = 2 ** 32;

interface Tree {
  readonly root: bigint;
  readonly depth: number;
}

interface Meta {
  readonly free: Tree;
  readonly main: Tree;
  readonly pageSize: number;
  readonly lastPage: number;
  readonly transaction: bigint;
}

type Compare = (a: Buffer, b: Buffer) => number;

/** LMDB's default key order: memcmp. */
const byBytes: Compare = (a, b) => a.compare(b);
const byInteger: Compare = (a, b) => {
  const [one, other] = [a.readBigUInt64LE(), b.readBigUInt64LE()];
  return one < other ? -1 : one > other ? 1 : 0;
};

/**
 * @param size of the file in bytes
 * @returns the size in bytes that the file needs to be mapped. Throws FileDamagedError.
 */
export function checkDataFile(fd: number, size: number): number {
  const first = readMeta(fd, 0n);
  const second = readMeta(fd, BigInt(first.pageSize));
  if (first.pageSize !== second.pageSize) throw new FileDamagedError('its two meta pages disagree on the page size');
  const latest = first.transaction > second.transaction ? first : second;
  const needed = (latest.lastPage + 1) * latest.pageSize;
  if (needed - size > MAX_UNWRITTEN_BYTES) throw new FileDamagedError('its recorded size is too large');
  const apart = Number(first.transaction - second.transaction);
  if (Math.abs(apart) !== 1 && latest.transaction !== 0n)
    throw new FileDamagedError('its two meta pages are not of consecutive transactions');
  new FileCheck(fd, size, latest).check();
  return needed;
}

function readMeta(fd: number, position: bigint): Meta {
  const page = Buffer.alloc(HEADER_BYTES + META.transaction + 8);
  const read = readSync(fd, page, 0, page.length, position);
  const index = position === 0n ? 0 : 1;
  const where = `page ${index}`;
  const meta = page.subarray(HEADER_BYTES);
  if (
    read < page.length ||
    meta.readUInt32LE(META.magic) !== MAGIC ||
    (meta.readUInt32LE(META.version) & 0xffff) !== VERSION ||
    (page.readUInt16LE(PAGE.flags) & KINDS) !== META_PAGE ||
    page.readBigUInt64LE(PAGE.number) !== BigInt(index)
  )
    throw new FileDamagedError(`${where} is not a meta page`);
  const pageSize = meta.readUInt32LE(META.free + DB.pageSize);
  const lastPage = meta.readBigUInt64LE(META.lastPage);
  const transaction = meta.readBigUInt64LE(META.transaction);
  const sound =
    PAGE_SIZES.has(pageSize) &&
    meta.readBigUInt64LE(META.address) === 0n &&
    meta.readBigUInt64LE(META.mapSize) <= BigInt(Number.MAX_SAFE_INTEGER) &&
    lastPage >= BigInt(META_PAGES - 1) &&
    lastPage * BigInt(pageSize) <= meta.readBigUInt64LE(META.mapSize) &&
    // Transactions alternate between the two meta pages.
    Number(transaction & 1n) === (transaction === 0n ? 0 : index);
  if (!sound) throw new FileDamagedError(`${where} has invalid values`);
  return {
    free: readTree(meta, META.free, where),
    main: readTree(meta, META.main, where),
    pageSize,
    lastPage: Number(lastPage),
    transaction,
  };
}

function readTree(bytes: Buffer, at: number, where: string): Tree {
  const root = bytes.readBigUInt64LE(at + DB.root);
  const depth = bytes.readUInt16LE(at + DB.depth);
  if (depth > MAX_DEPTH || (root === NO_PAGE) !== (depth === 0))
    throw new FileDamagedError(`${where} describes an invalid tree`);
  return { root, depth };
}

/** Checks the trees of one meta page. */
class FileCheck {
  readonly #fd: number;
  readonly #size: number;
  readonly #meta: Meta;
  /** 1: in use, 2: free. */
  readonly #pages: Uint8Array;
  readonly #databases: Tree[] = [];

  constructor(fd: number, size: number, meta: Meta) {
    this.#fd = fd;
    this.#size = size;
    this.#meta = meta;
    this.#pages = new Uint8Array(Math.min(meta.lastPage + 1, Math.ceil((size + MAX_UNWRITTEN_BYTES) / meta.pageSize)));
  }

  check(): void {
    const { free, main, transaction } = this.#meta;
    // Each commit of the store rewrites the root of the main tree: a root of another transaction is not what was written.
    if (main.root !== NO_PAGE && this.#page(main.root, 'the root').readBigUInt64LE(PAGE.transaction) !== transaction)
      throw new FileDamagedError(`transaction ${transaction} points to the data of another transaction`);
    this.#walk(main, byBytes, (flags, data) => {
      if (flags & SUB_DATABASE) this.#databases.push(readTree(data, 0, 'the list of databases'));
    });
    for (const database of this.#databases) this.#walk(database, byBytes, () => undefined);
    const lists: Buffer[] = [];
    this.#walk(free, byInteger, (_flags, data) => lists.push(data));
    for (const list of lists) this.#checkFree(list);
  }

  #walk(tree: Tree, compare: Compare, visit: (flags: number, data: Buffer) => void): void {
    if (tree.root === NO_PAGE) return;
    let previous: Buffer | undefined;
    const descend = (number: bigint, depth: number): void => {
      const page = Buffer.from(this.#page(number, 'a tree'));
      this.#take(number, 1n);
      const kind = page.readUInt16LE(PAGE.flags) & KINDS;
      if (kind !== (depth === 1 ? LEAF : BRANCH))
        throw new FileDamagedError(`page ${number} does not have the type that its tree expects`);
      for (const node of this.#nodes(page, number)) {
        if (kind === BRANCH) {
          descend(node.child, depth - 1);
          continue;
        }
        if (compare === byInteger && node.key.length !== 8)
          throw new FileDamagedError(`page ${number} has an invalid key`);
        if (previous && compare(previous, node.key) >= 0)
          throw new FileDamagedError(`page ${number} has keys out of order`);
        previous = node.key;
        visit(node.flags, this.#dataOf(node.flags, node.data, node.dataBytes, compare === byInteger));
      }
    };
    descend(tree.root, tree.depth);
  }

  *#nodes(page: Buffer, number: bigint) {
    const { pageSize } = this.#meta;
    const bad = (): FileDamagedError => new FileDamagedError(`page ${number} has invalid entries`);
    const lower = page.readUInt16LE(PAGE.lower);
    const upper = page.readUInt16LE(PAGE.upper);
    const count = lower >> 1;
    if (lower & 1 || count === 0 || lower > upper || HEADER_BYTES + upper > pageSize) throw bad();
    const isBranch = (page.readUInt16LE(PAGE.flags) & KINDS) === BRANCH;
    for (let index = 0; index < count; index++) {
      const offset = page.readUInt16LE(HEADER_BYTES + 2 * index);
      const at = HEADER_BYTES + offset;
      if (offset < upper || at + NODE_HEADER_BYTES > pageSize) throw bad();
      const low = page.readUInt32LE(at);
      const flags = page.readUInt16LE(at + 4);
      const keyEnd = at + NODE_HEADER_BYTES + page.readUInt16LE(at + 6);
      const dataBytes = flags & BIG_DATA ? 24 : low;
      const end = isBranch ? keyEnd : keyEnd + dataBytes;
      if (end > pageSize || (!isBranch && flags & ~(BIG_DATA | SUB_DATABASE))) throw bad();
      if (!isBranch && flags & SUB_DATABASE && low !== DB.bytes) throw bad();
      yield {
        flags,
        child: BigInt(low) | (BigInt(flags) << 32n),
        key: page.subarray(at + NODE_HEADER_BYTES, keyEnd),
        data: isBranch ? EMPTY : page.subarray(keyEnd, end),
        dataBytes: low,
      };
    }
  }

  /** Marks the overflow pages of a value as used; `whole`: also reads them. */
  #dataOf(flags: number, data: Buffer, bytes: number, whole: boolean): Buffer {
    if (!(flags & BIG_DATA)) return data;
    const number = data.readBigUInt64LE(0);
    const count = data.readBigUInt64LE(16);
    const { pageSize } = this.#meta;
    if (count !== BigInt(Math.ceil((HEADER_BYTES + bytes) / pageSize)))
      throw new FileDamagedError(`the value on page ${number} does not have the length that its entry records`);
    this.#take(number, count);
    const page = this.#page(number, 'a value');
    if ((page.readUInt16LE(PAGE.flags) & KINDS) !== OVERFLOW || BigInt(page.readUInt32LE(PAGE.overflowPages)) !== count)
      throw new FileDamagedError(`page ${number} is not the value that its entry expects`);
    this.#mustBeWritten(number + count - 1n);
    if (!whole) return EMPTY;
    const value = Buffer.alloc(bytes);
    readSync(this.#fd, value, 0, bytes, number * BigInt(pageSize) + BigInt(HEADER_BYTES));
    return value;
  }

  /** A count, then page numbers; a negative number is the length of the run that starts at the next number; 0 is unused. */
  #checkFree(list: Buffer): void {
    const bad = (): FileDamagedError => new FileDamagedError('the free page list is invalid');
    if (list.length < 8 || list.length % 8 !== 0) throw bad();
    const count = list.readBigUInt64LE(0);
    if (count > BigInt(list.length / 8 - 1)) throw bad();
    let block = 1n;
    for (let index = 1; index <= Number(count); index++) {
      const entry = list.readBigInt64LE(8 * index);
      if (entry < 0n) {
        if (block !== 1n) throw bad();
        block = -entry;
        continue;
      }
      if (entry > 0n) this.#take(BigInt.asUintN(64, entry), block, 2);
      block = 1n;
    }
  }

  #take(number: bigint, count: bigint, use: 1 | 2 = 1): void {
    if (number < BigInt(META_PAGES) || count < 1n || number + count - 1n > BigInt(this.#meta.lastPage))
      throw new FileDamagedError(`page ${number} is outside of the file`);
    for (let page = Number(number); page < Number(number + count); page++) {
      if (this.#pages[page]) throw new FileDamagedError(`page ${page} is used twice`);
      this.#pages[page] = use;
    }
  }

  #mustBeWritten(number: bigint): void {
    if ((number + 1n) * BigInt(this.#meta.pageSize) > BigInt(this.#size))
      throw new FileDamagedError(`page ${number} is missing: the file is truncated`);
  }

  readonly #buffer = Buffer.alloc(65536);

  /** The returned buffer is valid until the next call. */
  #page(number: bigint, of: string): Buffer {
    const { pageSize } = this.#meta;
    if (number < BigInt(META_PAGES) || number > BigInt(this.#meta.lastPage))
      throw new FileDamagedError(`${of} points to page ${number}, which is outside of the file`);
    this.#mustBeWritten(number);
    const page = this.#buffer.subarray(0, pageSize);
    readSync(this.#fd, page, 0, pageSize, number * BigInt(pageSize));
    if (page.readBigUInt64LE(PAGE.number) !== number)
      throw new FileDamagedError(`page ${number} does not match what was written`);
    return page;
  }
}

const EMPTY = Buffer.alloc(0);

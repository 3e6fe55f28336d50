/** JSON patch, RFC 6902, with upstream's limits and errors. */
import { deepEqual } from '../deep-equal.ts';
import { MAX_DEPTH } from '../limits.ts';
import { Extent } from '../extent.ts';
import { badRequest, StatusError, tooLarge, unprocessable } from '../status-error.ts';
import { isJsonObject, own, setOwn } from '../own.ts';

/** Upstream's `maxJSONPatchOperations`. */
const MAX_OPERATIONS = 10_000;
/** Upstream's `JSONPatchMaxCopyBytes`: the total size of all copies of a patch, as JSON. */
const MAX_COPIED_BYTES = 3 * 1024 * 1024;
/** Items that insertions and removals may move within lists, in total: about twenty milliseconds. */
const MAX_MOVED_ITEMS = 50_000_000;

/** An operation that cannot be applied. `detail` says why in the words of upstream's library; its server keeps them from clients. */
export class PatchError extends StatusError {
  readonly detail: string;
  constructor(detail: string) {
    super(unprocessable().status);
    this.detail = detail;
  }
}

/** A `test` operation has failed. */
export class PatchTestError extends PatchError {
  constructor(path: string) {
    super(`testing path ${path} failed: test failed`);
  }
}

type Container = Record<string, unknown> | unknown[];

interface Operation {
  readonly op: string;
  readonly path: string;
  readonly from?: string;
  readonly value?: unknown;
}

const isContainer = (value: unknown): value is Container => typeof value === 'object' && value !== null;

function checkedOperations(patch: unknown): Operation[] {
  if (!Array.isArray(patch)) {
    throw badRequest('json: cannot unmarshal object into Go value of type jsonpatch.Patch');
  }
  if (patch.length > MAX_OPERATIONS) {
    throw tooLarge(`The allowed maximum operations in a JSON patch is ${MAX_OPERATIONS}, got ${patch.length}`);
  }
  return patch.map((entry: unknown) => {
    if (!isContainer(entry) || Array.isArray(entry))
      throw badRequest('json: cannot unmarshal into Go value of type jsonpatch.Operation');
    const { op, path, from, value } = entry;
    if (typeof op !== 'string' || typeof path !== 'string' || (from !== undefined && typeof from !== 'string')) {
      throw unprocessable();
    }
    return { op, path, from, value };
  });
}

const pointerOf = (path: string): string[] => {
  if (path === '') return [];
  if (!path.startsWith('/')) throw unprocessable();
  // No document is deeper.
  const parts = path.slice(1).split('/', MAX_DEPTH + 2);
  if (parts.length > MAX_DEPTH + 1) throw unprocessable();
  return parts.map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
};

/** Parses an index into an array of `length`; `upTo` is the largest valid one. */
function indexOf(part: string, length: number, upTo: number): number {
  // Negative indices count from the end, as in upstream's library.
  if (!/^-?(0|[1-9]\d*)$/.test(part)) throw unprocessable();
  const index = Number(part) < 0 ? Number(part) + length : Number(part);
  if (index < 0 || index > upTo) throw unprocessable();
  return index;
}

/** Applies operations to a document, in place. */
class PatchedDocument {
  root: unknown;
  #copiedBytes = 0;
  #movedItems = 0;

  constructor(root: unknown) {
    this.root = root;
  }

  apply(operation: Operation): void {
    try {
      this.#apply(operation);
    } catch (error) {
      if (!(error instanceof StatusError) || error instanceof PatchError) throw error;
      throw new PatchError(this.#why(operation));
    }
  }

  /** Why an operation does not apply. */
  #why({ op, path, from }: Operation): string {
    switch (op) {
      case 'add':
        return this.#hasPlace(path)
          ? `error in add for path: '${path}'`
          : `add operation does not apply: doc is missing path: ${JSON.stringify(path)}: missing value`;
      case 'remove':
        return this.#hasPlace(path)
          ? `error in remove for path: '${path}': Unable to remove nonexistent key: ${pointerOf(path).pop()}: missing value`
          : `remove operation does not apply: doc is missing path: ${JSON.stringify(path)}: missing value`;
      case 'replace':
        return `replace operation does not apply: doc is missing ${this.#hasPlace(path) ? 'key' : 'path'}: ${path}: missing value`;
      case 'move':
      case 'copy':
        return `${op} operation does not apply: doc is missing from path: ${from ?? ''}: missing value`;
      default:
        return `Unexpected kind: ${op}`;
    }
  }

  /** Whether there is a container of what a path points at. */
  #hasPlace(path: string): boolean {
    try {
      this.#place(path);
      return true;
    } catch (error) {
      if (error instanceof StatusError) return false;
      throw error;
    }
  }

  #apply({ op, path, from, value }: Operation): void {
    switch (op) {
      case 'add':
        return this.#add(path, structuredClone(value ?? null));
      case 'remove':
        this.#remove(path);
        return;
      case 'replace':
        return this.#replace(path, structuredClone(value ?? null));
      case 'move':
        return this.#add(path, this.#remove(from ?? this.#missing()));
      case 'copy':
        // As upstream, a field that is not there is null.
        return this.#add(path, this.#copyOf(this.#find(from ?? this.#missing()) ?? null));
      case 'test': {
        const found = this.#find(path);
        if (!deepEqual(found ?? null, value ?? null)) throw new PatchTestError(path);
        return;
      }
      default:
        throw unprocessable();
    }
  }

  #copyOf(value: unknown): unknown {
    const json = JSON.stringify(value);
    this.#copiedBytes += Buffer.byteLength(json);
    if (this.#copiedBytes > MAX_COPIED_BYTES) throw unprocessable();
    return JSON.parse(json) as unknown;
  }

  /** Replaces `count` items of a list by others. */
  #splice(list: unknown[], index: number, count: number, ...items: unknown[]): void {
    this.#movedItems += list.length - index;
    if (this.#movedItems > MAX_MOVED_ITEMS) throw unprocessable();
    list.splice(index, count, ...items);
  }

  #missing(): never {
    throw unprocessable();
  }

  #child(container: unknown, part: string): unknown {
    if (Array.isArray(container)) return container[indexOf(part, container.length, container.length - 1)];
    if (!isJsonObject(container) || !Object.hasOwn(container, part)) throw unprocessable();
    return own(container, part);
  }

  /** Undefined when the last part is a field that does not exist. */
  #find(path: string): unknown {
    const parts = pointerOf(path);
    const last = parts.pop();
    if (last === undefined) return this.root;
    const container = parts.reduce((value, part) => this.#child(value, part), this.root);
    if (isJsonObject(container) && !Object.hasOwn(container, last)) return undefined;
    return this.#child(container, last);
  }

  #place(path: string): { container: Container; last: string } {
    const parts = pointerOf(path);
    const last = parts.pop();
    const container = parts.reduce((value, part) => this.#child(value, part), this.root);
    if (last === undefined || !isContainer(container)) throw unprocessable();
    return { container, last };
  }

  #add(path: string, value: unknown): void {
    if (path === '') {
      this.root = value;
      return;
    }
    const { container, last } = this.#place(path);
    if (!Array.isArray(container)) setOwn(container, last, value);
    else if (last === '-') container.push(value);
    else this.#splice(container, indexOf(last, container.length, container.length), 0, value);
  }

  #remove(path: string): unknown {
    const { container, last } = this.#place(path);
    const removed = this.#child(container, last);
    if (Array.isArray(container)) this.#splice(container, indexOf(last, container.length, container.length - 1), 1);
    else delete container[last];
    return removed;
  }

  /** As upstream, and unlike RFC 6902, a field that is not there is added. */
  #replace(path: string, value: unknown): void {
    if (path === '') {
      this.root = value;
      return;
    }
    const { container, last } = this.#place(path);
    if (Array.isArray(container)) container[indexOf(last, container.length, container.length - 1)] = value;
    else setOwn(container, last, value);
  }
}

/**
 * Applies the operations to `target`, which is changed, and returns the result, which may share parts with it.
 * Throws StatusError: 400 for an invalid patch, 413 for too many operations, 422 for one that cannot be applied
 * or that exceeds the limits.
 */
export function applyJsonPatch(target: unknown, patch: unknown): unknown {
  const document = new PatchedDocument(target);
  const operations = checkedOperations(patch);
  try {
    for (const operation of operations) document.apply(operation);
    // Moves and copies can nest deeper than the patch itself.
    Extent.of(document.root);
  } catch (error) {
    if (error instanceof RangeError) throw unprocessable();
    throw error;
  }
  return document.root;
}

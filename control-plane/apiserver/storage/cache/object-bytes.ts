/**
 * The byte layout of objects. An object is serialized once, when it is written, and begins with
 * `{"kind":...,"apiVersion":...,"metadata":{`, so that the part to be changed later is at a known offset. The store assigns
 * revisions, so stored bytes lack `metadata.resourceVersion`; served bytes get it spliced in.
 */
import { apiVersionOf } from '../../../../api/machinery/define-kind.ts';
import type { Kind, KubeObject } from '../../../../api/machinery/kind.ts';

const REVISION_KEY = '"resourceVersion":"';
const OWNERS_KEY = Buffer.from('"managedFields":');
/** What follows the owners. Quotes in strings are escaped, so that this is not found in one. */
const OWNERS_END = '],"name":';
const COMMA = 0x2c;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

export class ObjectBytes {
  readonly #kind: string;
  readonly #apiVersion: string;
  /** What precedes `"metadata"`, which list items omit. */
  readonly #type: string;
  /** The offset of the first field of metadata. */
  readonly #metadataStart: number;
  /** Its length in bytes. */
  readonly #typeLength: number;

  constructor(kind: Pick<Kind, 'group' | 'version' | 'kind'>) {
    this.#kind = kind.kind;
    this.#apiVersion = apiVersionOf(kind);
    this.#type = `{"kind":${JSON.stringify(this.#kind)},"apiVersion":${JSON.stringify(this.#apiVersion)},`;
    this.#typeLength = Buffer.byteLength(this.#type);
    this.#metadataStart = this.#typeLength + '"metadata":{'.length;
  }

  /**
   * The bytes to store: without a resourceVersion.
   * @param owners the text of `metadata.managedFields`, instead of what the object has
   */
  encode(object: KubeObject, owners = JSON.stringify(object.metadata?.managedFields) ?? ''): Buffer {
    // Properties keep the order of their first assignment.
    const fields: KubeObject = { kind: '', apiVersion: '', metadata: {}, ...object };
    fields.kind = this.#kind;
    fields.apiVersion = this.#apiVersion;
    fields.metadata = { name: '', ...object.metadata, resourceVersion: undefined, managedFields: undefined };
    const text = JSON.stringify(fields);
    if (!owners) return Buffer.from(text);
    // Piece by piece: a text of both would be copied once more.
    const bytes = Buffer.allocUnsafe(Buffer.byteLength(text) + OWNERS_KEY.length + Buffer.byteLength(owners) + 1);
    let at = bytes.write(text.slice(0, this.#metadataStart));
    at += OWNERS_KEY.copy(bytes, at);
    at += bytes.write(owners, at);
    bytes[at++] = COMMA;
    bytes.write(text.slice(this.#metadataStart), at);
    return bytes;
  }

  /** Parses served bytes without `metadata.managedFields`, whose text is `owners`: '' when there are none. */
  parse(served: Buffer): { readonly object: KubeObject; readonly owners: string } {
    const start = this.#afterRevision(served);
    const end = this.#ownersEnd(served, start);
    const object = JSON.parse(cut(served, start, end).toString()) as KubeObject;
    return { object, owners: start === end ? '' : served.toString('utf8', start + OWNERS_KEY.length, end - 1) };
  }

  /** The served bytes without `metadata.managedFields`; the same Buffer when there are none. */
  withoutOwners(served: Buffer): Buffer {
    const start = this.#afterRevision(served);
    return cut(served, start, this.#ownersEnd(served, start));
  }

  /** The length in bytes of `metadata.managedFields` with its key and comma. */
  ownersLength(served: Buffer): number {
    const start = this.#afterRevision(served);
    return this.#ownersEnd(served, start) - start;
  }

  /** Whether bytes were encoded as this kind and version. */
  areOwn(bytes: Buffer): boolean {
    return bytes.toString('utf8', 0, this.#typeLength) === this.#type;
  }

  /** Whether bytes have the layout of `encode`, for this kind and version. */
  haveForm(bytes: Buffer): boolean {
    const start = bytes.toString('utf8', 0, this.#metadataStart + OWNERS_KEY.length);
    return (
      start.startsWith(`${this.#type}"metadata":{"name":`) || start === `${this.#type}"metadata":{"managedFields":`
    );
  }

  /** The bytes to serve: stored bytes with the revision of their write, in a new Buffer. */
  serve(stored: Buffer, revision: number): Buffer {
    return this.#splice(stored, this.#metadataStart, revision);
  }

  /** Served bytes with another revision: a deleted object is shown with that of its deletion. */
  atRevision(served: Buffer, revision: number): Buffer {
    return this.#splice(served, this.#afterRevision(served), revision);
  }

  /** Whether served and stored bytes are equal apart from the revision. */
  sameAs(served: Buffer, stored: Buffer): boolean {
    const after = this.#afterRevision(served);
    return (
      served.length - after === stored.length - this.#metadataStart &&
      served.compare(stored, this.#metadataStart, stored.length, after) === 0
    );
  }

  /**
   * Whether served and stored bytes may be the same object with its fields in another order: only then do they consist of the same
   * bytes. Costs a twentieth of parsing them.
   */
  mayBeReordered(served: Buffer, stored: Buffer): boolean {
    const ahead = this.#afterRevision(served) - this.#metadataStart;
    if (served.length - ahead !== stored.length) return false;
    let difference = 0;
    for (let at = this.#metadataStart; at < stored.length; at++) {
      const one = served[at + ahead] ?? 0;
      const other = stored[at] ?? 0;
      difference += one * one - other * other;
    }
    return difference === 0;
  }

  /** Writes an object as a list item: `{"metadata":...`, without kind and apiVersion. */
  writeItem(served: Buffer, target: Buffer, at: number): number {
    target[at] = OPEN_BRACE;
    return at + 1 + served.copy(target, at + 1, this.#typeLength);
  }

  itemLength(served: Buffer): number {
    return served.length - this.#typeLength + 1;
  }

  /** What follows the opening brace of a list item. */
  fields(served: Buffer): Buffer {
    return served.subarray(this.#typeLength);
  }

  /** The bytes of `"metadata":{...}`. */
  metadata(served: Buffer): Buffer {
    let depth = 1;
    let at = this.#metadataStart;
    for (; depth > 0 && at < served.length; at++) {
      const byte = served[at];
      if (byte === OPEN_BRACE) depth++;
      else if (byte === CLOSE_BRACE) depth--;
      else if (byte === QUOTE) {
        for (at++; served[at] !== QUOTE; at++) if (served[at] === BACKSLASH) at++;
      }
    }
    return served.subarray(this.#typeLength, at);
  }

  /** Where the owners that may begin at `start` end, behind their comma; `start` when there are none. */
  #ownersEnd(served: Buffer, start: number): number {
    const from = start + OWNERS_KEY.length;
    const has = served.compare(OWNERS_KEY, 0, OWNERS_KEY.length, start, from) === 0;
    return has ? served.indexOf(OWNERS_END, from) + 2 : start;
  }

  #splice(from: Buffer, rest: number, revision: number): Buffer {
    const revisionField = `${REVISION_KEY}${revision}",`;
    const start = this.#metadataStart;
    // A Buffer of its own: a slice of a pool would keep the whole pool alive.
    const served = Buffer.allocUnsafeSlow(start + revisionField.length + from.length - rest);
    from.copy(served, 0, 0, start);
    served.write(revisionField, start, 'latin1');
    from.copy(served, start + revisionField.length, rest);
    return served;
  }

  #afterRevision(served: Buffer): number {
    return served.indexOf(QUOTE, this.#metadataStart + REVISION_KEY.length) + 2;
  }
}

/** The Buffer itself when there is nothing between the offsets. */
function cut(bytes: Buffer, start: number, end: number): Buffer {
  if (start === end) return bytes;
  const kept = Buffer.allocUnsafe(bytes.length - (end - start));
  bytes.copy(kept, 0, 0, start);
  bytes.copy(kept, start, end);
  return kept;
}

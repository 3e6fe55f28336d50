/**
 * The byte layout of objects. An object is serialized once, when it is written, and begins with
 * `{"kind":...,"apiVersion":...,"metadata":{`, so that the part to be changed later is at a known offset. The store assigns
 * revisions, so stored bytes lack `metadata.resourceVersion`; served bytes get it spliced in.
 */
import { apiVersionOf } from '../../../../api/machinery/define-kind.ts';
import type { Kind, KubeObject } from '../../../../api/machinery/kind.ts';

const REVISION_KEY = '"resourceVersion":"';
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

  /** The bytes to store: without a resourceVersion. */
  encode(object: KubeObject): Buffer {
    // Properties keep the order of their first assignment.
    const fields: KubeObject = { kind: '', apiVersion: '', metadata: {}, ...object };
    fields.kind = this.#kind;
    fields.apiVersion = this.#apiVersion;
    fields.metadata = { ...object.metadata, resourceVersion: undefined };
    return Buffer.from(JSON.stringify(fields));
  }

  /** Stored bytes as this kind encodes them; what was stored under another version is encoded again. */
  rebased(stored: Buffer): Buffer {
    const isOwn = stored.toString('utf8', 0, this.#typeLength) === this.#type;
    return isOwn ? stored : this.encode(JSON.parse(stored.toString()) as KubeObject);
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
      const [one, other] = [served[at + ahead] ?? 0, stored[at] ?? 0];
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

/** An object in the cache, and the keys by which it is found. */
import type { KubeObject } from '../../../../api/machinery/kind.ts';

/** What selectors look at. */
export interface EntryIndex {
  readonly labels: Readonly<Record<string, string>>;
  /** Values of the kind's selectable fields, in the order in which the kind names them. */
  readonly fields: readonly string[];
}

/**
 * What a write of this server knows of the bytes that it stores, so that they need not be parsed when they come back from the
 * store. The object has no resourceVersion yet, and is shared: not to be changed.
 */
export class WrittenObject implements EntryIndex {
  readonly object: KubeObject;
  readonly labels: EntryIndex['labels'];
  readonly fields: EntryIndex['fields'];
  constructor(object: KubeObject, { labels, fields }: EntryIndex) {
    this.object = object;
    this.labels = labels;
    this.fields = fields;
  }
}

export interface Entry extends EntryIndex {
  /** `namespace/name`, or the name alone for kinds of the cluster. */
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  /** The served bytes. Shared by everybody who reads: not to be changed. */
  readonly bytes: Buffer;
  readonly revision: number;
}

export const entryKey = (namespace: string, name: string): string => (namespace ? `${namespace}/${name}` : name);
/** What the keys of a namespace begin with; '' for all namespaces. */
export const keyPrefix = (namespace: string): string => (namespace ? `${namespace}/` : '');

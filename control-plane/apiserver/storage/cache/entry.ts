/** A cached object and its keys. */
import type { KubeObject } from '../../../../api/machinery/kind.ts';

/** What selectors match. */
export interface EntryIndex {
  readonly labels: Readonly<Record<string, string>>;
  /** The values of the kind's selectable fields, in the order of its definition. */
  readonly fields: readonly string[];
}

/**
 * The parsed object of a write by this server, so that its bytes need not be parsed again when they come back from the
 * store. It lacks its resourceVersion, and is shared: it must not be changed.
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
  /** `namespace/name`, or `name` for cluster-scoped kinds. */
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  /** The served bytes, shared by all readers: they must not be changed. */
  readonly bytes: Buffer;
  readonly revision: number;
  /** The version as which it is stored, where that is another one than the cache's. */
  readonly version?: string | undefined;
  /** The cached entry of which a webhook made this one. */
  readonly cached?: Entry | undefined;
}

export const entryKey = (namespace: string, name: string): string => (namespace ? `${namespace}/${name}` : name);
/** The key prefix of a namespace; '' for all namespaces. */
export const keyPrefix = (namespace: string): string => (namespace ? `${namespace}/` : '');

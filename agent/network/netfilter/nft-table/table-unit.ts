/** What a table of nftables is made of, in the language of nft(8). Pure. */
import { createHash } from 'node:crypto';

/** An element of a set or map. */
export interface Element {
  /** The name of the set or map. */
  readonly container: string;
  readonly key: string;
  /** What follows the key: a comment, and in a map the value. */
  readonly tail: string;
}

/** Sets and maps by name: `set { type ipv4_addr; }`. */
export type Declarations = ReadonlyMap<string, string>;
/** Chains by name: rules of `rule`. */
export type Chains = ReadonlyMap<string, readonly string[]>;

/** What comes and goes together. */
export interface Objects {
  readonly sets: Declarations;
  readonly chains: Chains;
}

/** The part of one object (a Service). A transaction that the kernel rejects is bisected by units. */
export interface TableUnit {
  readonly sets: Declarations;
  readonly chains: Chains;
  /** Several units may want an element with the same key. */
  readonly elements: readonly Element[];
}

/** By the object's key; undefined for one that has nothing in the table. */
export type TableUnits = ReadonlyMap<string, TableUnit | undefined>;

/** Of a rule or an element, with the null that ends it. */
const COMMENT_LIMIT = 128;
const DIGEST_LENGTH = 8;
const digest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, DIGEST_LENGTH);

/**
 * A rule with a comment that tells it from every other: programs print rules in their own way, and by the comment a rule that the
 * kernel has is known to be the one that is wanted.
 * @param why of DNS names and fixed text alone, so that it needs no quoting
 */
export const rule = (text: string, why: string): string =>
  `${text} comment "${why.slice(0, COMMENT_LIMIT - DIGEST_LENGTH - 3)} #${digest(`${text} ${why}`)}"`;

/** How a chain with these rules is read back: the comments. */
export const signatureOf = (rules: readonly string[]): string =>
  rules.map((text) => text.slice(text.lastIndexOf(' comment "') + 10, -1)).join('\n');

/** @param value in a map, what the key leads to; undefined in a set. */
export function elementTail(comment: string | undefined, value: string | undefined): string {
  const quoted = comment === undefined ? '' : ` comment "${comment.slice(0, COMMENT_LIMIT - 1)}"`;
  return value === undefined ? quoted : `${quoted} : ${value}`;
}

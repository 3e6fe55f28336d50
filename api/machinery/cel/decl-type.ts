/** The types of JSON that expressions read: what a value is in CEL, and how large it can be. Upstream's `apiserver/pkg/cel/types.go`. */
import type { CelType } from './types.ts';

export interface DeclType {
  readonly type: CelType;
  /** The most items, entries, characters or bytes that a value can have. */
  readonly maxElements: number;
  /** The least bytes of it in JSON. */
  readonly minSize: number;
  /** Of lists the items, of maps the values. */
  readonly items?: DeclType;
  readonly keys?: DeclType;
  /** Of objects, by their escaped names. */
  readonly fields?: ReadonlyMap<string, DeclType>;
  /** Lists that are sets or maps are equal in any order, and `+` merges them. */
  readonly list?: { readonly kind: 'map' | 'set'; readonly keys: readonly string[] };
}

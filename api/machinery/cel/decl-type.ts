/** The types of JSON that expressions read: what a value is in CEL, and how large it can be. Upstream's `apiserver/pkg/cel/types.go`. */
import type { CelType } from './types.ts';
import type { ListIdentity } from './values.ts';

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
  /** Of maps: what a name that is selected as a field, `map.name`, is taken for in estimates; unknown when left out. */
  readonly anyField?: DeclType;
  readonly list?: ListIdentity;
}

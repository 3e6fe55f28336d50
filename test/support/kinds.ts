import { kinds, bodyKinds } from '../../api/registry.ts';
import type { Kind } from '../../api/machinery/kind.ts';

/** Finds a kind by its name; also one that is not a resource. */
export function findByKind(group: string, version: string, kind: string): Kind | undefined {
  const named = (known: Kind) => known.kind === kind && known.group === group && known.version === version;
  return kinds.find(named) ?? bodyKinds.find(named);
}

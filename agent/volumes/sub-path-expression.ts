import { own } from '../../api/machinery/own.ts';
import { expandWith } from '../pods/containers/expansion.ts';

/**
 * `subPathExpr`: `$(NAME)` stands for an environment variable of the container, `$$` for a dollar sign. Throws for names
 * that the container does not have or that are empty (the whole volume would be shown in place of a part of it):
 * https://kubernetes.io/docs/concepts/storage/volumes/#using-subpath-expanded-environment
 */
export function expandSubPath(expression: string, env: Readonly<Record<string, string>>): string {
  const missing = new Set<string>();
  const expanded = expandWith(expression, (name) => {
    const value = own(env, name);
    if (!value) missing.add(name);
    return value ?? '';
  });
  if (missing.size > 0) throw new Error(`missing value for ${[...missing].sort().join(', ')}`);
  return expanded;
}

/** Group versions that are served here only as long as no other server is registered for them: an installed metrics-server takes over. */
import { METRICS_GROUP } from '../../../api/kinds/metrics/usage.ts';
import type { ServedKinds } from '../catalogue/served-kinds.ts';
import type { RemoteApis } from './remote-apis.ts';

/** They have no APIService here: whoever installs one would find the name taken. */
const YIELDING_GROUPS: ReadonlySet<string> = new Set([METRICS_GROUP]);

export const yields = ({ group }: { readonly group: string }): boolean => YIELDING_GROUPS.has(group);

/** Stops to serve such kinds when an APIService names a server for them, and serves them again when it is gone. */
export function yieldToRemote(kinds: ServedKinds, apis: RemoteApis): void {
  for (const resource of [...kinds.resources].filter(({ kind }) => yields(kind))) {
    const { kind } = resource;
    const name = `${kind.version}.${kind.group}`;
    const settle = (): void => {
      const isServed = kinds.of(kind) !== undefined;
      const isRemote = apis.get(name) !== undefined;
      if (isRemote && isServed) kinds.remove(resource);
      if (!isRemote && !isServed) kinds.add(resource);
    };
    settle();
    apis.onChange((changed) => {
      if (changed === name) settle();
    });
  }
}

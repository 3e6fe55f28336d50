/** What the kinds of metrics.k8s.io have in common. */
import { nameColumn } from '../../machinery/columns.ts';
import type { Column, KubeObject } from '../../machinery/kind.ts';
import { own } from '../../machinery/own.ts';
import { formatQuantity, parseQuantity } from '../../machinery/quantity.ts';

export const METRICS_GROUP = 'metrics.k8s.io';

/** What has a usage: a node, a container. */
interface User {
  readonly usage: Readonly<Record<string, string>> | null;
}

function sumOf(users: readonly User[], resource: string): string {
  const amounts = users.flatMap(({ usage }) => own(usage ?? {}, resource) ?? []).map(parseQuantity);
  const [first] = amounts;
  if (!first) return '0';
  return formatQuantity({ nano: amounts.reduce((sum, { nano }) => sum + nano, 0n), format: first.format });
}

/** The columns of metrics-server. */
export const usageColumns = <T extends KubeObject & { readonly window: string }>(
  usersOf: (object: T) => readonly User[] | null,
): readonly Column<T>[] => [
  nameColumn(),
  ...['cpu', 'memory'].map((resource): Column<T> => ({
    ...{ name: resource, type: 'string', format: 'quantity', priority: 0 },
    cell: (object) => sumOf(usersOf(object) ?? [], resource),
  })),
  { name: 'Window', type: 'string', format: 'duration', priority: 0, cell: ({ window }) => window },
];

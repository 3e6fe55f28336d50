/**
 * The Node of this server's own host, when that has an agent, is labelled as one of the control plane, as kubeadm and k3s do: a node must not give
 * itself that label (NodeRestriction). It is tainted, too, where the settings say so. `kedge server leave` takes both away. A node writes its
 * addresses itself, and so may claim that of a server: it has to name the boot of this host, too, and to be the only one that does.
 */
import { markedNode, nodesAt } from '../../../api/domain/control-plane-node.ts';
import { nodes } from '../../../api/kinds/core/node.ts';
import type { Node } from '../../../api/types/core/v1.gen.ts';
import { readIfThere } from '../../pki/pem-files.ts';
import type { LocalApi } from '../catalogue/local-api.ts';

/** Random, and the same for all programs of a host until it starts again: random(4). */
const BOOT_ID = '/proc/sys/kernel/random/boot_id';

/** A host of a server. */
export interface ServersHost {
  /** At which other hosts reach the server. */
  readonly address: string;
  /** '' where the kernel does not say. */
  readonly bootId: string;
}

/** The Node of the host; undefined when there is none, or it is not clear which one it is. Pure. */
export function nodeOf({ address, bootId }: ServersHost, all: Iterable<Node>): Node | undefined {
  if (bootId === '') return undefined;
  const found = [...nodesAt(all, address)].filter(({ status }) => status?.nodeInfo?.bootID === bootId);
  return found.length === 1 ? found[0] : undefined;
}

/** @param address at which other hosts reach this server. Throws StatusError or PkiError. */
export async function markOwnNode(api: LocalApi, address: string, mark: { readonly taint: boolean }): Promise<void> {
  const bootId = ((await readIfThere(BOOT_ID)) ?? '').trim();
  const node = nodeOf({ address, bootId }, api.each<Node>(nodes, ''));
  const marked = node && markedNode(node, mark);
  if (marked) await api.update(nodes, marked);
}

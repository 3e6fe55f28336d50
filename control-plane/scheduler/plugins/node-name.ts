import type { PluginOf } from '../framework/plugin.ts';
import { unresolvable } from '../framework/rejection.ts';

const OTHER_NODE = unresolvable("node(s) didn't match the requested node name");

/** A pod that names its node is bound already: it is filtered only where a what-if asks about it. */
export const nodeName: PluginOf = {
  name: 'NodeName',
  queueingHints: { NodeAdd: () => true },
  preFilter: (pod) => (pod.nodeName === '' ? 'skip' : { state: undefined }),
  filter: (pod, { facts }) => (pod.nodeName === facts.name ? undefined : OTHER_NODE),
};

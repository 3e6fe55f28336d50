import type { PluginOf } from '../framework/plugin.ts';
import { unresolvable } from '../framework/rejection.ts';

const OTHER_NODE = unresolvable("node(s) didn't match the requested node name");

/** `spec.nodeName`, as upstream filters it. A pod that has one is bound already, so that it is skipped for all pods in the queue. */
export const nodeName: PluginOf = {
  name: 'NodeName',
  queueingHints: { NodeAdd: () => true },
  preFilter: (pod) => (pod.nodeName === '' ? 'skip' : { state: undefined }),
  filter: (pod, { facts }) => (pod.nodeName === facts.name ? undefined : OTHER_NODE),
};

import { hostPortsConflict } from '../../../api/domain/host-ports.ts';
import type { PluginOf } from '../framework/plugin.ts';
import { unschedulable } from '../framework/rejection.ts';

const TAKEN = unschedulable("node(s) didn't have free ports for the requested pod ports");

/** A host port is used by one pod per node, address and protocol. */
export const nodePorts: PluginOf = {
  name: 'NodePorts',
  queueingHints: {
    NodeAdd: () => true,
    AssignedPodDelete: (pod, { pod: deleted }) =>
      pod.hostPorts.some((wanted) => deleted.hostPorts.some((freed) => hostPortsConflict(freed, wanted))),
  },
  preFilter: (pod) => (pod.hostPorts.length === 0 ? 'skip' : { state: undefined }),
  filter: (pod, node) => (pod.hostPorts.some((port) => node.portTaken(port)) ? TAKEN : undefined),
};

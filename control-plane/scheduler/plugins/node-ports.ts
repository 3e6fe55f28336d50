import type { Plugin } from '../plugin.ts';

export const nodePorts: Plugin = {
  name: 'NodePorts',
  retryOn: ['node added', 'pod removed'],
  filter: (pod, node) =>
    pod.hostPorts.some((port) => node.portTaken(port))
      ? ["node(s) didn't have free ports for the requested pod ports"]
      : undefined,
};

import type { Plugin } from '../plugin.ts';

/** A pod that names its node never reaches the scheduler's queue; what is left to check is that it is not another's. */
export const nodeName: Plugin = {
  name: 'NodeName',
  filter: (pod, node) =>
    pod.nodeName === '' || pod.nodeName === node.facts.name
      ? undefined
      : ["node(s) didn't match the requested node name"],
};

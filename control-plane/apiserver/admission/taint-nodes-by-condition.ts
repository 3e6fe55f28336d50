import type { AdmissionPlugin } from './plugin.ts';
import type { Node } from '../../../api/types/core/v1.gen.ts';

const NOT_READY = 'node.kubernetes.io/not-ready';

/** A new node takes no pods until it has been seen to be ready. */
export const taintNodesByCondition: AdmissionPlugin = {
  name: 'TaintNodesByCondition',
  mutate({ operation, kind, subresource, object }) {
    if (operation !== 'CREATE' || kind.kind !== 'Node' || kind.group !== '' || subresource !== '') return;
    const node = object as Node;
    const spec = (node.spec ??= {});
    if (spec.taints?.some(({ key, effect }) => key === NOT_READY && effect === 'NoSchedule')) return;
    spec.taints = [...(spec.taints ?? []), { key: NOT_READY, effect: 'NoSchedule' }];
  },
};

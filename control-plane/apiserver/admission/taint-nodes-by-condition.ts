import { NOT_READY_TAINT } from '../../../api/domain/taints.ts';
import type { AdmissionPlugin } from './plugin.ts';
import type { Node } from '../../../api/types/core/v1.gen.ts';

/** A new node takes no pods until it has been seen to be ready. */
export const taintNodesByCondition: AdmissionPlugin = {
  name: 'TaintNodesByCondition',
  mutate({ operation, kind, subresource, object }) {
    if (operation !== 'CREATE' || kind.kind !== 'Node' || kind.group !== '' || subresource !== '') return;
    const node = object as Node;
    const spec = (node.spec ??= {});
    if (spec.taints?.some(({ key, effect }) => key === NOT_READY_TAINT && effect === 'NoSchedule')) return;
    spec.taints = [...(spec.taints ?? []), { key: NOT_READY_TAINT, effect: 'NoSchedule' }];
  },
};

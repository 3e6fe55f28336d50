import { imageName, parseImageReference } from '../../../api/domain/image-reference.ts';
import { MAX_SCORE, type PluginOf } from '../framework/plugin.ts';

const MIB = 1024 * 1024;
/** Below this an image is as good as pulled; above the other, per container, more makes no difference (upstream's bounds). */
const MIN_BYTES = 23 * MIB;
const MAX_BYTES_PER_CONTAINER = 1000 * MIB;

/** Upstream spreads pods over the nodes while few have an image: its bytes count by the share of the nodes that have it. */
interface CountedImage {
  readonly name: string;
  readonly nodeShare: number;
}

/** Prefers nodes that have the pod's images, large ones before small ones. */
export const imageLocality: PluginOf<undefined, readonly CountedImage[]> = {
  name: 'ImageLocality',
  preScore: (pod, _feasible, { nodes }) => {
    const state: CountedImage[] = [];
    for (const image of pod.pending.images) {
      const reference = parseImageReference(image);
      if (!reference) continue;
      const name = imageName(reference);
      let having = 0;
      for (const { facts } of nodes) if (facts.images.has(name)) having++;
      if (having > 0) state.push({ name, nodeShare: having / nodes.length });
    }
    return state.length > 0 ? { state } : 'skip';
  },
  score: ({ pending }, { facts }, images) => {
    let bytes = 0;
    for (const { name, nodeShare } of images) bytes += (facts.images.get(name) ?? 0) * nodeShare;
    const max = MAX_BYTES_PER_CONTAINER * pending.images.length;
    return Math.floor((MAX_SCORE * (Math.min(Math.max(bytes, MIN_BYTES), max) - MIN_BYTES)) / (max - MIN_BYTES));
  },
};

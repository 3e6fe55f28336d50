import { MAX_SCORE, type Plugin } from '../plugin.ts';

const MIB = 1024 * 1024;
/** Below this an image is as good as pulled; above the other, per container, more makes no difference (upstream's bounds). */
const MIN_BYTES = 23 * MIB;
const MAX_BYTES_PER_CONTAINER = 1000 * MIB;

/** `nginx` -> `docker.io/library/nginx:latest`: the name under which a node reports the image. */
export function normalizedImage(image: string): string {
  const tagged = image.includes('@') || /:[^/]*$/.test(image) ? image : `${image}:latest`;
  const [first = ''] = tagged.split('/');
  if (!tagged.includes('/')) return `docker.io/library/${tagged}`;
  return first.includes('.') || first.includes(':') || first === 'localhost' ? tagged : `docker.io/${tagged}`;
}

/** Prefers nodes that have the pod's images, large ones before small ones, counting less what few nodes have. */
export const imageLocality: Plugin = {
  name: 'ImageLocality',
  score: (pod, node, nodes) => {
    const { images } = pod.pending;
    if (images.length === 0) return 0;
    let bytes = 0;
    for (const image of images) {
      const name = normalizedImage(image);
      const size = node.facts.images.get(name);
      if (size === undefined) continue;
      bytes += size * (nodes.filter((other) => other.facts.images.has(name)).length / nodes.length);
    }
    const max = MAX_BYTES_PER_CONTAINER * images.length;
    return Math.floor((MAX_SCORE * (Math.min(Math.max(bytes, MIN_BYTES), max) - MIN_BYTES)) / (max - MIN_BYTES));
  },
};

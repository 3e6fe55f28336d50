/** What the columns of volumes and claims have in common. */
import { own } from '../../machinery/own.ts';
import type { ObjectMeta } from '../../types/meta/v1.gen.ts';

/** Where claims and volumes had the name of their class before they had a field for it; it still has precedence. */
export const CLASS_ANNOTATION = 'volume.beta.kubernetes.io/storage-class';

export const classOf = (metadata: ObjectMeta | undefined, name: string | undefined): string =>
  own(metadata?.annotations, CLASS_ANNOTATION) ?? name ?? '';

const SHORT_MODES = [
  ['ReadWriteOnce', 'RWO'],
  ['ReadOnlyMany', 'ROX'],
  ['ReadWriteMany', 'RWX'],
  ['ReadWriteOncePod', 'RWOP'],
] as const;

export const shortAccessModes = (modes: readonly string[] = []): string =>
  SHORT_MODES.filter(([mode]) => modes.includes(mode))
    .map(([, short]) => short)
    .join(',');

import { int64, pointer, string, struct, type Static } from '../machinery/schema.ts';
import { ShardInfo } from './discovery.ts';

export const ListMeta = struct(
  'io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta',
  {},
  {
    continue: string(),
    remainingItemCount: pointer(int64()),
    resourceVersion: string(),
    selfLink: string(),
    shardInfo: ShardInfo,
  },
);
export type ListMeta = Static<typeof ListMeta>;

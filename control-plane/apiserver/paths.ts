/** Paths that are not resources: health, version. */
import { kubernetesVersion } from '../../api/version.ts';
import type { ApiCore } from './core.ts';
import type { PathHandler } from './router.ts';

export function pathHandlers(_core: ApiCore, _stopping: AbortSignal): PathHandler[] {
  return [
    (exchange) => {
      if (exchange.info.path !== '/version') return false;
      exchange.sendObject(200, { ...kubernetesVersion, platform: `linux/${process.arch}` });
      return true;
    },
  ];
}

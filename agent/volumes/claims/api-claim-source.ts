import type { KubeObject } from '../../../api/machinery/kind.ts';
import { isNotFound } from '../../../api/machinery/status-error.ts';
import type { ApiClient } from '../../../client/api-client.ts';
import type { Resource } from '../../../client/resource.ts';
import { nodes, persistentVolumeClaims, persistentVolumes } from '../../../client/resources.gen.ts';
import type { ClaimSource } from './claim-source.ts';

/** Asks the api-server each time: claims and volumes are read when a pod starts, and seldom otherwise. */
export function apiClaimSource(client: ApiClient, nodeName: string): ClaimSource {
  async function get<T extends KubeObject>(
    resource: Resource<T>,
    namespace: string,
    name: string,
    signal: AbortSignal,
  ): Promise<T | undefined> {
    try {
      return await client.get(resource, namespace, name, { signal });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }
  return {
    claim: (namespace, name, signal) => get(persistentVolumeClaims, namespace, name, signal),
    volume: (name, signal) => get(persistentVolumes, '', name, signal),
    node: async (signal) => {
      const node = await get(nodes, '', nodeName, signal);
      return { name: nodeName, labels: node?.metadata?.labels ?? {} };
    },
  };
}
